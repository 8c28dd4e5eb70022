// ByteReader: random access to the bytes of a file or of memory, with its size known first, so that a parser can hold
// declared lengths against it. Internal to dvren::io.
#pragma once

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <memory>
#include <span>
#include <string>

#include "dvren/core/status.h"
#include "dvren/io/volume.h"

namespace dvren::io {

class ByteReader {
 public:
  virtual ~ByteReader() = default;
  [[nodiscard]] virtual std::uint64_t size() const = 0;
  // INVALID_ARGUMENT when [offset, offset + bytes) is not inside; `name()` starts the message.
  [[nodiscard]] absl::Status ReadAt(std::uint64_t offset, void* to, std::uint64_t bytes);
  [[nodiscard]] const std::string& name() const { return name_; }

 protected:
  explicit ByteReader(std::string name) : name_(std::move(name)) {}

 private:
  virtual absl::Status Fetch(std::uint64_t offset, void* to, std::uint64_t bytes) = 0;
  std::string name_;
};

class MemoryReader : public ByteReader {
 public:
  MemoryReader(std::span<const std::byte> bytes, std::string name) : ByteReader(std::move(name)), bytes_(bytes) {}
  [[nodiscard]] std::uint64_t size() const override { return bytes_.size(); }

 private:
  absl::Status Fetch(std::uint64_t offset, void* to, std::uint64_t bytes) override;
  std::span<const std::byte> bytes_;
};

class FileReader : public ByteReader {
 public:
  // NOT_FOUND, PERMISSION_DENIED, …; INVALID_ARGUMENT for anything but a regular file. `name` stands in later messages.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<FileReader>> Open(const std::string& path, std::string name);
  [[nodiscard]] std::uint64_t size() const override { return size_; }

 private:
  FileReader(std::ifstream file, std::uint64_t size, std::string name)
      : ByteReader(std::move(name)), file_(std::move(file)), size_(size) {}
  absl::Status Fetch(std::uint64_t offset, void* to, std::uint64_t bytes) override;
  std::ifstream file_;
  std::uint64_t size_;
};

// The whole file. RESOURCE_EXHAUSTED above max_bytes.
[[nodiscard]] absl::StatusOr<Blob> ReadFile(const std::string& path, const std::string& name, std::uint64_t max_bytes);

// a * b, false when that does not fit 63 bits.
[[nodiscard]] inline bool MultiplyFits(std::uint64_t a, std::uint64_t b, std::uint64_t* product) {
  constexpr std::uint64_t kLimit = static_cast<std::uint64_t>(INT64_MAX);
  if (b != 0 && a > kLimit / b) return false;
  *product = a * b;
  return true;
}

}  // namespace dvren::io
