// AtomicFile: a file that appears whole or not at all: written under a temporary name in the same folder, synced to the
// disk, then renamed. Not committed = nothing left behind. FileOps is the seam through which tests fill the disk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dvren/core/status.h"

namespace dvren::io {

// The system calls that writing a file needs. The base class makes them; a test overrides one to make it fail.
// All return a negative errno on failure. Thread-safe: no state.
class FileOps {
 public:
  virtual ~FileOps() = default;
  virtual int CreateExclusive(const std::string& path);                       // a descriptor, or -errno
  virtual std::int64_t Write(int file, const void* data, std::size_t bytes);  // bytes written, or -errno
  virtual int Sync(int file);
  virtual int Close(int file);
  virtual int Rename(const std::string& from, const std::string& to);
  virtual int Remove(const std::string& path);
  virtual int SyncFolder(const std::string& folder);
  [[nodiscard]] static FileOps& Real();
};

// `path: cannot <doing>: <errno text>`, with the code that fits: RESOURCE_EXHAUSTED for a full disk or a file-size
// limit, PERMISSION_DENIED, NOT_FOUND for a missing folder, …
[[nodiscard]] absl::Status FileError(absl::string_view path, absl::string_view doing, int error_number);

class AtomicFile {
 public:
  // Opens the temporary file beside `path`. A symbolic link is followed, so that it stays one. FAILED_PRECONDITION when
  // `path` is there and is no regular file. `ops` outlives the AtomicFile.
  [[nodiscard]] static absl::StatusOr<AtomicFile> Create(const std::string& path, FileOps& ops = FileOps::Real());
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&& other) noexcept;
  ~AtomicFile();  // removes the temporary file unless Commit succeeded

  [[nodiscard]] absl::Status Write(const void* data, std::size_t bytes);
  [[nodiscard]] absl::Status Write(std::span<const std::byte> data) { return Write(data.data(), data.size()); }
  // Syncs and renames. After an error of any call nothing is left but what was at `path` before.
  [[nodiscard]] absl::Status Commit();

 private:
  AtomicFile(std::string path, std::string temporary, int file, FileOps& ops);
  void Discard();
  std::string path_, temporary_;
  int file_ = -1;
  FileOps* ops_;
};

// One buffer, written atomically.
[[nodiscard]] absl::Status WriteFileAtomically(const std::string& path, std::span<const std::byte> data,
                                               FileOps& ops = FileOps::Real());

}  // namespace dvren::io
