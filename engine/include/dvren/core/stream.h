// Stream: an in-order queue of work on one device. Move-only; one per worker; not thread-safe.
#pragma once

#include <memory>
#include <utility>

#include "dvren/core/device.h"

namespace dvren {

class Stream {
 public:
  Stream(Stream&& other) noexcept : device_(std::move(other.device_)), stream_(std::exchange(other.stream_, nullptr)) {}
  Stream& operator=(Stream&& other) noexcept;
  ~Stream();

  [[nodiscard]] const std::shared_ptr<Device>& device() const { return device_; }
  [[nodiscard]] hp_stream* hp() const { return stream_; }
  [[nodiscard]] absl::Status Synchronize();

 private:
  friend class Device;
  Stream(std::shared_ptr<Device> device, hp_stream* stream) : device_(std::move(device)), stream_(stream) {}
  std::shared_ptr<Device> device_;
  hp_stream* stream_;
};

}  // namespace dvren
