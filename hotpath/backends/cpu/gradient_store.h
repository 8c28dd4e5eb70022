// Where the CPU backend sums gradients of field values: int64 bricks (fields/brick.h), made when a ray first touches
// them. A brick has a lock; a thread holds at most one at a time, for a packet's worth of additions. Integers add
// exactly, so who comes first changes no bits.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace hp {
class GradientLayout;
}

namespace hp::cpu {

class GradientStore {
 public:
  // `values_per_voxel`: as stored, 1 or a multiple of 4.
  GradientStore(int64_t bricks, int values_per_voxel);

  // The brick's values, 729 x values_per_voxel, zero at the first Lock since Zero; nobody else touches them until
  // Unlock.
  int64_t* Lock(int64_t brick);
  void Unlock(int64_t brick);
  // A sum has wrapped.
  void SetOverflow() { __atomic_store_n(&overflow_, 1, __ATOMIC_RELAXED); }

  // What was added to since Zero, or null; only while nobody adds.
  const int64_t* Find(int64_t brick) const {
    return touched_[static_cast<size_t>(brick)] ? bricks_[static_cast<size_t>(brick)] : nullptr;
  }
  // All zero and no overflow. Keeps the memory: what a pass does not touch costs it nothing.
  void Zero();
  bool overflowed() const { return __atomic_load_n(&overflow_, __ATOMIC_RELAXED) != 0; }
  int64_t brick_count() const;
  uint64_t bytes() const;

 private:
  int64_t* NewBrick();

  static constexpr size_t kBricksPerSlab = 8;
  const size_t brick_values_;
  std::vector<int64_t*> bricks_;        // each under its lock
  std::vector<unsigned char> touched_;  // 1: locked since Zero; else the brick's values mean nothing; under its lock
  std::unique_ptr<unsigned char[]> locks_;  // 1: held
  int overflow_ = 0;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<int64_t[]>> slabs_;  // guarded by mutex_
  size_t in_last_slab_ = kBricksPerSlab;           // guarded by mutex_
};

// Writes one block of the layout, sums times `quantum`, into zeros: what nobody added to stays. False when a sum of two
// places has wrapped.
template <class T>
bool ReadGradientBlock(const GradientStore& store, const GradientLayout& layout, int64_t block, double quantum, T* out);

}  // namespace hp::cpu
