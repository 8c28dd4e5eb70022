// A Config as YAML and as JSON, from the one description of its keys.
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "server/app/config.h"
#include "server/app/config_schema.h"
#include "server/app/queue_url.h"

namespace dvren::server {
namespace {

using Json = nlohmann::ordered_json;

class ConfigPrinter final : public ConfigVisitor {
 public:
  Json Take() { return std::move(map_); }

  void Section(const char* key, const std::function<void()>& visit) override { map_[key] = Inner(visit); }
  void SectionList(const char* key, std::size_t size, const std::function<void(std::size_t)>&,
                   const std::function<void(std::size_t)>& visit) override {
    Json list = Json::array();
    for (std::size_t i = 0; i < size; ++i) list.push_back(Inner([&] { visit(i); }));
    map_[key] = std::move(list);
  }
  void Int(const char* key, int* value, int, int) override { map_[key] = *value; }
  void Bytes(const char* key, std::uint64_t* value, std::uint64_t, std::uint64_t) override { map_[key] = *value; }
  void Flag(const char* key, bool* value) override { map_[key] = *value; }
  void Text(const char* key, std::string* value, TextCheck) override { map_[key] = *value; }
  void Url(const char* key, std::string* value, TextCheck) override { map_[key] = WithoutPassword(*value); }
  void OptionalText(const char* key, std::optional<std::string>* value, TextCheck) override {
    if (value->has_value()) map_[key] = **value;
  }
  void TextList(const char* key, std::vector<std::string>* value, TextCheck) override { map_[key] = *value; }
  void Level(const char* key, LogLevel* value) override { map_[key] = LogLevelName(*value); }

 private:
  Json Inner(const std::function<void()>& visit) {
    Json outer = std::move(map_);
    map_ = Json::object();
    visit();
    Json inner = std::move(map_);
    map_ = std::move(outer);
    return inner;
  }
  Json map_ = Json::object();
};

Json ToJson(const Config& config) {
  Config copy = config;  // visitors may write
  ConfigPrinter printer;
  DescribeConfig(copy, printer);
  return printer.Take();
}

// A JSON string, with its escapes, is a double-quoted YAML string; invalid UTF-8 (from flags) is replaced.
std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void AppendYaml(const Json& map, const std::string& indent, std::string* out) {
  for (const auto& [key, value] : map.items()) {
    if (value.is_object()) {
      absl::StrAppend(out, indent, key, ":\n");
      AppendYaml(value, indent + "  ", out);
    } else if (value.is_array()) {
      absl::StrAppend(out, indent, key, ":", value.empty() ? " []\n" : "\n");
      for (const Json& item : value) absl::StrAppend(out, indent, "  - ", Dump(item), "\n");
    } else {
      absl::StrAppend(out, indent, key, ": ", Dump(value), "\n");
    }
  }
}

}  // namespace

std::string ConfigToYaml(const Config& config) {
  std::string yaml;
  AppendYaml(ToJson(config), "", &yaml);
  return yaml;
}

std::string ConfigToJsonForLog(const Config& config) {
  Config shown = config;
  for (AuthToken& token : shown.auth.tokens) token.sha256 = token.sha256.substr(0, 8) + "…";
  return Dump(ToJson(shown));
}

}  // namespace dvren::server
