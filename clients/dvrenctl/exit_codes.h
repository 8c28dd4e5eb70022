// What dvrenctl's exit status says. Scripts rely on it: it only grows.
#pragma once

#include "absl/status/status.h"

namespace dvren::ctl {

enum ExitCode : int {
  kExitOk = 0,
  kExitFailed = 1,  // anything that has no number of its own; a failed job
  kExitUsage = 2,   // a wrong command line, file or value
  kExitNotFound = 3,
  kExitPermission = 4,   // a token that is missing or does not do
  kExitQuota = 5,        // a full queue, a limit, memory
  kExitUnavailable = 6,  // no daemon, or one that is stopping
  kExitDeadline = 7,
  kExitPrecondition = 8,  // a stale version, a wrong state
  kExitInternal = 9,
};

[[nodiscard]] constexpr int ExitCodeOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return kExitOk;
    case absl::StatusCode::kInvalidArgument:
      return kExitUsage;
    case absl::StatusCode::kNotFound:
      return kExitNotFound;
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return kExitPermission;
    case absl::StatusCode::kResourceExhausted:
      return kExitQuota;
    case absl::StatusCode::kUnavailable:
      return kExitUnavailable;
    case absl::StatusCode::kDeadlineExceeded:
      return kExitDeadline;
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kFailedPrecondition:
      return kExitPrecondition;
    case absl::StatusCode::kInternal:
      return kExitInternal;
    default:
      return kExitFailed;
  }
}

}  // namespace dvren::ctl
