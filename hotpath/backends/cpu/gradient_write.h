// The way into a gradient store for values that were summed elsewhere.
#pragma once

#include <cstdint>

namespace hp {
class GradientLayout;
}

namespace hp::cpu {

class GradientStore;

// Puts one block of what hp_gradient_write was given into a store that is all zero, rounded to multiples of `quantum`.
// Blocks of zeros are left untouched. What is not finite or is 2^50 quanta or more counts as an overflow of the store.
template <class T>
void WriteGradientBlock(GradientStore& store, const GradientLayout& layout, int64_t block, double quantum,
                        const T* values);

}  // namespace hp::cpu
