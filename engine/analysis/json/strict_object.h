// A JSON object read key by key: every key is asked for by name, and what nobody asked for is an error.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "dvren/core/status.h"

namespace dvren::analysis {

class StrictObject {
 public:
  // `path` is the field's name in messages, "icarus.json: units[2]".
  [[nodiscard]] static absl::StatusOr<StrictObject> Of(const nlohmann::json& value, std::string path);

  [[nodiscard]] bool Has(const std::string& key) const { return value_->contains(key); }
  [[nodiscard]] std::string PathOf(absl::string_view key) const { return absl::StrCat(path_, ".", key); }
  // The value, marked as known. Null when absent.
  [[nodiscard]] const nlohmann::json* Get(const std::string& key);
  [[nodiscard]] absl::StatusOr<const nlohmann::json*> Required(const std::string& key);

  [[nodiscard]] absl::StatusOr<std::string> Text(const std::string& key);
  [[nodiscard]] absl::StatusOr<std::optional<std::string>> OptionalText(const std::string& key);
  [[nodiscard]] absl::StatusOr<double> Positive(const std::string& key);
  [[nodiscard]] absl::StatusOr<std::optional<double>> OptionalPositive(const std::string& key);
  [[nodiscard]] absl::StatusOr<std::optional<std::int64_t>> OptionalInteger(const std::string& key, std::int64_t least,
                                                                            std::int64_t most);
  [[nodiscard]] absl::StatusOr<bool> FlagOrFalse(const std::string& key);
  [[nodiscard]] absl::StatusOr<std::vector<std::string>> TextsOrNone(const std::string& key);

  // An error for the first key that was never asked for, with the nearest of those that were.
  [[nodiscard]] absl::Status RefuseOthers() const;

 private:
  const nlohmann::json* value_ = nullptr;
  std::string path_;
  std::set<std::string> known_;
};

// One line for a message: scalars as they are, "an array of 3", "an object".
[[nodiscard]] std::string ShowJson(const nlohmann::json& value);

}  // namespace dvren::analysis
