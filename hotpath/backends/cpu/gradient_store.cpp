#include "backends/cpu/gradient_store.h"

#include <algorithm>
#include <cstring>
#include <thread>

#include "abi/gradient_layout.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace hp::cpu {

namespace {
constexpr size_t kVoxels = 729, kRows = 81;  // of a brick
constexpr size_t kBitWords = (kRows * sizeof(uint16_t) + sizeof(int64_t) - 1) / sizeof(int64_t);
}  // namespace

GradientStore::GradientStore(int64_t bricks, int values_per_voxel)
    : values_per_voxel_(static_cast<size_t>(values_per_voxel)),
      brick_values_(kVoxels * values_per_voxel_),
      brick_words_((brick_values_ + kBitWords + 7) / 8 * 8),
      bricks_(static_cast<size_t>(bricks), nullptr),
      touched_(static_cast<size_t>(bricks), 0),
      locks_(new unsigned char[static_cast<size_t>(bricks)]()) {}

int64_t* GradientStore::Lock(int64_t brick) {
  unsigned char* lock = &locks_[static_cast<size_t>(brick)];
  for (int spins = 0; __atomic_exchange_n(lock, static_cast<unsigned char>(1), __ATOMIC_ACQUIRE) != 0; ++spins) {
    if (spins < 64) {
#if defined(__x86_64__)
      _mm_pause();
#endif
    } else {
      std::this_thread::yield();  // the holder may wait for our core
    }
  }
  int64_t*& values = bricks_[static_cast<size_t>(brick)];
  if (!touched_[static_cast<size_t>(brick)]) {
    if (!values) values = NewBrick();
    std::fill_n(VoxelsOf(values), kRows, uint16_t{0});
    touched_[static_cast<size_t>(brick)] = 1;
  }
  return values;
}

void GradientStore::Unlock(int64_t brick) {
  __atomic_store_n(&locks_[static_cast<size_t>(brick)], static_cast<unsigned char>(0), __ATOMIC_RELEASE);
}

int64_t* GradientStore::NewBrick() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (in_last_slab_ == kBricksPerSlab) {
    slabs_.push_back(MakeAligned<int64_t>(kBricksPerSlab * brick_words_));
    in_last_slab_ = 0;
  }
  return slabs_.back().get() + in_last_slab_++ * brick_words_;
}

void GradientStore::Zero() {
  std::fill(touched_.begin(), touched_.end(), static_cast<unsigned char>(0));
  __atomic_store_n(&overflow_, 0, __ATOMIC_RELAXED);
}

int64_t GradientStore::brick_count() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return slabs_.empty() ? 0 : static_cast<int64_t>((slabs_.size() - 1) * kBricksPerSlab + in_last_slab_);
}

uint64_t GradientStore::bytes() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return slabs_.size() * kBricksPerSlab * brick_words_ * sizeof(int64_t) + bricks_.size() * (sizeof(int64_t*) + 2);
}

template <class T>
void ReadGradientBlock(const GradientStore& store, const GradientLayout& layout, int64_t block, double quantum,
                       T* out) {
  const GradientLayout::Block b = layout.At(block);
  const int64_t* bricks[8];
  const uint16_t* voxels[8];
  bool any = false;
  for (size_t i = 0; i < 8; ++i) {
    bricks[i] = b.bricks[i] < 0 ? nullptr : store.Find(b.bricks[i]);
    voxels[i] = bricks[i] ? store.VoxelsOf(bricks[i]) : nullptr;
    any |= bricks[i] != nullptr;
  }
  if (!any) return;
  const int channels = layout.channels;
  for (int z = 0; z < b.extent[2]; ++z) {
    for (int y = 0; y < b.extent[1]; ++y) {
      // Which of this row's voxels each brick has.
      int there[8];
      for (int i = 0; i < 8; ++i) there[i] = bricks[i] ? voxels[i][(i & 4 ? 8 : z) * 9 + (i & 2 ? 8 : y)] : 0;
      T* row = out + b.first + y * layout.strides[1] + z * layout.strides[2];
      for (int x = 0; x < b.extent[0]; ++x) {
        T* to = row + x * layout.strides[0];
        // The places of this voxel: in its own brick and, on a lower face, behind the last cell of the neighbours.
        const int faces = (x == 0 ? 1 : 0) | (y == 0 ? 2 : 0) | (z == 0 ? 4 : 0);
        if (faces == 0 && !(there[0] >> x & 1)) continue;
        if (faces == 0) {
          const int64_t* from = bricks[0] + int64_t{z * 81 + y * 9 + x} * layout.values_per_voxel;
          for (int channel = 0; channel < channels; ++channel) {
            to[channel] = static_cast<T>(static_cast<double>(from[channel]) * quantum);
          }
          continue;
        }
        for (int channel = 0; channel < channels; ++channel) {
          int64_t sum = 0;
          for (int i = 0; i < 8; ++i) {
            if ((i & ~faces) != 0 || !(there[i] >> (i & 1 ? 8 : x) & 1)) continue;
            const int local = (i & 4 ? 8 : z) * 81 + (i & 2 ? 8 : y) * 9 + (i & 1 ? 8 : x);
            sum += bricks[i][int64_t{local} * layout.values_per_voxel + channel];
          }
          to[channel] = static_cast<T>(static_cast<double>(sum) * quantum);
        }
      }
    }
  }
}
template void ReadGradientBlock(const GradientStore&, const GradientLayout&, int64_t, double, float*);
template void ReadGradientBlock(const GradientStore&, const GradientLayout&, int64_t, double, double*);

}  // namespace hp::cpu
