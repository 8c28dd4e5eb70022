// dvren-parse: turns one untrusted file into a payload and a line of JSON, inside limits that it puts on itself before
// it looks at the file. Started by ImportVolume; exits 0 with the description, 1 with `{"code":…,"message":…}`, 2 for
// usage.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif
#ifdef __GLIBC__
#include <malloc.h>
#endif
#ifdef DVREN_WITH_VDB
#include <tbb/global_control.h>
#endif

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <string>

#include "dvren/io/atomic_file.h"
#include "dvren/io/import.h"
#include "out_of_memory.h"
#include "volume_json.h"

namespace dvren::io {
namespace {

constexpr char kUsage[] =
    "usage: dvren-parse --input FILE --format vdb|nvdb|npy|npz --kind nanovdb|dense --output FILE\n"
    "                   [--name NAME] [--grid NAME] [--convert-level-set] [--activation NAME] [--max-bytes N]\n"
    "                   [--max-seconds N]\n"
    "Reads FILE, writes its volume's bytes to the output and describes them in one line of JSON.\n";

struct Arguments {
  ImportRequest request;
  std::string output;
  std::uint64_t max_seconds = 300;
};

bool ParseNumber(const std::string& text, std::uint64_t* value) {
  char* end = nullptr;
  errno = 0;
  *value = std::strtoull(text.c_str(), &end, 10);
  return !text.empty() && text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0;
}

bool Parse(int argc, char** argv, Arguments* a) {
  ImportRequest& r = a->request;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--convert-level-set") {
      r.convert_level_set = true;
      continue;
    }
    if (i + 1 == argc) return false;
    const std::string value = argv[++i];
    if (option == "--input") {
      r.path = value;
    } else if (option == "--name") {
      r.source_name = value;
    } else if (option == "--grid") {
      r.grid = value;
    } else if (option == "--activation") {
      const std::optional<Activation> activation = ActivationOfName(value);
      if (!activation) return false;
      r.activation = *activation;
    } else if (option == "--output") {
      a->output = value;
    } else if (option == "--max-bytes") {
      if (!ParseNumber(value, &r.max_bytes)) return false;
    } else if (option == "--max-seconds") {
      if (!ParseNumber(value, &a->max_seconds)) return false;
    } else if (option == "--format" && value != "raw") {
      const absl::StatusOr<FileFormat> format = FormatOfName("." + value);
      if (!format.ok()) return false;
      r.format = *format;
    } else if (option == "--kind" && (value == "nanovdb" || value == "dense")) {
      r.kind = value == "dense" ? FieldKind::kDense : FieldKind::kNanoVdb;
    } else {
      return false;
    }
  }
  return !r.path.empty() && !a->output.empty() && r.format != FileFormat::kUnspecified &&
         r.kind != FieldKind::kUnspecified;
}

// Only ever lowers a limit: a caller's stricter one stands.
void Limit(decltype(RLIMIT_AS) resource, std::uint64_t value) {
  rlimit limit{};
  if (getrlimit(resource, &limit) != 0) return;
  const rlim_t wanted = value >= RLIM_INFINITY ? RLIM_INFINITY : static_cast<rlim_t>(value);
  limit.rlim_max = std::min(limit.rlim_max, wanted);
  limit.rlim_cur = std::min(limit.rlim_cur, limit.rlim_max);
  setrlimit(resource, &limit);
}

void Confine(const Arguments& a) {
#ifdef __linux__
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // no worker outlives its daemon
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
#ifdef SYS_close_range
  syscall(SYS_close_range, 3u, ~0u, 0u);  // nothing of the parent's that slipped through
#endif
#endif
#ifdef __GLIBC__
  mallopt(M_ARENA_MAX, 1);  // every arena reserves 64 MiB of the address space that is limited below
#endif
  signal(SIGXFSZ, SIG_IGN);  // a write beyond the limit then fails with EFBIG
  Limit(RLIMIT_CORE, 0);
  Limit(RLIMIT_NOFILE, 32);
  Limit(RLIMIT_FSIZE, a.request.max_bytes);
  Limit(RLIMIT_CPU, a.max_seconds + 1);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // their shadow needs terabytes of address space
  Limit(RLIMIT_AS, WorkerMemoryBytes(a.request.max_bytes));
#endif
}

int Fail(const absl::Status& status) {
  std::puts(StatusToJson(status).c_str());
  return 1;
}

// Memory is gone: no allocation here. ImportVolume adds the file's name.
void OnOutOfMemory() {
  constexpr char kLine[] = "{\"code\":\"RESOURCE_EXHAUSTED\",\"message\":\"out of memory\",\"out_of_memory\":true}\n";
  const ssize_t ignored = write(STDOUT_FILENO, kLine, sizeof kLine - 1);
  (void)ignored;
  _exit(1);
}

// Not atomic and not synced: the reader is our parent, and the folder is thrown away.
absl::Status WritePayload(const std::string& path, const Blob& payload) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return FileError("scratch space", "write", errno);
  std::size_t done = 0;
  while (done < payload.size()) {
    const ssize_t written = write(file, payload.data() + done, payload.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      const absl::Status status = FileError("scratch space", "write", written < 0 ? errno : ENOSPC);
      close(file);
      return status;
    }
    done += static_cast<std::size_t>(written);
  }
  if (close(file) != 0) return FileError("scratch space", "write", errno);
  return absl::OkStatus();
}

int Run(const Arguments& a) {
  const absl::StatusOr<Volume> volume = ReadVolume(a.request);
  if (!volume.ok()) return Fail(volume.status());
  const Blob& payload = PayloadOf(*volume);
  if (payload.size() > a.request.max_bytes) {
    return Fail(absl::ResourceExhaustedError(absl::StrCat(a.request.source_name, ": takes ", payload.size(),
                                                          " bytes, more than the ", a.request.max_bytes, " allowed")));
  }
  if (const absl::Status status = WritePayload(a.output, payload); !status.ok()) return Fail(status);
  std::puts(VolumeToJson(*volume).c_str());
  return std::fflush(stdout) == 0 ? 0 : 1;
}

}  // namespace
}  // namespace dvren::io

#if defined(__SANITIZE_ADDRESS__)
// OpenVDB leaks the nodes it has read when a damaged file makes it throw; this process ends right after.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libopenvdb";
}
#endif

int main(int argc, char** argv) {
  using namespace dvren::io;
  Arguments arguments;
  if (!Parse(argc, argv, &arguments)) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  Confine(arguments);
  std::set_new_handler(OnOutOfMemory);
  try {
#ifdef DVREN_WITH_VDB
    const tbb::global_control threads(tbb::global_control::max_allowed_parallelism, 2);
#endif
    return Run(arguments);
  } catch (const std::exception& e) {
    return Fail(
        absl::InvalidArgumentError(absl::StrCat(arguments.request.source_name, ": not a readable file: ", e.what())));
  }
}
