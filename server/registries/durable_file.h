// Files that are on disk when a call returns: write, fsync, rename, fsync of the folder. The seam `FileFaults` lets a
// test make any step fail, such as with ENOSPC.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "absl/strings/string_view.h"
#include "dvren/core/status.h"

namespace dvren::server {

// Asked before each step ("create", "write", "sync", "rename", "sync_dir") with the path; an errno makes it fail, 0
// lets it pass.
using FileFaults = std::function<int(absl::string_view step, const std::string& path)>;

// RESOURCE_EXHAUSTED for a full disk or quota, NOT_FOUND for a missing file, INTERNAL for the rest.
[[nodiscard]] absl::Status ErrnoStatus(int error, absl::string_view step, const std::string& path);

// An open file descriptor, closed when destroyed. Move-only.
class FileHandle {
 public:
  FileHandle() = default;
  explicit FileHandle(int fd) : fd_(fd) {}
  FileHandle(FileHandle&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  FileHandle& operator=(FileHandle&& other) noexcept;
  ~FileHandle();

  [[nodiscard]] int fd() const { return fd_; }

  [[nodiscard]] static absl::StatusOr<FileHandle> OpenForReading(const std::string& path);
  // Fills `size` bytes from `offset`; DATA_LOSS where the file ends earlier.
  [[nodiscard]] absl::Status ReadAt(void* destination, std::size_t size, std::uint64_t offset,
                                    const std::string& path) const;

 private:
  int fd_ = -1;
};

// A file being written.
class DurableFile {
 public:
  // Refuses a file that exists unless `append` is set; appending creates it too.
  [[nodiscard]] static absl::StatusOr<DurableFile> Open(const std::string& path, bool append, const FileFaults& faults);

  [[nodiscard]] absl::Status Append(const void* data, std::size_t size);
  [[nodiscard]] absl::Status Truncate(std::uint64_t size);
  [[nodiscard]] absl::Status Sync();

 private:
  DurableFile(FileHandle file, std::string path, FileFaults faults)
      : file_(std::move(file)), path_(std::move(path)), faults_(std::move(faults)) {}
  FileHandle file_;
  std::string path_;
  FileFaults faults_;
};

// A small file at once: create, write, fsync.
[[nodiscard]] absl::Status WriteFileDurably(const std::string& path, absl::string_view text, const FileFaults& faults);
// The whole of a small file; RESOURCE_EXHAUSTED beyond `max_bytes`.
[[nodiscard]] absl::StatusOr<std::string> ReadSmallFile(const std::string& path, std::size_t max_bytes);
[[nodiscard]] absl::Status SyncDirectory(const std::string& path, const FileFaults& faults);
[[nodiscard]] absl::Status RenamePath(const std::string& from, const std::string& to, const FileFaults& faults);
// Makes the folder and its parents.
[[nodiscard]] absl::Status MakeDirectories(const std::string& path);
// Removes the whole tree, best effort: what stays is removed at the next start.
void RemoveTree(const std::string& path);
// Removes everything below the folder, best effort, and keeps the folder.
void RemoveContents(const std::string& path);

}  // namespace dvren::server
