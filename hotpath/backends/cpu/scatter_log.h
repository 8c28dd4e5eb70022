// ScatterLog: contributions of one thread's samples to a gradient, put off until there are many and then added brick by
// brick. Rays that have nothing to do with each other touch memory all over a grid; in the order of the bricks every
// brick comes into the cache once and is locked once. Sums of integers: the order changes no bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace hp::cpu {

// What one sample adds to the eight voxels of its cell; `values` floats, in quanta, follow it.
struct ScatterRecord {
  int32_t brick;
  int32_t at;      // of the cell's first value that is added to, in the brick
  float fx, w[4];  // weights of the cell's four rows along x (fields/brick.h)
  uint8_t row, x;  // of the cell in the brick; row: 9 z + y
  uint16_t unused;
};
static_assert(sizeof(ScatterRecord) == 32);

class ScatterLog {
 public:
  // `bytes`: of records, about; `values`: 4 or 16.
  ScatterLog(size_t bytes, int values)
      : values_(values),
        words_(sizeof(ScatterRecord) / sizeof(float) + static_cast<size_t>(values)),
        capacity_(bytes / (words_ * sizeof(float))),
        records_(capacity_ * words_) {}

  [[nodiscard]] bool HasRoom(size_t records) const { return count_ + records <= capacity_; }
  [[nodiscard]] int values() const { return values_; }
  ScatterRecord* Append() { return At(count_++); }
  ScatterRecord* At(size_t i) { return reinterpret_cast<ScatterRecord*>(records_.data() + i * words_); }
  static float* Values(ScatterRecord* record) { return reinterpret_cast<float*>(record + 1); }
  void Clear() { count_ = 0; }
  // Indices of the records, by brick.
  const std::vector<uint32_t>& Order();

 private:
  int values_;
  size_t words_, capacity_, count_ = 0;
  std::vector<float> records_;
  std::vector<uint32_t> keys_, next_keys_, order_, next_order_;
};

}  // namespace hp::cpu
