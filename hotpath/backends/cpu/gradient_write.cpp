#include "backends/cpu/gradient_write.h"

#include <cmath>

#include "abi/gradient_layout.h"
#include "backends/cpu/gradient_store.h"

namespace hp::cpu {

template <class T>
void WriteGradientBlock(GradientStore& store, const GradientLayout& layout, int64_t block, double quantum,
                        const T* values) {
  const GradientLayout::Block b = layout.At(block);
  const double per_quantum = 1 / quantum;  // a power of two: exact
  int64_t* brick = nullptr;
  for (int z = 0; z < b.extent[2]; ++z) {
    for (int y = 0; y < b.extent[1]; ++y) {
      const T* row = values + b.first + y * layout.strides[1] + z * layout.strides[2];
      for (int x = 0; x < b.extent[0]; ++x) {
        const T* from = row + x * layout.strides[0];
        for (int channel = 0; channel < layout.channels; ++channel) {
          const double quanta = static_cast<double>(from[channel]) * per_quantum;
          if (quanta == 0) continue;
          if (!(std::abs(quanta) < 0x1p50)) {
            store.SetOverflow();
            continue;
          }
          // The voxel's place in its own brick; those in its neighbours' stay zero.
          if (!brick) brick = store.Lock(b.bricks[0]);
          store.PrepareVoxel(brick, z * 9 + y, x);
          brick[int64_t{z * 81 + y * 9 + x} * layout.values_per_voxel + channel] =
              static_cast<int64_t>(std::nearbyint(quanta));
        }
      }
    }
  }
  if (brick) store.Unlock(b.bricks[0]);
}
template void WriteGradientBlock(GradientStore&, const GradientLayout&, int64_t, double, const float*);
template void WriteGradientBlock(GradientStore&, const GradientLayout&, int64_t, double, const double*);

}  // namespace hp::cpu
