#include "yaml_message.h"

#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_join.h>
#include <absl/strings/strip.h>

#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>
#include <system_error>

#include "nearest.h"
#include "output.h"

namespace dvren::ctl {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr std::size_t kMaxShown = 80;
constexpr std::size_t kMaxFileBytes = std::size_t{256} << 10;
constexpr int kMaxDepth = 8;  // of keys, and of what extends what

std::string Shown(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Scalar: {
      const std::string text = Printable(node.Scalar());
      if (text.empty()) return "\"\"";
      return text.size() <= kMaxShown ? text : text.substr(0, kMaxShown) + "…";
    }
    case YAML::NodeType::Sequence:
      return absl::StrCat("a list of ", node.size());
    case YAML::NodeType::Map:
      return "a map";
    default:
      return "nothing";
  }
}

bool IsQuoted(const YAML::Node& node) {
  return node.Tag() == "!";
}

template <class T>
bool ParseWhole(const YAML::Node& node, T* value) {
  return node.IsScalar() && !IsQuoted(node) && absl::SimpleAtoi(node.Scalar(), value);
}

bool ParseFinite(const YAML::Node& node, double* value) {
  return node.IsScalar() && !IsQuoted(node) && absl::SimpleAtod(node.Scalar(), value) && std::isfinite(*value);
}

// "MISSING_IMAGES_" of MissingImages: what all values but their own names begin with.
std::string PrefixOf(const EnumDescriptor& type) {
  std::string prefix = type.value(0)->name();
  return prefix.substr(0, prefix.size() - std::string("UNSPECIFIED").size());
}

std::vector<std::string> ChoicesOf(const EnumDescriptor& type) {
  std::vector<std::string> choices;
  const std::string prefix = PrefixOf(type);
  for (int i = 1; i < type.value_count(); ++i) {  // but for unspecified
    choices.push_back(absl::AsciiStrToLower(absl::StripPrefix(type.value(i)->name(), prefix)));
  }
  return choices;
}

// Lists of numbers for the types of space that have one; false for other types.
absl::StatusOr<bool> SetNumbers(const YAML::Node& value, const YamlPlace& place, Message* message) {
  const std::string& type = message->GetDescriptor()->full_name();
  const std::size_t count = type == "dvren.v1.Vec3" ? 3 : type == "dvren.v1.Box" ? 6 : 0;
  if (count == 0 || value.IsMap()) return false;
  const std::string remedy =
      count == 3 ? "must be three numbers: [X, Y, Z]" : "must be six numbers: [X0, Y0, Z0, X1, Y1, Z1]";
  if (!value.IsSequence() || value.size() != count) return place.Wrong(value, remedy);
  std::array<double, 6> numbers{};
  for (std::size_t i = 0; i < count; ++i) {
    if (!ParseFinite(value[i], &numbers[i])) return place.At(static_cast<int>(i)).Wrong(value[i], "must be a number");
  }
  const auto fill = [&](Message* vec, std::size_t first) {
    for (int i = 0; i < 3; ++i) {
      vec->GetReflection()->SetDouble(vec, vec->GetDescriptor()->field(i),
                                      numbers[first + static_cast<std::size_t>(i)]);
    }
  };
  if (count == 3) {
    fill(message, 0);
  } else {
    for (int corner = 0; corner < 2; ++corner) {
      fill(message->GetReflection()->MutableMessage(message, message->GetDescriptor()->field(corner)),
           3 * static_cast<std::size_t>(corner));
    }
  }
  return true;
}

absl::Status MergeMessage(const YAML::Node& value, const YamlPlace& place, Message* message) {
  DVREN_ASSIGN_OR_RETURN(const bool done, SetNumbers(value, place, message));
  return done ? absl::OkStatus() : MergeYaml(value, place, message);
}

}  // namespace

YamlPlace YamlPlace::Below(const std::string& key) const {
  return {source, lines, path.empty() ? key : absl::StrCat(path, ".", key), -1};
}

YamlPlace YamlPlace::Below(const YAML::Node& key) const {
  YamlPlace place = Below(Shown(key));
  place.key_line = key.Mark().line;
  return place;
}

YamlPlace YamlPlace::At(int index) const {
  return {source, lines, absl::StrCat(path, "[", index, "]"), -1};
}

absl::Status YamlPlace::Wrong(const YAML::Node& node, const std::string& remedy) const {
  const int at = node.IsNull() && key_line >= 0 ? key_line : node.Mark().line;
  const std::string line = lines && at >= 0 ? absl::StrCat(":", at + 1) : "";
  return absl::InvalidArgumentError(
      absl::StrCat(source, line, lines ? ": " : " ", path, " = ", Shown(node), ": ", remedy));
}

std::vector<std::string> KeysOf(const Descriptor* type) {
  std::vector<std::string> keys;
  for (int i = 0; i < type->field_count(); ++i) keys.push_back(type->field(i)->name());
  return keys;
}

