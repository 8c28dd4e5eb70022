#include "byte_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace dvren::client {
namespace {

class FileSource final : public ByteSource {
 public:
  FileSource(int fd, std::uint64_t size, std::string path) : fd_(fd), size_(size), path_(std::move(path)) {}
  ~FileSource() override { ::close(fd_); }
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;

  [[nodiscard]] std::uint64_t size() const override { return size_; }
  [[nodiscard]] absl::Status Read(std::uint64_t offset, std::span<char> out) const override {
    while (!out.empty()) {
      const ssize_t n = ::pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return absl::ErrnoToStatus(errno, absl::StrCat("file = ", path_, ": cannot be read"));
      if (n == 0) {
        return absl::FailedPreconditionError(
            absl::StrCat("file = ", path_, ": became shorter while it was sent; send it again"));
      }
      offset += static_cast<std::uint64_t>(n);
      out = out.subspan(static_cast<std::size_t>(n));
    }
    return absl::OkStatus();
  }

 private:
  const int fd_;
  const std::uint64_t size_;
  const std::string path_;
};

class SpanSource final : public ByteSource {
 public:
  explicit SpanSource(std::span<const std::byte> bytes) : bytes_(bytes) {}
  [[nodiscard]] std::uint64_t size() const override { return bytes_.size(); }
  [[nodiscard]] absl::Status Read(std::uint64_t offset, std::span<char> out) const override {
    std::memcpy(out.data(), bytes_.data() + offset, out.size());
    return absl::OkStatus();
  }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ByteSource>> OpenFileSource(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    const absl::string_view remedy = errno == ENOENT
                                         ? "check the path; with --on-server it would be a path of the daemon's machine"
                                         : "make it readable";
    return absl::ErrnoToStatus(errno, absl::StrCat("file = ", path, ": cannot be opened, ", remedy));
  }
  struct stat info {};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size == 0) {
    ::close(fd);
    return InvalidField("file", path, S_ISREG(info.st_mode) ? "is empty" : "must be a regular file");
  }
  return std::make_unique<FileSource>(fd, static_cast<std::uint64_t>(info.st_size), path);
}

std::unique_ptr<ByteSource> MemorySource(std::span<const std::byte> bytes) {
  return std::make_unique<SpanSource>(bytes);
}

}  // namespace dvren::client
