#include "exit_codes.h"

#include <catch2/catch.hpp>

namespace dvren::ctl {
namespace {

TEST_CASE("Every status code exits with its documented number") {
  CHECK(ExitCodeOf(absl::StatusCode::kOk) == 0);
  CHECK(ExitCodeOf(absl::StatusCode::kUnknown) == 1);
  CHECK(ExitCodeOf(absl::StatusCode::kUnimplemented) == 1);
  CHECK(ExitCodeOf(absl::StatusCode::kCancelled) == 1);
  CHECK(ExitCodeOf(absl::StatusCode::kInvalidArgument) == 2);
  CHECK(ExitCodeOf(absl::StatusCode::kNotFound) == 3);
  CHECK(ExitCodeOf(absl::StatusCode::kPermissionDenied) == 4);
  CHECK(ExitCodeOf(absl::StatusCode::kUnauthenticated) == 4);
  CHECK(ExitCodeOf(absl::StatusCode::kResourceExhausted) == 5);
  CHECK(ExitCodeOf(absl::StatusCode::kUnavailable) == 6);
  CHECK(ExitCodeOf(absl::StatusCode::kDeadlineExceeded) == 7);
  CHECK(ExitCodeOf(absl::StatusCode::kAborted) == 8);
  CHECK(ExitCodeOf(absl::StatusCode::kFailedPrecondition) == 8);
  CHECK(ExitCodeOf(absl::StatusCode::kInternal) == 9);
}

}  // namespace
}  // namespace dvren::ctl
