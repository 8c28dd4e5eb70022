// Buffer: bytes on a device, 64-byte aligned, move-only. Freed when destroyed, by whatever thread; on GPUs in the order
// of the stream that allocated it, which lives until then. Zero bytes are a valid size, without data.
#pragma once

#include <cstddef>
#include <memory>

#include "dvren/core/stream.h"

namespace dvren {

class Buffer {
 public:
  // RESOURCE_EXHAUSTED when the device has no room.
  [[nodiscard]] static absl::StatusOr<Buffer> Allocate(Stream& stream, std::size_t bytes);
  Buffer() = default;
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  ~Buffer();

  [[nodiscard]] std::byte* data() const { return data_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] const std::shared_ptr<Device>& device() const { return device_; }

 private:
  void Free();
  std::shared_ptr<Device> device_;
  std::shared_ptr<hp_stream> stream_;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace dvren
