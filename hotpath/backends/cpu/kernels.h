// The CPU backend's kernels: one table per instruction set and precision, all instantiated from the same bodies.
// A job is a kernel's arguments; it is cut into items (tiles of pixels, chunks of rays) that threads take on their own.
#pragma once

#include <cstdint>

#include "bodies/args.h"
#include "bodies/update_args.h"
#include "fields/dense_grid_view.h"

namespace hp::cpu {

inline constexpr int kFieldTypes = 8, kOptimizers = 8;  // room for registered ones
inline constexpr int64_t kRaysPerItem = 256;

using Kernel = void (*)(const Job& job, int64_t item, Counters& counters);

// A block of up to 8^3 voxels of a dense grid, for an optimizer's step.
struct BlockUpdate {
  const DenseGridView* grid;
  UpdateArgs args;
  double quantum;             // of the gradient
  const int64_t* bricks[8];   // GradientLayout::Block's, null where there is nothing
  const uint16_t* voxels[8];  // of bricks: GradientStore::VoxelsOf
  int64_t* own;               // bricks[0], to add to
  void (*prepare)(void* gradient, int64_t* own, int row, int x);  // a voxel of own, before adding to it
  void* gradient;
  int extent[3];                                             // voxels in x, y, z
  int64_t origin[3];                                         // first voxel
  int64_t moment_values;                                     // of one moment of a block
  const float* (*find)(const void* moments, int64_t block);  // the block's moments, or null
  float* (*touch)(void* moments, int64_t block);             // the block's moments, made if need be
  void* moments;
  int64_t block;
};
using BlockKernel = int64_t (*)(const BlockUpdate& block);

using StepKernel = double (*)(const Job& job, const StepRay& ray);  // dL/d(dt)

class GradientStore;
class ScatterLog;

struct KernelTable {
  const char* name;
  int width;                        // rays per packet
  Kernel ray;                       // pixels of roi -> rays
  Kernel integrate[2], compose;     // staged; [distortion, too]
  Kernel fused[kFieldTypes][2][2];  // [field type][f16 storage][distortion, too]
  Kernel sample[kFieldTypes][2];
  Kernel evaluate[kFieldTypes][2];
  Kernel backward[kFieldTypes][2][2][2];  // [field type][f16 storage][position, too][distortion, too]
  Kernel sample_backward[kFieldTypes][2];
  StepKernel step_gradient[kFieldTypes][2];                              // of the double lane alone
  void (*add_noted)(ScatterLog& log, GradientStore& store, int stride);  // f32; null: no logs
  bool wide_scatter;                                                     // contributions of 16 values come whole
  Kernel diff[2], ray_backward;                                          // staged; [distortion, too]
  void (*ray_keys)(const Job& job, int64_t item, uint32_t* keys);        // of given rays, for OrderRays
  int64_t (*max_count)(const Job& job, int64_t item);                    // most segments of any of an item's rays
  BlockKernel update_block[kOptimizers][2];                              // f32; [.][f16 storage]; voxels that changed
  BlockKernel smooth_block[2];                                           // f32; [f16 storage]
  // f64: values (n), gradient (n), moments (n, 2)
  void (*update_array[kOptimizers])(const UpdateArgs& args, int64_t n, double* values, const double* gradient,
                                    double* moments);
};

const KernelTable& ScalarKernels();  // f32
const KernelTable& DoubleKernels();  // f64
const KernelTable& Avx2Kernels();    // f32; only where the CPU has AVX2, FMA and F16C
const KernelTable& Avx512Kernels();  // f32; only where the CPU has AVX-512 F, DQ, BW and VL

// Items of a job.
int64_t ImageItems(const Job& job);  // tiles of roi
int64_t RayItems(int64_t count);     // chunks of kRaysPerItem

}  // namespace hp::cpu
