#include "analysis/definitions/yaml_value.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <exception>
#include <optional>
#include <sstream>

namespace dvren::analysis {
namespace {

constexpr std::size_t kMaxDepth = 16;
constexpr std::size_t kMaxValues = 100'000;

// Leaves the parser, which knows no other way to stop.
struct Refused {
  int line;
  std::string why;
};

class TreeBuilder final : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnAnchor(const YAML::Mark& mark, const std::string&) override { RefuseReference(mark); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { RefuseReference(mark); }
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { Add(Make(YamlValue::Kind::kScalar, mark)); }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t, const std::string& text) override {
    RefuseTag(mark, tag);
    YamlValue value = Make(YamlValue::Kind::kScalar, mark);
    value.scalar = text;
    Add(std::move(value));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    RefuseTag(mark, tag);
    Open(Make(YamlValue::Kind::kList, mark));
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t, YAML::EmitterStyle::value) override {
    RefuseTag(mark, tag);
    Open(Make(YamlValue::Kind::kMap, mark));
  }
  void OnMapEnd() override { Close(); }

  [[nodiscard]] YamlValue Take() { return std::move(root_); }

 private:
  // A list or map that is being read; of a map also the key whose value comes next.
  struct Level {
    YamlValue value;
    std::optional<std::string> key;
  };

  [[noreturn]] static void RefuseReference(const YAML::Mark& mark) {
    throw Refused{mark.line + 1, "anchors and aliases are not used here; write the value out"};
  }

  // The parser says "?" for a plain scalar, "!" for a quoted one, and the tag that was written otherwise.
  static void RefuseTag(const YAML::Mark& mark, const std::string& tag) {
    if (!tag.empty() && tag != "?" && tag != "!") {
      throw Refused{mark.line + 1, "tags are not used here; remove it"};
    }
  }

  YamlValue Make(YamlValue::Kind kind, const YAML::Mark& mark) {
    if (++values_ > kMaxValues) {
      throw Refused{mark.line + 1, absl::StrCat("more than ", kMaxValues, " values; shorten the file")};
    }
    YamlValue value;
    value.kind = kind;
    value.line = mark.line + 1;
    return value;
  }

  void Open(YamlValue value) {
    if (levels_.size() >= kMaxDepth) {
      throw Refused{value.line, absl::StrCat("nested deeper than ", kMaxDepth, " levels; nothing here is")};
    }
    levels_.push_back({std::move(value), std::nullopt});
  }

  void Close() {
    YamlValue value = std::move(levels_.back().value);
    levels_.pop_back();
    Add(std::move(value));
  }

  void Add(YamlValue value) {
    if (levels_.empty()) {
      root_ = std::move(value);
      return;
    }
    Level& level = levels_.back();
    if (level.value.kind == YamlValue::Kind::kList) {
      level.value.items.push_back(std::move(value));
    } else if (level.key) {
      level.value.entries.emplace_back(*std::move(level.key), std::move(value));
      level.key.reset();
    } else if (value.kind != YamlValue::Kind::kScalar) {
      throw Refused{value.line, "a key must be a plain word"};
    } else if (level.value.Find(value.scalar) != nullptr) {
      throw Refused{value.line, absl::StrCat("the key ", value.scalar, " is there twice")};
    } else {
      level.key = std::move(value.scalar);
    }
  }

  YamlValue root_;
  std::vector<Level> levels_;
  std::size_t values_ = 0;
};

absl::Status Wrong(const std::string& source, int line, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat(source, ":", line, ": ", why));
}

}  // namespace

const YamlValue* YamlValue::Find(const std::string& key) const {
  for (const auto& [name, value] : entries) {
    if (name == key) return &value;
  }
  return nullptr;
}

absl::StatusOr<YamlValue> ParseYaml(const std::string& source, const std::string& text) {
  TreeBuilder builder;
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) return Wrong(source, 1, "the file is empty");
  } catch (const Refused& refused) {
    return Wrong(source, refused.line, refused.why);
  } catch (const YAML::Exception& error) {
    return Wrong(source, error.mark.line + 1, absl::StrCat("no YAML: ", error.msg));
  } catch (const std::exception&) {
    return Wrong(source, 1, "no YAML");
  }
  return builder.Take();
}

}  // namespace dvren::analysis
