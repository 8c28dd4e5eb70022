// Stream: an in-order queue of work on one device. Move-only; one per worker; not thread-safe.
#pragma once

#include <memory>

#include "dvren/core/device.h"

namespace dvren {

class Stream {
 public:
  Stream(Stream&&) noexcept = default;
  Stream& operator=(Stream&&) noexcept = default;

  [[nodiscard]] const std::shared_ptr<Device>& device() const { return device_; }
  [[nodiscard]] hp_stream* hp() const { return stream_.get(); }
  [[nodiscard]] absl::Status Synchronize();

 private:
  friend class Device;
  friend class Buffer;
  Stream(std::shared_ptr<Device> device, hp_stream* stream);  // takes ownership of `stream`
  std::shared_ptr<Device> device_;
  // Shared with the buffers that were allocated on it, which are freed in its order, maybe after this object is gone.
  std::shared_ptr<hp_stream> stream_;
};

}  // namespace dvren
