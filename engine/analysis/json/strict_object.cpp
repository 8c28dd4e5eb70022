#include "analysis/json/strict_object.h"

#include <cmath>

#include "analysis/core/nearest_name.h"
#include "io/printable.h"

namespace dvren::analysis {
namespace {

using nlohmann::json;

absl::StatusOr<double> PositiveNumber(const json& value, const std::string& path) {
  if (!value.is_number())
    return InvalidField(path, ShowJson(value), "must be a number above 0; leave it out where unknown");
  const double number = value.get<double>();
  if (!std::isfinite(number) || number <= 0) {
    return InvalidField(path, ShowJson(value), "must be finite and above 0; leave it out where unknown");
  }
  return number;
}

}  // namespace

std::string ShowJson(const json& value) {
  if (value.is_array()) return absl::StrCat("an array of ", value.size());
  if (value.is_object()) return "an object";
  return io::Printable(value.dump(-1, ' ', true, json::error_handler_t::replace));
}

absl::StatusOr<StrictObject> StrictObject::Of(const json& value, std::string path) {
  if (!value.is_object()) return InvalidField(path, ShowJson(value), "must be an object, {…}");
  StrictObject object;
  object.value_ = &value;
  object.path_ = std::move(path);
  return object;
}

const json* StrictObject::Get(const std::string& key) {
  known_.insert(key);
  const auto found = value_->find(key);
  return found == value_->end() ? nullptr : &*found;
}

absl::StatusOr<const json*> StrictObject::Required(const std::string& key) {
  const json* value = Get(key);
  if (value == nullptr) return absl::InvalidArgumentError(absl::StrCat(PathOf(key), ": is missing; give it"));
  return value;
}

absl::StatusOr<std::string> StrictObject::Text(const std::string& key) {
  DVREN_ASSIGN_OR_RETURN(const json* value, Required(key));
  if (!value->is_string() || value->get_ref<const std::string&>().empty()) {
    return InvalidField(PathOf(key), ShowJson(*value), "must be a string that is not empty");
  }
  if (!io::IsPrintable(value->get_ref<const std::string&>())) {
    return InvalidField(PathOf(key), ShowJson(*value), "must be one line of printable text");
  }
  return value->get<std::string>();
}

absl::StatusOr<std::optional<std::string>> StrictObject::OptionalText(const std::string& key) {
  if (Get(key) == nullptr) return std::optional<std::string>();
  DVREN_ASSIGN_OR_RETURN(std::string text, Text(key));
  return std::optional<std::string>(std::move(text));
}

absl::StatusOr<double> StrictObject::Positive(const std::string& key) {
  DVREN_ASSIGN_OR_RETURN(const json* value, Required(key));
  return PositiveNumber(*value, PathOf(key));
}

absl::StatusOr<std::optional<double>> StrictObject::OptionalPositive(const std::string& key) {
  const json* value = Get(key);
  if (value == nullptr) return std::optional<double>();
  DVREN_ASSIGN_OR_RETURN(const double number, PositiveNumber(*value, PathOf(key)));
  return std::optional<double>(number);
}

absl::StatusOr<std::optional<std::int64_t>> StrictObject::OptionalInteger(const std::string& key, std::int64_t least,
                                                                          std::int64_t most) {
  const json* value = Get(key);
  if (value == nullptr) return std::optional<std::int64_t>();
  const bool fits = value->is_number_unsigned() ? value->get<std::uint64_t>() <= static_cast<std::uint64_t>(most)
                                                : value->is_number_integer();
  if (!fits || value->get<std::int64_t>() < least || value->get<std::int64_t>() > most) {
    return InvalidField(PathOf(key), ShowJson(*value), absl::StrCat("must be an integer from ", least, " to ", most));
  }
  return std::optional<std::int64_t>(value->get<std::int64_t>());
}

absl::StatusOr<bool> StrictObject::FlagOrFalse(const std::string& key) {
  const json* value = Get(key);
  if (value == nullptr) return false;
  if (!value->is_boolean()) return InvalidField(PathOf(key), ShowJson(*value), "must be true or false");
  return value->get<bool>();
}

absl::StatusOr<std::vector<std::string>> StrictObject::TextsOrNone(const std::string& key) {
  std::vector<std::string> texts;
  const json* value = Get(key);
  if (value == nullptr) return texts;
  if (!value->is_array()) return InvalidField(PathOf(key), ShowJson(*value), "must be an array of strings");
  for (const json& item : *value) {
    if (!item.is_string() || !io::IsPrintable(item.get_ref<const std::string&>())) {
      return InvalidField(PathOf(key), ShowJson(item), "must hold lines of printable text alone");
    }
    texts.push_back(item.get<std::string>());
  }
  return texts;
}

absl::Status StrictObject::RefuseOthers() const {
  for (const auto& [key, value] : value_->items()) {
    if (known_.count(key) != 0) continue;
    return absl::InvalidArgumentError(absl::StrCat(PathOf(io::Printable(key)), " = ", ShowJson(value),
                                                   ": is no known key",
                                                   NearestHint(key, {known_.begin(), known_.end()})));
  }
  return absl::OkStatus();
}

}  // namespace dvren::analysis
