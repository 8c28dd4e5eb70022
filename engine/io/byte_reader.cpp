#include "byte_reader.h"

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "dvren/io/atomic_file.h"

namespace dvren::io {

absl::Status ByteReader::ReadAt(std::uint64_t offset, void* to, std::uint64_t bytes) {
  if (offset > size() || bytes > size() - offset) {
    return absl::InvalidArgumentError(
        absl::StrCat(name_, ": cut short: ", bytes, " bytes at offset ", offset, " lie beyond the end, ", size()));
  }
  return bytes == 0 ? absl::OkStatus() : Fetch(offset, to, bytes);
}

absl::Status MemoryReader::Fetch(std::uint64_t offset, void* to, std::uint64_t bytes) {
  std::memcpy(to, bytes_.data() + offset, bytes);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<FileReader>> FileReader::Open(const std::string& path, std::string name) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) return FileError(name, "read", error ? error.value() : ENOENT);
  if (!std::filesystem::is_regular_file(status)) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": cannot read: not a regular file"));
  }
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) return FileError(name, "read", errno == 0 ? EIO : errno);
  const std::uint64_t size = std::filesystem::file_size(path, error);
  if (error) return FileError(name, "read", error.value());
  return std::unique_ptr<FileReader>(new FileReader(std::move(file), size, std::move(name)));
}

absl::Status FileReader::Fetch(std::uint64_t offset, void* to, std::uint64_t bytes) {
  errno = 0;
  file_.clear();
  file_.seekg(static_cast<std::streamoff>(offset));
  file_.read(static_cast<char*>(to), static_cast<std::streamsize>(bytes));
  if (!file_) return FileError(name(), "read", errno == 0 ? EIO : errno);
  return absl::OkStatus();
}

absl::StatusOr<Blob> ReadFile(const std::string& path, const std::string& name, std::uint64_t max_bytes) {
  DVREN_ASSIGN_OR_RETURN(std::unique_ptr<FileReader> file, FileReader::Open(path, name));
  if (file->size() > max_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat(name, ": ", file->size(), " bytes: more than the ", max_bytes, " allowed"));
  }
  Blob blob(file->size());
  DVREN_RETURN_IF_ERROR(file->ReadAt(0, blob.data(), file->size()));
  return blob;
}

}  // namespace dvren::io
