#include "server/services/allowed_path.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

namespace dvren::server {
namespace {

namespace fs = std::filesystem;

// Whether `path` is the root or below it.
bool IsWithin(const fs::path& path, const fs::path& root) {
  return std::mismatch(root.begin(), root.end(), path.begin(), path.end()).first == root.end();
}

struct Wanted {
  const char* kind;
  bool or_root;        // a root itself will do
  const char* remedy;  // ends the sentence that refuses others
};

// The resolved path of something that is there, within a root.
absl::StatusOr<fs::path> Resolve(const std::string& field, const std::string& path,
                                 const std::vector<std::string>& roots, const Wanted& wanted) {
  if (path.empty() || path.front() != '/')
    return InvalidField(field, path, "must be absolute, on the daemon's machine");
  if (path.find('\0') != std::string::npos) return InvalidField(field, path.c_str(), "must not hold a zero byte");
  std::error_code error;
  // Also resolves what is there of a path whose end is missing, so that existence outside the roots is not revealed.
  const fs::path resolved = fs::weakly_canonical(path, error);
  const bool allowed = !error && std::any_of(roots.begin(), roots.end(), [&](const std::string& root) {
    std::error_code root_error;
    const fs::path canonical = fs::canonical(root, root_error);
    return !root_error && IsWithin(resolved, canonical) && (wanted.or_root || resolved != canonical);
  });
  if (!allowed) {
    return absl::PermissionDeniedError(absl::StrCat(field, " = ", path,
                                                    ": lies below no allow-listed root; ask the operator to start "
                                                    "dvrend with --root",
                                                    wanted.remedy));
  }
  if (!fs::exists(fs::status(resolved, error))) {
    return absl::NotFoundError(absl::StrCat(field, " = ", path, ": no such ", wanted.kind, " on the daemon's machine"));
  }
  return resolved;
}

}  // namespace

absl::StatusOr<std::string> ResolveAllowedPath(const std::string& path, const std::vector<std::string>& roots) {
  DVREN_ASSIGN_OR_RETURN(const fs::path resolved,
                         Resolve("path", path, roots, {"file", false, ", or upload the file"}));
  std::error_code error;
  if (!fs::is_regular_file(resolved, error)) return InvalidField("path", path, "must be a regular file");
  return resolved.string();
}

absl::StatusOr<std::string> ResolveAllowedFolder(const std::string& field, const std::string& path,
                                                 const std::vector<std::string>& roots) {
  // A trailing slash would count as one more component.
  const std::string trimmed = path.size() > 1 && path.back() == '/' ? path.substr(0, path.size() - 1) : path;
  DVREN_ASSIGN_OR_RETURN(const fs::path resolved, Resolve(field, trimmed, roots, {"folder", true, ""}));
  std::error_code error;
  if (!fs::is_directory(resolved, error)) return InvalidField(field, path, "must be a folder");
  return resolved.string();
}

}  // namespace dvren::server
