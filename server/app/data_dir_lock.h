// DataDirLock: one daemon per data directory. Held by the process that made it; gone with it, however it ends.
#pragma once

#include <string>
#include <utility>

#include "absl/status/statusor.h"

namespace dvren::server {

class DataDirLock {
 public:
  // Makes the directory (0700) where it is missing. UNAVAILABLE, naming directory and holder's pid, when another
  // process holds it; PERMISSION_DENIED when it cannot be written.
  [[nodiscard]] static absl::StatusOr<DataDirLock> Acquire(const std::string& data_dir);
  DataDirLock(DataDirLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  DataDirLock& operator=(DataDirLock&&) = delete;
  ~DataDirLock();

 private:
  explicit DataDirLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace dvren::server
