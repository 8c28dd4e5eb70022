#include "output.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "values.h"

namespace dvren::ctl {
namespace {

constexpr auto kReplace = nlohmann::json::error_handler_t::replace;  // bytes that are not UTF-8

// Columns on a terminal, near enough: bytes that begin a UTF-8 character.
std::size_t Width(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

// A string that YAML reads back as the same string without quotes.
bool IsPlain(const std::string& text) {
  if (text.empty() || !(std::isalpha(static_cast<unsigned char>(text[0])) || text[0] == '/')) return false;
  for (const char c : text) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_' && c != '-' && c != '.' && c != '/') return false;
  }
  std::string lower = text;
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (const char* word : {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}) {
    if (lower == word) return false;
  }
  return true;
}

std::string Scalar(const Value& value) {
  if (value.is_string() && IsPlain(value.get<std::string>())) return value.get<std::string>();
  return value.dump(-1, ' ', true, kReplace);  // JSON's scalars are YAML's
}

bool IsFlat(const Value& value) {
  return value.is_array() && std::none_of(value.begin(), value.end(), [](const Value& v) { return v.is_structured(); });
}

// Appends `value` at `indent`; the cursor stands behind "key:" or "-".
void Emit(const Value& value, int indent, bool in_list, std::string& out) {
  if (!value.is_structured()) {
    absl::StrAppend(&out, " ", Scalar(value), "\n");
  } else if (value.empty()) {
    out += value.is_array() ? " []\n" : " {}\n";
  } else if (IsFlat(value)) {
    out += " [";
    for (std::size_t i = 0; i < value.size(); ++i) absl::StrAppend(&out, i == 0 ? "" : ", ", Scalar(value[i]));
    out += "]\n";
  } else if (value.is_array()) {
    bool first = in_list;
    if (!in_list) out += "\n";
    for (const Value& item : value) {
      absl::StrAppend(&out, first ? " " : std::string(static_cast<std::size_t>(indent), ' '), "-");
      first = false;
      Emit(item, indent + 2, true, out);
    }
  } else {
    bool first = in_list;
    if (!in_list && !out.empty()) out += "\n";
    for (const auto& [key, item] : value.items()) {
      absl::StrAppend(&out, first ? " " : std::string(static_cast<std::size_t>(indent), ' '), Scalar(Value(key)), ":");
      first = false;
      Emit(item, indent + 2, false, out);
    }
  }
}

}  // namespace

absl::StatusOr<Format> ParseFormat(const std::string& text) {
  if (text == "names") return Format::kNames;
  static const std::vector<std::string> kFormats{"table", "json", "yaml"};
  DVREN_ASSIGN_OR_RETURN(const std::size_t index, ParseChoice("--output", text, kFormats));
  return static_cast<Format>(index);
}

std::string ToText(const Table& table) {
  std::vector<std::size_t> widths;
  const auto widen = [&](const std::vector<std::string>& row) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Width(row[i]));
  };
  widen(table.header);
  for (const auto& row : table.rows) widen(row);
  std::string text;
  const auto add = [&](const std::vector<std::string>& row) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      text += row[i];
      if (i + 1 < row.size()) text += std::string(widths[i] - Width(row[i]) + 2, ' ');
    }
    text += "\n";
  };
  if (!table.header.empty()) add(table.header);
  for (const auto& row : table.rows) add(row);
  return text;
}

std::string ToJson(const Value& value) {
  return value.dump(2, ' ', false, kReplace) + "\n";
}

std::string ToYaml(const Value& value) {
  std::string text;
  Emit(value, 0, value.is_array(), text);
  if (!text.empty() && text[0] == ' ') text.erase(0, 1);  // nothing stands before the first "-" or a bare scalar
  return text;
}

void Print(std::ostream& out, Format format, const Value& value, const Table& table) {
  switch (format) {
    case Format::kTable:
      out << ToText(table);
      break;
    case Format::kJson:
      out << ToJson(value);
      break;
    case Format::kYaml:
      out << ToYaml(value);
      break;
    case Format::kNames:
      for (const auto& row : table.rows) out << row.at(0) << "\n";
      break;
  }
}

std::string HumanBytes(std::uint64_t bytes) {
  if (bytes < 1024) return std::to_string(bytes) + " B";
  static constexpr std::array kUnits{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  for (; value >= 1023.95 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f %s", value, kUnits[unit]);
  return text.data();
}

std::string Grouped(std::int64_t number) {
  const std::string digits = std::to_string(number);
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    const std::size_t left = digits.size() - i;
    if (!text.empty() && text != "-" && left % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string Printable(const std::string& text) {
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7F) {
      result += c;
      continue;
    }
    std::array<char, 8> hex{};
    std::snprintf(hex.data(), hex.size(), "\\x%02x", byte);
    result += hex.data();
  }
  return result;
}

}  // namespace dvren::ctl
