// The ray of a CUDA thread, and where its results go. One ray per thread: the scalar lane.
#pragma once

#define HP_ISA_NS isa_cuda
#include "lanes/scalar.h"
// The lane comes first.
#include "bodies/camera_ray.h"
#include "bodies/fused.h"

namespace hp::HP_ISA_NS {

// Threads of a block cover 8x4 pixels per warp: neighbouring threads read neighbouring voxels.
inline constexpr int kBlockX = 8, kBlockY = 16;

struct ThreadPixel {
  int x, y;  // in roi
  bool inside;
};

HP_FN ThreadPixel thread_pixel(const hp_roi& roi) {
  ThreadPixel p;
  p.x = static_cast<int>(blockIdx.x * kBlockX + threadIdx.x);
  p.y = static_cast<int>(blockIdx.y * kBlockY + threadIdx.y);
  p.inside = p.x < roi.width && p.y < roi.height;
  return p;
}

HP_FN RayPacket pixel_ray(const CameraArgs& args, const hp_roi& roi, int x, int y, M& mapped) {
  const Camera camera(args);
  RayPacket ray;
  const int px = roi.x + x, py = roi.y + y;
  camera_ray(camera, to_real(px) + Real(0.5), to_real(py) + Real(0.5), ray, mapped);
  ray.id_low = static_cast<U>(py * args.width + px);
  ray.id_high = 0;
  ray.live = true;
  return ray;
}

HP_FN Real* real_at(const View& v, int64_t i, int64_t j, int64_t k) {
  return static_cast<Real*>(v.data) + i * v.stride0 + j * v.stride1 + k * v.stride2;
}

HP_FN void count(unsigned long long* counters, int which, int64_t by) {
  if (counters && by != 0) atomicAdd(counters + which, static_cast<unsigned long long>(by));
}

}  // namespace hp::HP_ISA_NS
