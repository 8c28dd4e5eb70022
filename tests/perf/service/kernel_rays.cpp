#include <cstdio>
#include <nlohmann/json.hpp>

#include "../bench.h"
#include "benches.h"
#include "dvren/core/stream.h"
#include "dvren/render/renderer.h"
#include "ray_block.h"

namespace dvren::bench {

int KernelRays(int rays, int together, int samples, int size, double seconds) {
  auto device = Check(Device::Create(DeviceOptions{}));
  auto stream = Check(device->CreateStream());
  Scene scene;
  scene.instances.push_back({Check(CreateField(stream, BlobVolume(size)))});
  PlanSpec spec;
  spec.sampling.dt = 1.0 / samples;
  spec.sampling.early_stop = 0;
  const auto plan = Check(device->plans().Get(device, spec));
  RayBlock all(rays, 0);
  for (int i = 1; i < together; ++i) {
    const RayBlock more(rays, i);
    const auto append = [](std::vector<float>& to, const std::vector<float>& from) {
      to.insert(to.end(), from.begin(), from.end());
    };
    append(all.origins, more.origins);
    append(all.directions, more.directions);
    append(all.t_near, more.t_near);
    append(all.t_far, more.t_far);
  }
  RayBatch batch;
  batch.count = static_cast<std::int64_t>(all.t_near.size());
  batch.origins = all.origins.data();
  batch.directions = all.directions.data();
  batch.t_near = all.t_near.data();
  batch.t_far = all.t_far.data();
  std::vector<float> colors(all.origins.size());
  const double begin = WallSeconds();
  std::int64_t blocks = 0;
  double seconds_passed = 0;
  for (; seconds_passed < seconds; seconds_passed = WallSeconds() - begin) {
    const Frame frame = Check(Renderer().RenderRays(stream, *plan, scene, batch));
    Check(frame.rgb.CopyToHost(stream, colors.data()));
    blocks += together;
  }
  const nlohmann::json line = {
      {"bench", "kernel_rays"}, {"together", together}, {"rate", static_cast<double>(blocks) / seconds_passed}};
  std::printf("%s\n", line.dump().c_str());
  return 0;
}

}  // namespace dvren::bench
