// YamlValue: a YAML document as a tree of maps, lists and scalars with their lines. No anchors, aliases or tags:
// nothing in the tree refers to anything else, so its size is that of the text.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "dvren/core/status.h"

namespace dvren::analysis {

struct YamlValue {
  enum class Kind { kScalar, kList, kMap };

  Kind kind = Kind::kScalar;
  int line = 0;
  std::string scalar;
  std::vector<YamlValue> items;                            // of a list
  std::vector<std::pair<std::string, YamlValue>> entries;  // of a map, in order; keys are unique

  // Null where a map has no such key.
  [[nodiscard]] const YamlValue* Find(const std::string& key) const;
};

// INVALID_ARGUMENT `source:line: why`.
[[nodiscard]] absl::StatusOr<YamlValue> ParseYaml(const std::string& source, const std::string& text);

}  // namespace dvren::analysis
