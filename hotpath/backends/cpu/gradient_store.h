// Where the CPU backend sums gradients of field values: int64 bricks (fields/brick.h), made when a ray first touches
// them. A brick has a lock; a thread holds at most one at a time, for a packet's worth of additions. Integers add
// exactly, so who comes first changes no bits.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

#include "backends/cpu/aligned.h"

namespace hp {
class GradientLayout;
}

namespace hp::cpu {

class GradientStore {
 public:
  // `values_per_voxel`: as stored, 1 or a multiple of 4.
  GradientStore(int64_t bricks, int values_per_voxel);

  [[nodiscard]] int values_per_voxel() const { return static_cast<int>(values_per_voxel_); }
  // The brick's values, 729 x values_per_voxel, on a cache line; nobody else touches them until Unlock. A voxel's
  // values mean something once its bit is set: bit x of VoxelsOf(values)[9 z + y]. The others are to be taken as zero.
  int64_t* Lock(int64_t brick);
  uint16_t* VoxelsOf(int64_t* values) const { return reinterpret_cast<uint16_t*>(values + brick_values_); }
  const uint16_t* VoxelsOf(const int64_t* values) const {
    return reinterpret_cast<const uint16_t*>(values + brick_values_);
  }
  // Clears the eight voxels of the cell at x, row = 9 z + y, where they mean nothing yet.
  void PrepareCell(int64_t* values, int row, int x) const {
    uint16_t* voxels = VoxelsOf(values) + row;
    for (int r : {0, 1, 9, 10}) {
      const int wanted = 3 << x;
      if ((voxels[r] & wanted) == wanted) continue;
      for (int i = x; i < x + 2; ++i) {
        if (!(voxels[r] >> i & 1)) ClearVoxel(values, row + r, i);
      }
      voxels[r] = static_cast<uint16_t>(voxels[r] | wanted);
    }
  }
  // The same for one voxel, while others read other voxels of the brick.
  void PrepareVoxel(int64_t* values, int row, int x) const {
    uint16_t* voxels = VoxelsOf(values) + row;
    if (__atomic_load_n(voxels, __ATOMIC_RELAXED) >> x & 1) return;
    ClearVoxel(values, row, x);
    __atomic_fetch_or(voxels, static_cast<uint16_t>(1 << x), __ATOMIC_RELAXED);
  }
  void Unlock(int64_t brick);
  // A sum has left its range (lanes/sum_range.h).
  void SetOverflow() { __atomic_store_n(&overflow_, 1, __ATOMIC_RELAXED); }

  // What was added to since Zero, or null; only while nobody adds.
  const int64_t* Find(int64_t brick) const {
    return touched_[static_cast<size_t>(brick)] ? bricks_[static_cast<size_t>(brick)] : nullptr;
  }
  bool Touched(int64_t brick) const { return touched_[static_cast<size_t>(brick)] != 0; }
  int64_t bricks() const { return static_cast<int64_t>(touched_.size()); }
  // All zero and no overflow. Keeps the memory: what a pass does not touch costs it nothing.
  void Zero();
  bool overflowed() const { return __atomic_load_n(&overflow_, __ATOMIC_RELAXED) != 0; }
  int64_t brick_count() const;
  uint64_t bytes() const;

 private:
  int64_t* NewBrick();
  void ClearVoxel(int64_t* values, int row, int x) const {
    std::memset(values + static_cast<size_t>(row * 9 + x) * values_per_voxel_, 0, values_per_voxel_ * sizeof(int64_t));
  }

  static constexpr size_t kBricksPerSlab = 8;
  const size_t values_per_voxel_, brick_values_, brick_words_;  // words: values and bits, up to a cache line
  std::vector<int64_t*> bricks_;                                // each under its lock
  std::vector<unsigned char> touched_;  // 1: locked since Zero; else the brick's values mean nothing; under its lock
  std::unique_ptr<unsigned char[]> locks_;  // 1: held
  int overflow_ = 0;
  mutable std::mutex mutex_;
  std::vector<Aligned<int64_t>> slabs_;   // guarded by mutex_
  size_t in_last_slab_ = kBricksPerSlab;  // guarded by mutex_
};

// Writes one block of the layout, sums times `quantum`, into zeros: what nobody added to stays.
template <class T>
void ReadGradientBlock(const GradientStore& store, const GradientLayout& layout, int64_t block, double quantum, T* out);

}  // namespace hp::cpu
