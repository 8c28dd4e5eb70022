// The status of a parser that ran out of memory, told apart from a volume that is merely too big. Internal to
// dvren::io.
#pragma once

#include "dvren/core/status.h"

namespace dvren::io {

inline constexpr char kOutOfMemoryUrl[] = "dvren/out_of_memory";

[[nodiscard]] inline absl::Status OutOfMemory(absl::string_view name) {
  absl::Status status = absl::ResourceExhaustedError(absl::StrCat(name, ": out of memory"));
  status.SetPayload(kOutOfMemoryUrl, absl::Cord("1"));
  return status;
}

[[nodiscard]] inline bool IsOutOfMemory(const absl::Status& status) {
  return status.GetPayload(kOutOfMemoryUrl).has_value();
}

}  // namespace dvren::io
