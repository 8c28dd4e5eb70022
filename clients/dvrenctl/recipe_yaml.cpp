#include "recipe_yaml.h"

#include <yaml-cpp/yaml.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "output.h"
#include "yaml_message.h"

namespace dvren::ctl {
namespace {

namespace fs = std::filesystem;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr std::size_t kMaxExtended = 16;
constexpr char kExtends[] = "extends";
constexpr char kDataVariable[] = "${DVREN_DATA}";

// A top-level key belongs to the file's own message or to its Recipe.
struct TopLevel {
  const FieldDescriptor* field = nullptr;
  Message* message = nullptr;
};

TopLevel FindTopLevel(const std::string& key, v1::RecipeFile* recipe) {
  const FieldDescriptor* own = recipe->GetDescriptor()->FindFieldByName(key);
  if (own != nullptr && key != "recipe") return {own, recipe};
  return {v1::Recipe::descriptor()->FindFieldByName(key), recipe->mutable_recipe()};
}

std::vector<std::string> TopLevelKeys() {
  std::vector<std::string> keys;
  for (std::string& key : KeysOf(v1::RecipeFile::descriptor())) {
    if (key != "recipe") keys.push_back(std::move(key));
  }
  for (std::string& key : KeysOf(v1::Recipe::descriptor())) keys.push_back(std::move(key));
  return keys;
}

absl::Status MergeFile(const std::string& path, std::vector<std::string>& chain, v1::RecipeFile* recipe) {
  std::error_code error;
  const std::string canonical = fs::weakly_canonical(path, error).string();
  chain.push_back(canonical);
  if (std::count(chain.begin(), chain.end(), canonical) > 1) {
    return InvalidField(kExtends, Printable(absl::StrJoin(chain, " -> ")), "goes round in a circle; remove one");
  }
  if (chain.size() > kMaxExtended) return InvalidField(kExtends, Printable(path), "is one of too many in a row");
  DVREN_ASSIGN_OR_RETURN(const std::string text, ReadYamlText("recipe", path));
  const YamlPlace place{Printable(path), true, "", -1};
  DVREN_ASSIGN_OR_RETURN(const YAML::Node root, ParseYaml(text, place.source));
  if (root.IsNull()) return absl::OkStatus();
  if (!root.IsMap()) {
    return absl::InvalidArgumentError(
        absl::StrCat(place.source, ": must be a map of keys and values, such as steps: 1000"));
  }
  DVREN_RETURN_IF_ERROR(CheckMap(root, place));
  // First, wherever it stands: what is said here wins.
  if (const YAML::Node extends = root[kExtends]; extends.IsDefined()) {
    if (!extends.IsScalar() || extends.Scalar().empty()) {
      return place.Below(kExtends).Wrong(extends, "must be the path of a recipe, relative to this one");
    }
    DVREN_RETURN_IF_ERROR(MergeFile((fs::path(path).parent_path() / extends.Scalar()).string(), chain, recipe));
  }
  for (const auto& entry : root) {
    const std::string& key = entry.first.Scalar();
    if (key == kExtends) continue;
    const TopLevel top = FindTopLevel(key, recipe);
    if (top.field == nullptr) {
      std::vector<std::string> known = TopLevelKeys();
      known.push_back(kExtends);
      return UnknownKey(entry.first, place, known);
    }
    DVREN_RETURN_IF_ERROR(SetYaml(entry.second, place.Below(entry.first), top.field, top.message));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status SetRecipeKey(const std::string& assignment, v1::RecipeFile* recipe) {
  const std::size_t equals = assignment.find('=');
  if (equals == std::string::npos || equals == 0) {
    return InvalidField("--set", Printable(assignment), "must be KEY=VALUE, such as optimizer.color_rate=0.01");
  }
  DVREN_ASSIGN_OR_RETURN(const YAML::Node value, ParseYaml(assignment.substr(equals + 1), "--set"));
  const std::vector<std::string> keys = absl::StrSplit(assignment.substr(0, equals), '.');
  YamlPlace place{"--set", false, "", -1};
  TopLevel at = FindTopLevel(keys.front(), recipe);
  if (at.field == nullptr) return UnknownKey(YAML::Node(keys.front()), place, TopLevelKeys());
  place = place.Below(keys.front());
  for (std::size_t i = 1; i < keys.size(); ++i) {
    if (at.field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
      return UnknownKey(YAML::Node(keys[i]), place, {});
    }
    const auto* access = at.message->GetReflection();
    if (at.field->is_repeated()) {
      const int size = access->FieldSize(*at.message, at.field);
      int index = 0;
      if (!absl::SimpleAtoi(keys[i], &index) || index < 0 || index >= size) {
        return absl::InvalidArgumentError(absl::StrCat("--set ", place.path, ".", Printable(keys[i]), ": the list has ",
                                                       size, " elements, counted from 0"));
      }
      at.message = access->MutableRepeatedMessage(at.message, at.field, index);
      place = place.Below(keys[i]);
      if (i + 1 == keys.size()) return MergeYaml(value, place, at.message);
      ++i;
    } else {
      at.message = access->MutableMessage(at.message, at.field);
    }
    at.field = at.message->GetDescriptor()->FindFieldByName(keys[i]);
    if (at.field == nullptr) return UnknownKey(YAML::Node(keys[i]), place, KeysOf(at.message->GetDescriptor()));
    place = place.Below(keys[i]);
  }
  return SetYaml(value, place, at.field, at.message);
}

absl::StatusOr<v1::RecipeFile> ReadRecipe(const std::string& path, std::span<const std::string> sets) {
  v1::RecipeFile recipe;
  std::vector<std::string> chain;
  DVREN_RETURN_IF_ERROR(MergeFile(path, chain, &recipe));
  for (const std::string& set : sets) DVREN_RETURN_IF_ERROR(SetRecipeKey(set, &recipe));
  return recipe;
}

absl::StatusOr<std::string> DatasetPath(const std::string& path) {
  const char* data = std::getenv("DVREN_DATA");
  const std::string expanded =
      absl::StrReplaceAll(path, {{kDataVariable, data == nullptr || *data == '\0' ? "../shared/data" : data}});
  if (const std::size_t other = expanded.find("${"); other != std::string::npos) {
    return InvalidField("dataset.path", Printable(path), "only ${DVREN_DATA} is filled in");
  }
  std::error_code error;
  const fs::path absolute = fs::absolute(expanded, error);
  if (error) return InvalidField("dataset.path", Printable(path), "cannot be made absolute: " + error.message());
  return absolute.lexically_normal().string();
}

}  // namespace dvren::ctl
