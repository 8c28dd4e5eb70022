// Arrays that begin on a cache line.
#pragma once

#include <cstddef>
#include <memory>
#include <new>

namespace hp::cpu {

inline constexpr std::align_val_t kCacheLine{64};

struct AlignedDelete {
  void operator()(void* p) const { ::operator delete(p, kCacheLine); }
};
template <class T>
using Aligned = std::unique_ptr<T[], AlignedDelete>;

// Values are not initialised.
template <class T>
Aligned<T> MakeAligned(size_t n) {
  return Aligned<T>(static_cast<T*>(::operator new(n * sizeof(T), kCacheLine)));
}

}  // namespace hp::cpu
