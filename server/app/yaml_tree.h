// YamlTree: one YAML document as plain data, every node with its line. Built from parser events, so that nothing is
// shared, nothing recurses and duplicate keys are seen; what a configuration does not need (anchors, aliases, tags) is
// refused.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace dvren::server {

struct YamlEntry;

struct YamlNode {
  enum class Kind : std::uint8_t { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  int line = 1;
  bool quoted = false;             // scalars: "5" is text, 5 may be a number
  std::string scalar;              // UTF-8
  std::vector<YamlNode> items;     // lists
  std::vector<YamlEntry> entries;  // maps, in order

  [[nodiscard]] const YamlNode* Find(const std::string& key) const;
};

struct YamlEntry {
  YamlNode key;  // a scalar, unique in its map
  YamlNode value;
};

inline constexpr std::size_t kMaxYamlBytes = std::size_t{256} << 10;
inline constexpr std::size_t kMaxYamlDepth = 8;
inline constexpr std::size_t kMaxYamlNodes = 16384;

// INVALID_ARGUMENT `file:line: what is wrong` for anything that is not one document within the limits above. An empty
// document is kNull.
[[nodiscard]] absl::StatusOr<YamlNode> ParseYamlTree(const std::string& text, const std::string& file_name);

}  // namespace dvren::server
