// Exit codes of dvrend and dvrenctl, from what went wrong.
#pragma once

#include "absl/status/status.h"

namespace dvren::server {

[[nodiscard]] constexpr int ExitCodeOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return 0;
    case absl::StatusCode::kInvalidArgument:
      return 2;
    case absl::StatusCode::kNotFound:
      return 3;
    case absl::StatusCode::kPermissionDenied:
      return 4;
    case absl::StatusCode::kResourceExhausted:
      return 5;
    case absl::StatusCode::kUnavailable:
      return 6;
    case absl::StatusCode::kDeadlineExceeded:
      return 7;
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kFailedPrecondition:
      return 8;
    default:
      return 9;
  }
}

}  // namespace dvren::server
