// YAML into protobuf messages, by reflection: maps become messages, lists repeated fields, scalars what the field is.
// Enum values are written without their prefix and in small letters ("skip" for MISSING_IMAGES_SKIP), dvren.v1.Vec3 as
// a list of three numbers, dvren.v1.Box as one of six.
#pragma once

#include <google/protobuf/message.h>
#include <yaml-cpp/yaml.h>

#include <string>
#include <vector>

#include "dvren/core/status.h"

namespace dvren::ctl {

// Where a value stands, for messages.
struct YamlPlace {
  std::string source;  // "lego.yaml", with the line added; or "--set" without
  bool lines = true;
  std::string path;  // "optimizer.beta1"

  int key_line = -1;  // of the key whose value this is; yaml-cpp places a missing value wherever it likes

  [[nodiscard]] YamlPlace Below(const std::string& key) const;
  [[nodiscard]] YamlPlace Below(const YAML::Node& key) const;
  [[nodiscard]] YamlPlace At(int index) const;
  // INVALID_ARGUMENT `source:line: path = value: remedy`.
  [[nodiscard]] absl::Status Wrong(const YAML::Node& node, const std::string& remedy) const;
};

// Merges the map into the message. Keys: those of the message's fields.
[[nodiscard]] absl::Status MergeYaml(const YAML::Node& map, const YamlPlace& place, google::protobuf::Message* message);
// Gives one field its value: lists replace what is there, maps are merged.
[[nodiscard]] absl::Status SetYaml(const YAML::Node& value, const YamlPlace& place,
                                   const google::protobuf::FieldDescriptor* field, google::protobuf::Message* message);
// Whether it is a map, not nested too deep, with each key once.
[[nodiscard]] absl::Status CheckMap(const YAML::Node& map, const YamlPlace& place);
[[nodiscard]] absl::Status UnknownKey(const YAML::Node& key, const YamlPlace& place,
                                      const std::vector<std::string>& known);
[[nodiscard]] std::vector<std::string> KeysOf(const google::protobuf::Descriptor* type);

// The text of a file of at most 256 KiB; `what` it is, for messages: "recipe".
[[nodiscard]] absl::StatusOr<std::string> ReadYamlText(const std::string& what, const std::string& path);
// INVALID_ARGUMENT `source:line: is no YAML: reason`.
[[nodiscard]] absl::StatusOr<YAML::Node> ParseYaml(const std::string& text, const std::string& source);

}  // namespace dvren::ctl
