#include "dvren/io/import.h"

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "byte_reader.h"
#include "dvren/io/atomic_file.h"
#include "dvren/io/check.h"
#include "out_of_memory.h"
#include "read_volume.h"
#include "subprocess.h"
#include "volume_json.h"

namespace dvren::io {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

struct FormatNames {
  const char* option;  // of dvren-parse
  const char* label;   // in messages
};
FormatNames NamesOf(FileFormat format) {
  switch (format) {
    case FileFormat::kVdb:
      return {"vdb", "VDB"};
    case FileFormat::kNvdb:
      return {"nvdb", "NVDB"};
    case FileFormat::kNpy:
      return {"npy", "NPY"};
    case FileFormat::kNpz:
      return {"npz", "NPZ"};
    case FileFormat::kRaw:
      return {"raw", "raw array"};
    case FileFormat::kUnspecified:
      break;
  }
  return {"", "file"};
}

// A folder of our own in `parent`, removed with all that is in it.
class ScratchFolder {
 public:
  static absl::StatusOr<ScratchFolder> Create(const std::string& parent) {
#ifdef _WIN32
    return absl::UnimplementedError("this platform has no worker process: convert the file elsewhere");
#else
    std::string pattern = (fs::path(parent) / "import-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) return FileError(parent, "make a scratch folder", errno);
    return ScratchFolder(std::move(pattern));
#endif
  }
  ScratchFolder(ScratchFolder&& other) noexcept : path_(std::exchange(other.path_, std::string())) {}
  ScratchFolder& operator=(ScratchFolder&&) = delete;
  ~ScratchFolder() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string File(const char* name) const {
    return (fs::path(path_) / name).string();
  }

 private:
  explicit ScratchFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

absl::StatusOr<std::string> WorkerPath(const std::string& asked) {
  if (!asked.empty()) return asked;
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  if (error)
    return absl::FailedPreconditionError("worker_path is not set, and the running program's folder is unknown");
  return (self.parent_path() / "dvren-parse").string();
}

// What a worker that gave no answer of its own is said to have died of.
absl::Status Blame(const ResolvedRequest& r, const SubprocessResult& run, const std::string& worker) {
  const auto unreadable = [&](absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat(r.name, ": not a readable ", NamesOf(r.format).label, ": ", why));
  };
  if (run.cancelled) return absl::CancelledError(absl::StrCat(r.name, ": import cancelled"));
  if (run.timed_out || run.signal == SIGXCPU) {
    return unreadable(absl::StrCat("parser did not finish within ", r.request->deadline_seconds, " s"));
  }
  if (run.signal != 0) return unreadable(absl::StrCat("parser died of signal ", run.signal));
  std::string tail = run.err.substr(run.err.size() > 300 ? run.err.size() - 300 : 0);
  std::replace(tail.begin(), tail.end(), '\n', ' ');
  return absl::InternalError(absl::StrCat(worker, ": ended with exit code ", run.exit_code, ": ", tail));
}

absl::StatusOr<Volume> RunWorker(const ResolvedRequest& r, const std::string& scratch_dir) {
  const ImportRequest& request = *r.request;
  // Opened here first, so that a missing file is told apart from a broken one.
  DVREN_RETURN_IF_ERROR(FileReader::Open(request.path, r.name).status());
  DVREN_ASSIGN_OR_RETURN(const std::string worker, WorkerPath(request.worker_path));
  DVREN_ASSIGN_OR_RETURN(const ScratchFolder scratch, ScratchFolder::Create(scratch_dir));
  const std::string payload_path = scratch.File("payload");
  std::vector<std::string> argv = {worker,
                                   "--input",
                                   request.path,
                                   "--name",
                                   r.name,
                                   "--format",
                                   NamesOf(r.format).option,
                                   "--kind",
                                   r.kind == FieldKind::kNanoVdb ? "nanovdb" : "dense",
                                   "--output",
                                   payload_path,
                                   "--max-bytes",
                                   absl::StrCat(request.max_bytes),
                                   "--max-seconds",
                                   absl::StrCat(static_cast<std::uint64_t>(std::ceil(request.deadline_seconds)))};
  if (!request.grid.empty()) argv.insert(argv.end(), {"--grid", request.grid});
  if (request.convert_level_set) argv.push_back("--convert-level-set");
  if (request.activation != Activation::kIdentity) {  // decides whether a negative density is one
    argv.insert(argv.end(), {"--activation", std::string(ActivationName(request.activation))});
  }
  DVREN_ASSIGN_OR_RETURN(const SubprocessResult run, RunSubprocess(argv, request.deadline_seconds, request.cancelled));

  if (run.exit_code == 1) {
    const absl::Status status = StatusFromJson(run.out);
    if (IsOutOfMemory(status)) {
      return absl::InvalidArgumentError(absl::StrCat(r.name, ": not a readable ", NamesOf(r.format).label,
                                                     ": parser ran out of its ",
                                                     WorkerMemoryBytes(request.max_bytes) / kMiB, " MiB"));
    }
    if (status.code() != absl::StatusCode::kInternal) return status;
  }
  if (run.exit_code != 0) return Blame(r, run, worker);
  DVREN_ASSIGN_OR_RETURN(Blob payload, ReadFile(payload_path, r.name, request.max_bytes));
  DVREN_ASSIGN_OR_RETURN(Volume volume, VolumeFromJson(run.out, std::move(payload), r.name));
  if (std::holds_alternative<NanoVdbVolume>(volume) != (r.kind == FieldKind::kNanoVdb)) {
    return absl::InternalError(absl::StrCat(r.name, ": the parser answered with another kind than asked"));
  }
  return volume;
}

}  // namespace

std::uint64_t WorkerMemoryBytes(std::uint64_t max_bytes) {
  // OpenVDB's tree, a converted copy of it, the result; and libraries, stacks, buffers.
  constexpr std::uint64_t kBase = 768 * kMiB, kCopies = 3;
  return max_bytes > (UINT64_MAX - kBase) / kCopies ? UINT64_MAX : kBase + kCopies * max_bytes;
}

absl::StatusOr<Volume> ImportVolume(const ImportRequest& request, const std::string& scratch_dir) {
  DVREN_ASSIGN_OR_RETURN(const ResolvedRequest r, Resolve(request));
  if (request.path.empty()) return InvalidField("path", "\"\"", "must name a file");
  if (!(request.deadline_seconds > 0)) {
    return InvalidField("deadline_seconds", request.deadline_seconds, "must be > 0");
  }
  if (r.format == FileFormat::kRaw) return ReadVolume(request);  // nothing to parse
  DVREN_ASSIGN_OR_RETURN(Volume volume, RunWorker(r, scratch_dir));
  if (auto* dense = std::get_if<DenseVolume>(&volume)) {
    // By this it was checked what densities may be. A VDB may name one where none was asked for.
    const Activation activation = dense->activation;
    if (activation != request.activation &&
        (r.format != FileFormat::kVdb || request.activation != Activation::kIdentity)) {
      return absl::InternalError(absl::StrCat(r.name, ": the parser answered with another activation than asked"));
    }
    ApplyArrayOptions(request, dense);
    dense->activation = activation;
    DVREN_RETURN_IF_ERROR(CheckBox(dense->box, absl::StrCat(r.name, ": box")));
    DVREN_RETURN_IF_ERROR(CheckTransform(dense->local_to_world, absl::StrCat(r.name, ": local_to_world")));
  }
  return volume;
}

}  // namespace dvren::io
