// Which files and folders of the daemon's machine a caller may name: those below an allow-listed root, symbolic links
// resolved.
#pragma once

#include <string>
#include <vector>

#include "dvren/core/status.h"

namespace dvren::server {

// The resolved path of a regular file. PERMISSION_DENIED outside the roots (whether or not something is there),
// NOT_FOUND inside, INVALID_ARGUMENT for a relative path or for anything but a regular file.
[[nodiscard]] absl::StatusOr<std::string> ResolveAllowedPath(const std::string& path,
                                                             const std::vector<std::string>& roots);
// The same for a folder, which may be a root itself. `field` is what errors name.
[[nodiscard]] absl::StatusOr<std::string> ResolveAllowedFolder(const std::string& field, const std::string& path,
                                                               const std::vector<std::string>& roots);

}  // namespace dvren::server
