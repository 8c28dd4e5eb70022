// Runs a program to its end, its deadline or a cancel. Safe in a process with threads (posix_spawn). Internal to
// dvren::io.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "dvren/core/status.h"

namespace dvren::io {

struct SubprocessResult {
  int exit_code = -1;  // -1 unless it ended by itself
  int signal = 0;      // that ended it
  bool timed_out = false, cancelled = false;
  std::string out;  // of stdout, at most 64 KiB
  std::string err;  // the last 4 KiB of stderr
};

// argv[0] is the program's path. stdin is empty; signal mask and handlers are the defaults. The child is reaped on
// return. FAILED_PRECONDITION when it cannot be started. UNIMPLEMENTED without posix_spawn.
[[nodiscard]] absl::StatusOr<SubprocessResult> RunSubprocess(const std::vector<std::string>& argv,
                                                             double deadline_seconds,
                                                             const std::function<bool()>& cancelled);

}  // namespace dvren::io
