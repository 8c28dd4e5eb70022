// Device memory for the length of an op, from the stream's pool.
#pragma once

#include <cstddef>

#include "backends/cuda/runtime.h"

namespace hp::cuda {

class Scratch {
 public:
  explicit Scratch(Stream& stream) : stream_(stream) {}
  ~Scratch() {
    if (data_) stream_.device->Free(stream_, data_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  hp_status Allocate(size_t bytes) { return stream_.device->Allocate(stream_, bytes, &data_); }
  hp_status AllocateZeros(size_t bytes) {
    HP_RETURN_IF_ERROR(Allocate(bytes));
    return stream_.device->Fill(stream_, data_, 0, bytes);
  }
  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  Stream& stream_;
  void* data_ = nullptr;
};

}  // namespace hp::cuda
