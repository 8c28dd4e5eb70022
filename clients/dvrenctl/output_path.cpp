#include "output_path.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace dvren::ctl {

namespace fs = std::filesystem;

absl::Status CheckWritable(const std::string& option, const std::string& path) {
  std::error_code error;
  const fs::path target(path);
  if (target.filename().empty() || fs::is_directory(target, error)) {
    return InvalidField(option, path, "is a folder; name a file");
  }
  if (fs::exists(target, error) && !fs::is_regular_file(target, error)) {
    return InvalidField(option, path, "is no regular file; name another");
  }
  const fs::path folder = target.has_parent_path() ? target.parent_path() : fs::path(".");
  if (!fs::is_directory(folder, error)) {
    return absl::NotFoundError(
        absl::StrCat(option, " = ", path, ": there is no folder ", folder.string(), "; make it first"));
  }
  // Only making a file tells: permissions, read-only mounts and quotas all have their say.
  std::string probe = (folder / ".dvrenctl.XXXXXX").string();
  const int file = ::mkstemp(probe.data());
  if (file < 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat(option, " = ", path, ": nothing can be written into ",
                                                   folder.string(), "; choose another folder"));
  }
  ::close(file);
  ::unlink(probe.c_str());
  return absl::OkStatus();
}

std::string LowerExtension(const std::string& path) {
  std::string extension = fs::path(path).extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return extension;
}

std::string NumberedPath(const std::string& path, int index, int count) {
  const int digits = std::max<int>(3, static_cast<int>(std::to_string(count - 1).size()));
  std::string number = std::to_string(index);
  number.insert(0, static_cast<std::size_t>(std::max(0, digits - static_cast<int>(number.size()))), '0');
  const fs::path whole(path);
  return (whole.parent_path() / (whole.stem().string() + "_" + number + whole.extension().string())).string();
}

}  // namespace dvren::ctl
