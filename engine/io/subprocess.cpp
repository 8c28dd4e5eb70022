#include "subprocess.h"

#ifdef _WIN32

namespace dvren::io {

absl::StatusOr<SubprocessResult> RunSubprocess(const std::vector<std::string>&, double, const std::function<bool()>&) {
  return absl::UnimplementedError("this platform has no worker process: convert the file elsewhere");
}

}  // namespace dvren::io

#else

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <string_view>
#include <system_error>
#include <thread>

extern char** environ;

namespace dvren::io {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxOut = 64 * 1024, kMaxErr = 4 * 1024;
constexpr std::chrono::milliseconds kTick{10};  // how often `cancelled` is asked

class Descriptor {
 public:
  Descriptor() = default;
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { Close(); }
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }
  int fd_ = -1;
};

struct Pipe {
  Descriptor read, write;
  [[nodiscard]] bool Open() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return false;
    read.fd_ = ends[0];
    write.fd_ = ends[1];
    return true;
  }
};

class SpawnSettings {
 public:
  SpawnSettings() {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

absl::Status StartError(const std::string& program, int error) {
  return absl::FailedPreconditionError(
      absl::StrCat(program, ": cannot be started: ", std::generic_category().message(error)));
}

absl::StatusOr<pid_t> Start(const std::vector<std::string>& argv, const Pipe& out, const Pipe& err) {
  SpawnSettings settings;
  posix_spawn_file_actions_addopen(&settings.actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&settings.actions_, out.write.fd_, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&settings.actions_, err.write.fd_, STDERR_FILENO);
  // A server's threads block signals and a server ignores some; the child should have neither.
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&settings.attributes_, &none);
  posix_spawnattr_setsigdefault(&settings.attributes_, &all);
  posix_spawnattr_setpgroup(&settings.attributes_, 0);  // a terminal's ^C is the caller's to act on
  posix_spawnattr_setflags(&settings.attributes_,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);

  std::vector<char*> arguments;
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  // The environment may hold the caller's secrets: only what a program needs to start is passed on.
  std::vector<char*> environment;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    for (const std::string_view keep :
         {"PATH=", "LD_LIBRARY_PATH=", "ASAN_OPTIONS=", "UBSAN_OPTIONS=", "LSAN_OPTIONS="}) {
      if (text.starts_with(keep)) environment.push_back(*entry);
    }
  }
  environment.push_back(nullptr);
  pid_t pid = -1;
  const int error = posix_spawn(&pid, argv[0].c_str(), &settings.actions_, &settings.attributes_, arguments.data(),
                                environment.data());
  if (error != 0) return StartError(argv[0], error);
  return pid;
}

// Reads what is there. False at the end.
template <class Keep>
bool Drain(int fd, Keep keep) {
  std::array<char, 4096> buffer;
  const ssize_t got = read(fd, buffer.data(), buffer.size());
  if (got > 0) keep(std::string_view(buffer.data(), static_cast<std::size_t>(got)));
  return got > 0 || (got < 0 && errno == EINTR);
}

}  // namespace

absl::StatusOr<SubprocessResult> RunSubprocess(const std::vector<std::string>& argv, double deadline_seconds,
                                               const std::function<bool()>& cancelled) {
  Pipe out, err;
  if (!out.Open() || !err.Open()) return StartError(argv[0], errno);
  const auto deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                           std::chrono::duration<double>(std::min(deadline_seconds, 1e6)));
  DVREN_ASSIGN_OR_RETURN(const pid_t pid, Start(argv, out, err));
  out.write.Close();
  err.write.Close();

  SubprocessResult result;
  const auto stop_asked = [&] {
    if (result.timed_out || result.cancelled) return true;
    result.cancelled = cancelled && cancelled();
    result.timed_out = !result.cancelled && Clock::now() >= deadline;
    if (result.cancelled || result.timed_out) kill(pid, SIGKILL);
    return result.cancelled || result.timed_out;
  };
  while (out.read.fd_ >= 0 || err.read.fd_ >= 0) {
    if (stop_asked()) break;
    std::array<pollfd, 2> ready{pollfd{out.read.fd_, POLLIN, 0}, pollfd{err.read.fd_, POLLIN, 0}};
    if (poll(ready.data(), ready.size(), static_cast<int>(kTick.count())) <= 0) continue;
    if (ready[0].revents != 0 && !Drain(out.read.fd_, [&](std::string_view text) {
          if (result.out.size() < kMaxOut) result.out.append(text);
        })) {
      out.read.Close();
    }
    if (ready[1].revents != 0 && !Drain(err.read.fd_, [&](std::string_view text) {
          result.err.append(text);
          if (result.err.size() > kMaxErr) result.err.erase(0, result.err.size() - kMaxErr);
        })) {
      err.read.Close();
    }
  }
  int status = 0;
  for (;;) {
    // After a kill the end is certain and near; before, the child may have closed its pipes and live on.
    const bool stopped = stop_asked();
    const pid_t ended = waitpid(pid, &status, stopped ? 0 : WNOHANG);
    if (ended == pid) break;
    if (ended < 0 && errno != EINTR) {
      kill(pid, SIGKILL);
      return absl::InternalError(absl::StrCat(argv[0], ": cannot be waited for: ", std::strerror(errno)));
    }
    if (ended == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
  return result;
}

}  // namespace dvren::io

#endif
