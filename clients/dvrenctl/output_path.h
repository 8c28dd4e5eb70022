// Files that dvrenctl writes: whether they can be written is asked before the work, not after it.
#pragma once

#include <string>

#include "dvren/core/status.h"

namespace dvren::ctl {

// NOT_FOUND for a missing folder, PERMISSION_DENIED or whatever the system says for one that takes no new file,
// INVALID_ARGUMENT where `path` is a folder itself. Leaves nothing behind. `option` names the value in errors.
[[nodiscard]] absl::Status CheckWritable(const std::string& option, const std::string& path);

// ".png" of "a/B.PNG"; "" without one.
[[nodiscard]] std::string LowerExtension(const std::string& path);

// "turn.png" and 7 of 36 give "turn_007.png".
[[nodiscard]] std::string NumberedPath(const std::string& path, int index, int count);

}  // namespace dvren::ctl
