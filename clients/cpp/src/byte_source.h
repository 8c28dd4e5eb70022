// ByteSource: the bytes of an upload, read at any offset: of a file or of memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "dvren/client/status.h"

namespace dvren::client {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  [[nodiscard]] virtual std::uint64_t size() const = 0;
  // Fills `out` from `offset`, all of it. FAILED_PRECONDITION when a file became shorter since it was opened.
  [[nodiscard]] virtual absl::Status Read(std::uint64_t offset, std::span<char> out) const = 0;
};

// NOT_FOUND, PERMISSION_DENIED or INVALID_ARGUMENT (a folder, an empty file) for a path that does not do.
[[nodiscard]] absl::StatusOr<std::unique_ptr<ByteSource>> OpenFileSource(const std::string& path);
// `bytes` must outlive the source.
[[nodiscard]] std::unique_ptr<ByteSource> MemorySource(std::span<const std::byte> bytes);

}  // namespace dvren::client
