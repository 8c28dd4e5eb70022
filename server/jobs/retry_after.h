// Marks a refusal that passes by itself (a full queue), so that clients retry these and no others: too large an upload
// will be too large again.
#pragma once

#include <optional>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace dvren::server {

inline constexpr char kRetryAfterPayload[] = "dvren/retry-after-ms";

[[nodiscard]] inline absl::Status WithRetryAfter(absl::Status status, int milliseconds) {
  status.SetPayload(kRetryAfterPayload, absl::Cord(absl::StrCat(milliseconds)));
  return status;
}

// Absent: do not retry.
[[nodiscard]] inline std::optional<int> RetryAfterMs(const absl::Status& status) {
  const auto payload = status.GetPayload(kRetryAfterPayload);
  int milliseconds = 0;
  if (!payload || !absl::SimpleAtoi(std::string(*payload), &milliseconds)) return std::nullopt;
  return milliseconds;
}

}  // namespace dvren::server
