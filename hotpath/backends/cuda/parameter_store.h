// The device memory behind hp_gradient and hp_moments. A kernel cannot make room, so every block has its place from the
// start; flags say which mean something. Ops on several streams come one after the other: each use waits for the last.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "abi/error.h"
#include "backends/cuda/device_views.h"
#include "backends/cuda/runtime.h"

namespace hp {
class GradientLayout;
}

namespace hp::cuda {

// Where the last op on some memory stands in its stream.
class LastUse {
 public:
  explicit LastUse(Device& device) : device_(device) {}
  ~LastUse() { device_.Destroy(&event_); }
  LastUse(const LastUse&) = delete;
  LastUse& operator=(const LastUse&) = delete;

  // What `stream` does next comes after the last use.
  hp_status Before(Stream& stream);
  // What `stream` has been given is the last use.
  hp_status After(Stream& stream);

 private:
  Device& device_;
  Event event_;
};

// Sums of a field's gradient.
class GradientMemory {
 public:
  // `service`: a stream of the backend's own, on which the memory goes when this does.
  static hp_status Create(Stream& stream, Stream& service, const GradientLayout& layout,
                          std::unique_ptr<GradientMemory>* out);
  ~GradientMemory();

  // For kernels: the view as they see it, in device memory.
  void* on_device() const { return on_device_; }
  const GradientView& view() const { return view_; }
  const BlocksView& blocks() const { return blocks_; }
  uint64_t bytes() const { return bytes_; }
  LastUse& last_use() { return last_use_; }
  // Sums may leave their range unseen by what the stream is given now; nothing has, once they are zero.
  void NoteAdditions(const Stream& stream) {
    unchecked_ = true;
    in_graph_ = in_graph_ || stream.capturing;
  }
  void NoteZero() { unchecked_ = false; }
  // Looks, and waits for the answer.
  hp_status Overflowed(Stream& stream, bool* overflowed);

 private:
  GradientMemory(Device& device, Stream& service) : service_(service), last_use_(device) {}

  Stream& service_;
  GradientView view_;
  BlocksView blocks_;
  void* memory_[4] = {nullptr, nullptr, nullptr, nullptr};  // sums, flags, blocks, the view
  void* on_device_ = nullptr;
  uint64_t bytes_ = 0;
  bool unchecked_ = false;
  bool in_graph_ = false;  // replays are not seen: every look is a real one
  LastUse last_use_;
};

// Moments of an optimizer for a field's values.
class MomentMemory {
 public:
  // `kept`: f32 numbers for each value.
  static hp_status Create(Stream& stream, Stream& service, const GradientLayout& layout, int kept,
                          std::unique_ptr<MomentMemory>* out);
  ~MomentMemory();

  const MomentView& view() const { return view_; }
  int64_t blocks() const { return blocks_; }
  int64_t block_values() const { return view_.kept * view_.moment_values; }
  LastUse& last_use() { return last_use_; }
  // Both wait. Which blocks have moments, ascending.
  hp_status Present(Stream& stream, std::vector<int64_t>* blocks) const;
  // To and from host memory, of these blocks; after Write no other has any.
  hp_status Read(Stream& stream, const std::vector<int64_t>& blocks, float* values) const;
  hp_status Write(Stream& stream, const int64_t* blocks, const float* values, int64_t count);

 private:
  MomentMemory(Device& device, Stream& service) : service_(service), last_use_(device) {}

  Stream& service_;
  MomentView view_;
  int64_t blocks_ = 0;
  void* memory_[2] = {nullptr, nullptr};  // values, flags
  LastUse last_use_;
};

}  // namespace hp::cuda
