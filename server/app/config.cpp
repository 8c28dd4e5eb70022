#include "server/app/config.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/app/config_schema.h"
#include "server/app/nearest_key.h"
#include "server/app/queue_url.h"
#include "server/app/yaml_tree.h"

namespace dvren::server {
namespace {

// A value in an error message: one line, not too long.
std::string Shown(const std::string& value) {
  constexpr std::size_t kMaxShown = 80;
  const std::string escaped = absl::Utf8SafeCEscape(value);
  if (escaped.empty()) return "\"\"";
  return escaped.size() <= kMaxShown ? escaped : absl::StrCat(escaped.substr(0, kMaxShown), "…");
}

bool IsDigits(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// 4194304, or a whole number of KiB, MiB, GiB or TiB: 4MiB.
bool ParseBytes(const std::string& text, std::uint64_t* bytes) {
  const std::size_t end = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::string unit = text.substr(std::min(text.find_first_not_of(' ', end), text.size()));
  constexpr const char* kUnits[] = {"", "KiB", "MiB", "GiB", "TiB"};
  const auto* it = std::find(std::begin(kUnits), std::end(kUnits), unit);
  std::uint64_t number = 0;
  if (it == std::end(kUnits) || !IsDigits(text.substr(0, end)) || !absl::SimpleAtoi(text.substr(0, end), &number))
    return false;
  const int shift = 10 * static_cast<int>(it - kUnits);
  if (number > (~std::uint64_t{0} >> shift)) return false;
  *bytes = number << shift;
  return true;
}

std::string RangeText(const std::string& what, std::uint64_t min, std::uint64_t max) {
  return absl::StrCat("must be ", what, " from ", min, " to ", max);
}

// Fills a Config from a tree. Keeps the first error and then does nothing more.
class ConfigReader final : public ConfigVisitor {
 public:
  ConfigReader(const YamlNode& root, std::string file_name) : file_name_(std::move(file_name)) { Enter(root, ""); }

  absl::Status Finish() {
    Leave();
    return status_;
  }

  void Section(const char* key, const std::function<void()>& visit) override {
    const YamlNode* node = Find(key);
    // `limits:` with everything below it commented out.
    if (node == nullptr || node->kind == YamlNode::Kind::kNull) return;
    if (node->kind != YamlNode::Kind::kMap) return Fail(*node, key, "must be a map of keys and values");
    Visit(*node, Path(key), visit);
  }

  void SectionList(const char* key, std::size_t, const std::function<void(std::size_t)>& resize,
                   const std::function<void(std::size_t)>& visit) override {
    const YamlNode* node = FindList(key);
    if (node == nullptr) return;
    resize(node->items.size());
    const std::string path = Path(key);
    for (std::size_t i = 0; i < node->items.size() && status_.ok(); ++i) {
      const YamlNode& item = node->items[i];
      const std::string item_path = absl::StrCat(path, "[", i, "]");
      if (item.kind != YamlNode::Kind::kMap) return FailAt(item, item_path, "must be a map of keys and values");
      Visit(item, item_path, [&] { visit(i); });
    }
  }

  void Int(const char* key, int* value, int min, int max) override {
    const YamlNode* node = FindScalar(key);
    if (node == nullptr) return;
    int number = 0;
    if (node->quoted || !IsDigits(node->scalar) || !absl::SimpleAtoi(node->scalar, &number) || number < min ||
        number > max) {
      return Fail(*node, key,
                  RangeText("a whole number", static_cast<std::uint64_t>(min), static_cast<std::uint64_t>(max)));
    }
    *value = number;
  }

  void Bytes(const char* key, std::uint64_t* value, std::uint64_t min, std::uint64_t max) override {
    const YamlNode* node = FindScalar(key);
    if (node == nullptr) return;
    std::uint64_t bytes = 0;
    if (!ParseBytes(node->scalar, &bytes) || bytes < min || bytes > max) {
      return Fail(*node, key, RangeText("a number of bytes (or KiB, MiB, GiB, TiB: 8GiB)", min, max));
    }
    *value = bytes;
  }

  void Flag(const char* key, bool* value) override {
    const YamlNode* node = FindScalar(key);
    if (node == nullptr) return;
    if (node->quoted || (node->scalar != "true" && node->scalar != "false"))
      return Fail(*node, key, "must be true or false");
    *value = node->scalar == "true";
  }

  void Text(const char* key, std::string* value, TextCheck check) override {
    const YamlNode* node = FindScalar(key);
    if (node == nullptr) return;
    const std::string remedy = check(node->scalar);
    if (!remedy.empty()) return Fail(*node, key, remedy);
    *value = node->scalar;
  }

  void Url(const char* key, std::string* value, TextCheck check) override {
    const YamlNode* node = FindScalar(key);
    if (node == nullptr) return;
    const std::string remedy = check(node->scalar);
    if (!remedy.empty()) return FailAs(*node, Path(key), Shown(WithoutPassword(node->scalar)), remedy);
    *value = node->scalar;
  }

  void RequiredText(const char* key, std::string* value, TextCheck check) override {
    Text(key, value, check);
    if (missing_.empty() && map_->Find(key) == nullptr)
      missing_ = absl::StrCat(prefix_, key, " = nothing: ", check(""));
  }

  void OptionalText(const char* key, std::optional<std::string>* value, TextCheck check) override {
    std::string text;
    if (Peek(key) == nullptr) {
      known_.push_back(key);
      return;
    }
    Text(key, &text, check);
    *value = text;
  }

  void TextList(const char* key, std::vector<std::string>* value, TextCheck check) override {
    const YamlNode* node = FindList(key);
    if (node == nullptr) return;
    std::vector<std::string> texts;
    const std::string path = Path(key);
    for (std::size_t i = 0; i < node->items.size(); ++i) {
      const YamlNode& item = node->items[i];
      const std::string item_path = absl::StrCat(path, "[", i, "]");
      if (item.kind != YamlNode::Kind::kScalar) return FailAt(item, item_path, "must be a text");
      const std::string remedy = check(item.scalar);
      if (!remedy.empty()) return FailAt(item, item_path, remedy);
      texts.push_back(item.scalar);
    }
    *value = std::move(texts);
  }

  void Level(const char* key, LogLevel* value) override {
    const YamlNode* node = FindScalar(key);
    if (node == nullptr) return;
    const std::vector<std::string>& names = LogLevelNames();
    const auto it = std::find(names.begin(), names.end(), node->scalar);
    if (it == names.end()) return Fail(*node, key, absl::StrCat("must be one of ", absl::StrJoin(names, ", ")));
    *value = static_cast<LogLevel>(it - names.begin());
  }

 private:
  void Enter(const YamlNode& node, std::string prefix) {
    map_ = &node;
    prefix_ = std::move(prefix);
    known_.clear();
    missing_.clear();
  }

  // Reports a key that no call asked for, then one that was asked for in vain: the first may be the second, misspelt.
  void Leave() {
    for (const YamlEntry& entry : map_->entries) {
      const YamlNode& key = entry.key;
      if (!status_.ok()) return;
      if (std::find(known_.begin(), known_.end(), key.scalar) != known_.end()) continue;
      status_ = absl::InvalidArgumentError(absl::StrCat(file_name_, ":", key.line, ": ", prefix_, Shown(key.scalar),
                                                        ": unknown key; did you mean ", prefix_,
                                                        NearestKey(key.scalar, known_), "?"));
    }
    if (status_.ok() && !missing_.empty()) {
      status_ = absl::InvalidArgumentError(absl::StrCat(file_name_, ":", map_->line, ": ", missing_));
    }
  }

  void Visit(const YamlNode& node, const std::string& path, const std::function<void()>& visit) {
    const YamlNode* outer_map = map_;
    std::string outer_prefix = prefix_;
    std::string outer_missing = std::move(missing_);
    std::vector<std::string> outer_known = std::move(known_);
    Enter(node, path + ".");
    visit();
    Leave();
    map_ = outer_map;
    prefix_ = std::move(outer_prefix);
    missing_ = std::move(outer_missing);
    known_ = std::move(outer_known);
  }

  [[nodiscard]] std::string Path(const char* key) const { return prefix_ + key; }
  [[nodiscard]] const YamlNode* Peek(const char* key) const { return status_.ok() ? map_->Find(key) : nullptr; }

  const YamlNode* Find(const char* key) {
    known_.push_back(key);
    return Peek(key);
  }

  const YamlNode* FindScalar(const char* key) {
    const YamlNode* node = Find(key);
    if (node == nullptr || node->kind == YamlNode::Kind::kScalar) return node;
    Fail(*node, key,
         node->kind == YamlNode::Kind::kNull ? "has no value; give one or remove the key" : "must be a single value");
    return nullptr;
  }

  const YamlNode* FindList(const char* key) {
    const YamlNode* node = Find(key);
    if (node == nullptr || node->kind == YamlNode::Kind::kList) return node;
    Fail(*node, key,
         node->kind == YamlNode::Kind::kNull ? "has no value; give a list or remove the key" : "must be a list: [ … ]");
    return nullptr;
  }

  void Fail(const YamlNode& node, const char* key, const std::string& remedy) { FailAt(node, Path(key), remedy); }

  void FailAt(const YamlNode& node, const std::string& path, const std::string& remedy) {
    constexpr const char* kKinds[] = {"nothing", "", "a list", "a map"};
    std::string value = kKinds[static_cast<std::size_t>(node.kind)];
    if (node.kind == YamlNode::Kind::kScalar) value = Shown(node.scalar);
    FailAs(node, path, value, remedy);
  }

  void FailAs(const YamlNode& node, const std::string& path, const std::string& value, const std::string& remedy) {
    if (!status_.ok()) return;
    status_ =
        absl::InvalidArgumentError(absl::StrCat(file_name_, ":", node.line, ": ", path, " = ", value, ": ", remedy));
  }

  std::string file_name_;
  const YamlNode* map_ = nullptr;
  std::string prefix_;              // "limits."
  std::vector<std::string> known_;  // keys asked for in this map
  std::string missing_;             // the first required one that is not there, with its remedy
  absl::Status status_;
};

// The same ranges for values that did not come from a file.
class ConfigChecker final : public ConfigVisitor {
 public:
  [[nodiscard]] const absl::Status& status() const { return status_; }

  void Section(const char* key, const std::function<void()>& visit) override {
    const std::string outer = prefix_;
    absl::StrAppend(&prefix_, key, ".");
    visit();
    prefix_ = outer;
  }
  void SectionList(const char* key, std::size_t size, const std::function<void(std::size_t)>&,
                   const std::function<void(std::size_t)>& visit) override {
    for (std::size_t i = 0; i < size; ++i) {
      Section(absl::StrCat(key, "[", i, "]").c_str(), [&] { visit(i); });
    }
  }
  void Int(const char* key, int* value, int min, int max) override {
    if (*value < min || *value > max) {
      Fail(key, absl::StrCat(*value),
           RangeText("a whole number", static_cast<std::uint64_t>(min), static_cast<std::uint64_t>(max)));
    }
  }
  void Bytes(const char* key, std::uint64_t* value, std::uint64_t min, std::uint64_t max) override {
    if (*value < min || *value > max) Fail(key, absl::StrCat(*value), RangeText("a number of bytes", min, max));
  }
  void Flag(const char*, bool*) override {}
  void Text(const char* key, std::string* value, TextCheck check) override {
    const std::string remedy = check(*value);
    if (!remedy.empty()) Fail(key, *value, remedy);
  }
  void Url(const char* key, std::string* value, TextCheck check) override {
    const std::string remedy = check(*value);
    if (!remedy.empty()) Fail(key, WithoutPassword(*value), remedy);
  }
  void OptionalText(const char* key, std::optional<std::string>* value, TextCheck check) override {
    if (value->has_value()) Text(key, &**value, check);
  }
  void TextList(const char* key, std::vector<std::string>* value, TextCheck check) override {
    for (std::string& text : *value) Text(key, &text, check);
  }
  void Level(const char*, LogLevel*) override {}

 private:
  void Fail(const char* key, const std::string& value, const std::string& remedy) {
    if (status_.ok())
      status_ = absl::InvalidArgumentError(absl::StrCat(prefix_, key, " = ", Shown(value), ": ", remedy));
  }
  std::string prefix_;
  absl::Status status_;
};

}  // namespace

absl::StatusOr<Config> ParseConfig(const std::string& yaml, const std::string& file_name) {
  absl::StatusOr<YamlNode> root = ParseYamlTree(yaml, file_name);
  if (!root.ok()) return root.status();
  if (root->kind != YamlNode::Kind::kNull && root->kind != YamlNode::Kind::kMap) {
    return absl::InvalidArgumentError(
        absl::StrCat(file_name, ":", root->line, ": must be a map of keys and values, such as threads: 4"));
  }
  Config config;
  ConfigReader reader(*root, file_name);
  DescribeConfig(config, reader);
  if (absl::Status status = reader.Finish(); !status.ok()) return status;
  return config;
}

absl::Status ValidateConfig(const Config& config) {
  // Visitors may write; this one does not, and works on a copy all the same.
  Config copy = config;
  ConfigChecker checker;
  DescribeConfig(copy, checker);
  if (!checker.status().ok()) return checker.status();
  return CheckTogether(config);
}

}  // namespace dvren::server
