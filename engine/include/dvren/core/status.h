// Status helpers: every fallible call of the engine returns absl::Status or absl::StatusOr<T>.
// Messages name field, value and remedy: `sampling.dt = -0.1: must be > 0`.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

#define DVREN_RETURN_IF_ERROR(expr)                                                     \
  do {                                                                                  \
    if (absl::Status dvren_status_ = (expr); !dvren_status_.ok()) return dvren_status_; \
  } while (false)

#define DVREN_CONCAT_INNER_(a, b) a##b
#define DVREN_CONCAT_(a, b) DVREN_CONCAT_INNER_(a, b)
#define DVREN_ASSIGN_OR_RETURN(lhs, expr) \
  DVREN_ASSIGN_OR_RETURN_IMPL_(DVREN_CONCAT_(dvren_statusor_, __LINE__), lhs, expr)
#define DVREN_ASSIGN_OR_RETURN_IMPL_(statusor, lhs, expr)  \
  auto statusor = (expr);                                  \
  if (!statusor.ok()) return std::move(statusor).status(); \
  lhs = std::move(statusor).value()

namespace dvren {

// INVALID_ARGUMENT `field = value: remedy`. `value` is anything absl::StrCat takes.
template <class T>
[[nodiscard]] absl::Status InvalidField(absl::string_view field, const T& value, absl::string_view remedy) {
  return absl::InvalidArgumentError(absl::StrCat(field, " = ", value, ": ", remedy));
}

}  // namespace dvren
