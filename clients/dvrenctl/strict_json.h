// StrictJson: JSON files that people write for dvrenctl. Duplicate and unknown keys, wrong types and numbers that are
// not finite are errors that name the file and the key. Python's NaN and Infinity are read, in order to be named.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "dvren/core/status.h"

namespace dvren::ctl {

// The whole of a text file. NOT_FOUND for a missing one, INVALID_ARGUMENT for an empty one.
[[nodiscard]] absl::StatusOr<std::string> ReadTextFile(const std::string& path);
// INVALID_ARGUMENT with line and column for text that is not JSON. The value is an object. `file` is for errors.
[[nodiscard]] absl::StatusOr<nlohmann::json> ParseStrictJson(const std::string& text, const std::string& file);

// One object of such a file, with the place that errors name: "cam.json: distortion.".
class StrictObject {
 public:
  StrictObject(const nlohmann::json& object, std::string file, std::string prefix = "")
      : object_(object), file_(std::move(file)), prefix_(std::move(prefix)) {}

  [[nodiscard]] bool Has(const std::string& key) const { return object_.contains(key); }
  // The first key that is none of `keys` is an error that names the nearest of them.
  [[nodiscard]] absl::Status OnlyKeys(std::span<const std::string> keys) const;
  [[nodiscard]] absl::StatusOr<double> Number(const std::string& key) const;  // finite
  [[nodiscard]] absl::StatusOr<double> NumberOr(const std::string& key, double fallback) const;
  [[nodiscard]] absl::StatusOr<int> PositiveInt(const std::string& key) const;
  [[nodiscard]] absl::StatusOr<std::string> Choice(const std::string& key, std::span<const std::string> choices) const;
  [[nodiscard]] absl::StatusOr<StrictObject> Object(const std::string& key) const;
  // An array of any length of finite numbers.
  [[nodiscard]] absl::StatusOr<std::vector<double>> Numbers(const std::string& key) const;
  // An array of rows (0: any number) of `columns` finite numbers, row after row.
  [[nodiscard]] absl::StatusOr<std::vector<double>> Rows(const std::string& key, std::size_t rows,
                                                         std::size_t columns) const;
  // True for the value Infinity, written as Python writes it or as a string.
  [[nodiscard]] bool IsInfinity(const std::string& key) const;
  // INVALID_ARGUMENT `file: prefix.key = value: remedy`.
  [[nodiscard]] absl::Status Error(const std::string& key, const std::string& value, const std::string& remedy) const;
  [[nodiscard]] absl::Status Missing(const std::string& key, const std::string& remedy) const;

 private:
  [[nodiscard]] absl::StatusOr<double> Finite(const std::string& name, const nlohmann::json& value) const;
  const nlohmann::json& object_;
  std::string file_, prefix_;
};

}  // namespace dvren::ctl
