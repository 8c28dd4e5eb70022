// The CPU backend's kernels: one table per instruction set and precision, all instantiated from the same bodies.
// A job is a kernel's arguments; it is cut into items (tiles of pixels, chunks of rays) that threads take on their own.
#pragma once

#include <cstdint>

#include "bodies/args.h"

namespace hp::cpu {

inline constexpr int kFieldTypes = 8;  // room for registered field types
inline constexpr int64_t kRaysPerItem = 256;

using Kernel = void (*)(const Job& job, int64_t item, Counters& counters);

struct KernelTable {
  const char* name;
  int width;                     // rays per packet
  Kernel ray;                    // pixels of roi -> rays
  Kernel integrate, compose;     // staged
  Kernel fused[kFieldTypes][2];  // [field type][f16 storage]
  Kernel sample[kFieldTypes][2];
  Kernel evaluate[kFieldTypes][2];
  Kernel backward[kFieldTypes][2][2];  // [field type][f16 storage][position, too]
  Kernel sample_backward[kFieldTypes][2];
  Kernel diff, ray_backward;                                       // staged
  void (*ray_keys)(const Job& job, int64_t item, uint32_t* keys);  // of given rays, for OrderRays
  int64_t (*max_count)(const Job& job);                            // most segments of any of the job's rays
};

const KernelTable& ScalarKernels();  // f32
const KernelTable& DoubleKernels();  // f64
const KernelTable& Avx2Kernels();    // f32; only where the CPU has AVX2, FMA and F16C
const KernelTable& Avx512Kernels();  // f32; only where the CPU has AVX-512 F, DQ, BW and VL

// Items of a job.
int64_t ImageItems(const Job& job);  // tiles of roi
int64_t RayItems(int64_t count);     // chunks of kRaysPerItem

}  // namespace hp::cpu
