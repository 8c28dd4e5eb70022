#include "dvren/core/buffer.h"

#include <utility>

namespace dvren {

absl::StatusOr<Buffer> Buffer::Allocate(Stream& stream, std::size_t bytes) {
  Buffer buffer;
  if (bytes > 0) {
    void* data = nullptr;
    DVREN_RETURN_IF_ERROR(FromHp(hp_memory_allocate(stream.hp(), bytes, &data)));
    buffer.data_ = static_cast<std::byte*>(data);
    stream.device()->memory_used_.fetch_add(bytes);
  }
  buffer.size_ = bytes;
  buffer.device_ = stream.device();
  buffer.stream_ = stream.stream_;
  return buffer;
}

Buffer::Buffer(Buffer&& other) noexcept
    : device_(std::move(other.device_)),
      stream_(std::move(other.stream_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  if (this != &other) {
    Free();
    device_ = std::move(other.device_);
    stream_ = std::move(other.stream_);
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

Buffer::~Buffer() {
  Free();
}

void Buffer::Free() {
  if (data_ == nullptr) return;
  // A failing free means a lost device; there is nobody to tell, and the next op on the stream says so.
  static_cast<void>(hp_memory_free(stream_.get(), data_));
  device_->memory_used_.fetch_sub(size_);
  data_ = nullptr;
  size_ = 0;
}

}  // namespace dvren
