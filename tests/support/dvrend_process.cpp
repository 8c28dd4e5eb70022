#include "support/dvrend_process.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>
#include <vector>

namespace dvren::test {

DvrendProcess::DvrendProcess(const std::string& folder, std::optional<std::uint64_t> max_file_bytes) {
  const std::string ready = folder + "/ready", data = folder + "/data", log = folder + "/dvrend.log";
  std::filesystem::remove(ready);
  std::vector<std::string> words{DVREN_BIN_DIR "/dvrend",
                                 "--listen",
                                 "127.0.0.1:0",
                                 "--metrics",
                                 "",
                                 "--data-dir",
                                 data,
                                 "--device",
                                 "cpu",
                                 "--threads",
                                 "2",
                                 "--ready-file",
                                 ready};
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("cannot fork");
  if (pid_ == 0) {
    const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(out, STDERR_FILENO);
    if (max_file_bytes) {
      const rlimit limit{*max_file_bytes, *max_file_bytes};
      setrlimit(RLIMIT_FSIZE, &limit);
      std::signal(SIGXFSZ, SIG_IGN);  // so that write() says EFBIG
    }
    execv(argv[0], argv.data());
    _exit(127);
  }
  for (int i = 0; i < 3000; ++i) {
    std::ifstream file(ready);
    if (file && std::getline(file, address_)) return;
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = -1;
      throw std::runtime_error("dvrend ended before it listened; see " + log);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  Kill();
  throw std::runtime_error("dvrend does not listen");
}

DvrendProcess::~DvrendProcess() {
  Kill();
}

void DvrendProcess::Kill() {
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

int DvrendProcess::Terminate() {
  kill(pid_, SIGTERM);
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace dvren::test
