// What an optimizer remembers of a field's values: f32, in blocks of 8^3 voxels that are made, all zero, when a step
// first touches them. A block holds its moments one after the other, each z, y, x, channel.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "backends/cpu/aligned.h"

namespace hp::cpu {

class MomentStore {
 public:
  MomentStore(int64_t blocks, int values_per_voxel, int moments)
      : moment_values_(int64_t{512} * values_per_voxel), moments_(moments), blocks_(static_cast<size_t>(blocks)) {}

  int64_t moment_values() const { return moment_values_; }            // of one moment of a block
  int64_t block_values() const { return moment_values_ * moments_; }  // of a block
  // Different blocks may be touched side by side.
  float* Touch(int64_t block) {
    auto& b = blocks_[static_cast<size_t>(block)];
    if (!b) {
      b = MakeAligned<float>(static_cast<size_t>(block_values()));
      std::fill_n(b.get(), block_values(), 0.0f);
    }
    return b.get();
  }
  float* Find(int64_t block) const { return blocks_[static_cast<size_t>(block)].get(); }
  int64_t block_count() const {
    int64_t n = 0;
    for (const auto& b : blocks_) n += b != nullptr;
    return n;
  }
  int64_t blocks() const { return static_cast<int64_t>(blocks_.size()); }
  void Clear() {
    for (auto& b : blocks_) b.reset();
  }

 private:
  int64_t moment_values_;
  int moments_;
  std::vector<Aligned<float>> blocks_;
};

}  // namespace hp::cpu
