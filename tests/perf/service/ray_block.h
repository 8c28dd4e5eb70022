// Rays of a square of the blob's camera (bench.h), as many as a client sends at once.
#pragma once

#include <vector>

#include "dvren/v1/render_service.pb.h"

namespace dvren::bench {

struct RayBlock {
  // `count`: a square number. `which`: each client looks at another square of the image.
  RayBlock(int count, int which);
  std::vector<float> origins, directions, t_near, t_far;
};

void EncodeRays(const RayBlock& block, v1::Rays* rays);

}  // namespace dvren::bench
