#include "server/services/allowed_path.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

namespace dvren::server {
namespace {

namespace fs = std::filesystem;

bool IsBelow(const fs::path& path, const fs::path& root) {
  const auto [root_end, path_end] = std::mismatch(root.begin(), root.end(), path.begin(), path.end());
  return root_end == root.end() && path_end != path.end();
}

}  // namespace

absl::StatusOr<std::string> ResolveAllowedPath(const std::string& path, const std::vector<std::string>& roots) {
  if (path.empty() || path.front() != '/')
    return InvalidField("path", path, "must be absolute, on the daemon's machine");
  if (path.find('\0') != std::string::npos) return InvalidField("path", path.c_str(), "must not hold a zero byte");
  std::error_code error;
  // Also resolves what is there of a path whose end is missing, so that existence outside the roots is not revealed.
  const fs::path resolved = fs::weakly_canonical(path, error);
  const bool allowed = !error && std::any_of(roots.begin(), roots.end(), [&](const std::string& root) {
    std::error_code root_error;
    const fs::path canonical = fs::canonical(root, root_error);
    return !root_error && IsBelow(resolved, canonical);
  });
  if (!allowed) {
    return absl::PermissionDeniedError(absl::StrCat("path = ", path,
                                                    ": lies below no allow-listed root; ask the operator to start "
                                                    "dvrend with --root, or upload the file"));
  }
  const fs::file_status status = fs::status(resolved, error);
  if (!fs::exists(status))
    return absl::NotFoundError(absl::StrCat("path = ", path, ": no such file on the daemon's machine"));
  if (!fs::is_regular_file(status)) return InvalidField("path", path, "must be a regular file");
  return resolved.string();
}

}  // namespace dvren::server
