#include "server/app/ready_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "absl/strings/str_cat.h"

namespace dvren::server {

absl::Status WriteReadyFile(const std::string& path, const std::vector<std::string>& addresses) {
  const std::string temporary = path + ".tmp";
  {
    std::ofstream file(temporary, std::ios::trunc);
    for (const std::string& address : addresses) file << address << '\n';
    file.flush();
    if (!file)
      return absl::UnavailableError(absl::StrCat("--ready-file = ", path, ": cannot be written; give a writable path"));
  }
  if (std::rename(temporary.c_str(), path.c_str()) != 0) {
    return absl::UnavailableError(
        absl::StrCat("--ready-file = ", path, ": cannot be written (", std::strerror(errno), ")"));
  }
  return absl::OkStatus();
}

}  // namespace dvren::server