absl::Status UnknownKey(const YAML::Node& key, const YamlPlace& place, const std::vector<std::string>& known) {
  const std::string line = place.lines && key.Mark().line >= 0 ? absl::StrCat(":", key.Mark().line + 1) : "";
  const YamlPlace at = place.Below(Shown(key));
  return absl::InvalidArgumentError(absl::StrCat(place.source, line, place.lines ? ": " : " ", at.path, ": unknown key",
                                                 Suggest(key.IsScalar() ? key.Scalar() : "", known)));
}

absl::Status CheckMap(const YAML::Node& map, const YamlPlace& place) {
  if (!map.IsMap()) return place.Wrong(map, "must be a map of keys and values");
  if (std::count(place.path.begin(), place.path.end(), '.') >= kMaxDepth) return place.Wrong(map, "is nested too deep");
  std::set<std::string> seen;
  for (const auto& entry : map) {
    if (!entry.first.IsScalar()) return place.Wrong(entry.first, "is no key");
    if (!seen.insert(entry.first.Scalar()).second) {
      return place.Below(Shown(entry.first)).Wrong(entry.second, "the key is there twice; remove one");
    }
  }
  return absl::OkStatus();
}

absl::Status MergeYaml(const YAML::Node& map, const YamlPlace& place, Message* message) {
  DVREN_RETURN_IF_ERROR(CheckMap(map, place));
  for (const auto& entry : map) {
    const FieldDescriptor* field = message->GetDescriptor()->FindFieldByName(entry.first.Scalar());
    if (field == nullptr) return UnknownKey(entry.first, place, KeysOf(message->GetDescriptor()));
    DVREN_RETURN_IF_ERROR(SetYaml(entry.second, place.Below(entry.first), field, message));
  }
  return absl::OkStatus();
}

absl::Status SetYaml(const YAML::Node& value, const YamlPlace& place, const FieldDescriptor* field, Message* message) {
  const auto* access = message->GetReflection();
  if (value.IsNull()) return place.Wrong(value, "has no value; give one or remove the key");
  if (field->is_repeated()) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || !value.IsSequence()) {
      return place.Wrong(value, "must be a list of maps: [{ … }, { … }]");
    }
    access->ClearField(message, field);
    for (std::size_t i = 0; i < value.size(); ++i) {
      DVREN_RETURN_IF_ERROR(MergeMessage(value[i], place.At(static_cast<int>(i)), access->AddMessage(message, field)));
    }
    return absl::OkStatus();
  }
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
    return MergeMessage(value, place, access->MutableMessage(message, field));
  }
  if (!value.IsScalar()) return place.Wrong(value, "must be a single value");
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32: {
      std::int32_t number = 0;
      if (!ParseWhole(value, &number)) return place.Wrong(value, "must be a whole number");
      access->SetInt32(message, field, number);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_INT64: {
      std::int64_t number = 0;
      if (!ParseWhole(value, &number)) return place.Wrong(value, "must be a whole number");
      access->SetInt64(message, field, number);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_UINT64: {
      std::uint64_t number = 0;
      if (!ParseWhole(value, &number)) return place.Wrong(value, "must be a whole number, 0 or above");
      access->SetUInt64(message, field, number);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_DOUBLE: {
      double number = 0;
      if (!ParseFinite(value, &number)) return place.Wrong(value, "must be a number");
      access->SetDouble(message, field, number);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_BOOL:
      if (IsQuoted(value) || (value.Scalar() != "true" && value.Scalar() != "false")) {
        return place.Wrong(value, "must be true or false");
      }
      access->SetBool(message, field, value.Scalar() == "true");
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_ENUM: {
      const EnumDescriptor& type = *field->enum_type();
      const auto* found = type.FindValueByName(PrefixOf(type) + absl::AsciiStrToUpper(value.Scalar()));
      const std::vector<std::string> choices = ChoicesOf(type);
      if (found == nullptr || std::find(choices.begin(), choices.end(), value.Scalar()) == choices.end()) {
        return place.Wrong(value, "must be one of " + absl::StrJoin(choices, ", "));
      }
      access->SetEnum(message, field, found);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_STRING:
      access->SetString(message, field, value.Scalar());
      return absl::OkStatus();
    default:
      return absl::InternalError(absl::StrCat(place.path, ": no YAML for fields of this kind"));
  }
}

absl::StatusOr<std::string> ReadYamlText(const std::string& what, const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error))
    return InvalidField(what, Printable(path), "is a folder; name a .yaml file");
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(absl::StrCat(what, " = ", Printable(path), ": no such file, or not readable"));
  std::string text(kMaxFileBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kMaxFileBytes) {
    return InvalidField(what, Printable(path),
                        absl::StrCat("has more than ", kMaxFileBytes, " bytes; is it a ", what, "?"));
  }
  return text;
}

absl::StatusOr<YAML::Node> ParseYaml(const std::string& text, const std::string& source) {
  try {
    return YAML::Load(text);
  } catch (const YAML::Exception& error) {
    const std::string line = error.mark.line >= 0 ? absl::StrCat(":", error.mark.line + 1) : "";
    return absl::InvalidArgumentError(absl::StrCat(source, line, ": is no YAML: ", Printable(error.msg)));
  }
}

}  // namespace dvren::ctl
