// The real dvrend, as a process that a test may kill.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

namespace dvren::test {

class DvrendProcess {
 public:
  // Starts it on a free port with its data below `folder` and waits until it listens. `max_file_bytes`: no file of the
  // process may grow beyond, as if the disk were full.
  explicit DvrendProcess(const std::string& folder, std::optional<std::uint64_t> max_file_bytes = std::nullopt);
  ~DvrendProcess();  // kills what still runs
  DvrendProcess(const DvrendProcess&) = delete;
  DvrendProcess& operator=(const DvrendProcess&) = delete;

  [[nodiscard]] const std::string& address() const { return address_; }
  // SIGKILL, and waits until it is gone.
  void Kill();
  // SIGTERM; its exit code.
  [[nodiscard]] int Terminate();

 private:
  pid_t pid_ = -1;
  std::string address_;
};

}  // namespace dvren::test
