#include "ray_block.h"

#include <cmath>
#include <variant>

#include "../bench.h"

namespace dvren::bench {
namespace {

void Encode(const std::vector<float>& values, std::initializer_list<std::int64_t> shape, v1::Tensor* tensor) {
  tensor->set_dtype(v1::DTYPE_F32);
  for (const std::int64_t n : shape) tensor->add_shape(n);
  tensor->mutable_payload()->set_inline_(values.data(), values.size() * sizeof(float));
}

}  // namespace

RayBlock::RayBlock(int count, int which) {
  constexpr int kWidth = 512;
  const Camera camera = BlobCamera(kWidth);
  const auto& m = camera.camera_to_world().m;
  const auto& lens = std::get<PinholeModel>(camera.model);
  const int edge = static_cast<int>(std::lround(std::sqrt(count))), per_row = kWidth / edge;
  const int x0 = which % per_row * edge, y0 = which / per_row % per_row * edge;
  for (int y = y0; y < y0 + edge; ++y) {
    for (int x = x0; x < x0 + edge; ++x) {
      double d[3], length = 0;
      for (int i = 0; i < 3; ++i) {
        d[i] = m[4 * i] * (x + 0.5 - lens.cx) / lens.fx + m[4 * i + 1] * (y + 0.5 - lens.cy) / lens.fy + m[4 * i + 2];
        length += d[i] * d[i];
      }
      for (int i = 0; i < 3; ++i) {
        origins.push_back(static_cast<float>(m[4 * i + 3]));
        directions.push_back(static_cast<float>(d[i] / std::sqrt(length)));
      }
    }
  }
  t_near.assign(origins.size() / 3, static_cast<float>(camera.t_near));
  t_far.assign(origins.size() / 3, static_cast<float>(camera.t_far));
}

void EncodeRays(const RayBlock& block, v1::Rays* rays) {
  const auto count = static_cast<std::int64_t>(block.t_near.size());
  Encode(block.origins, {count, 3}, rays->mutable_origins());
  Encode(block.directions, {count, 3}, rays->mutable_directions());
  Encode(block.t_near, {count}, rays->mutable_t_near());
  Encode(block.t_far, {count}, rays->mutable_t_far());
}

}  // namespace dvren::bench
