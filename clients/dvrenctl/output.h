// What commands print: a table for people, JSON or YAML for programs, bare names for shells' completion.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "dvren/core/status.h"

namespace dvren::ctl {

enum class Format { kTable, kJson, kYaml, kNames };

// "table", "json", "yaml"; "names" is for completion scripts and not advertised.
[[nodiscard]] absl::StatusOr<Format> ParseFormat(const std::string& text);

using Value = nlohmann::ordered_json;  // keys keep the order in which people read them

// Columns are as wide as their widest cell. Without a header, rows are pairs of a name and its value.
struct Table {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;
};

[[nodiscard]] std::string ToText(const Table& table);
// JSON with two blanks of indent, or YAML of the same value; each ends with a newline.
[[nodiscard]] std::string ToJson(const Value& value);
[[nodiscard]] std::string ToYaml(const Value& value);

// `value` for JSON and YAML, `table` for people. Names are the first column of `table`.
void Print(std::ostream& out, Format format, const Value& value, const Table& table);

// "1.5 MiB", "12 B".
[[nodiscard]] std::string HumanBytes(std::uint64_t bytes);
// "1,048,576".
[[nodiscard]] std::string Grouped(std::int64_t number);
// Control characters as \xNN, so that a name from elsewhere cannot steer the terminal.
[[nodiscard]] std::string Printable(const std::string& text);

}  // namespace dvren::ctl
