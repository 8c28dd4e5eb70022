// Dense grid, fused forward, in process: RGB + sigma f32, no early stop, exact arithmetic.
#include <cstdio>

#include "bench.h"
#include "dvren/core/stream.h"
#include "dvren/render/renderer.h"

namespace dvren::bench {

namespace {

PlanSpec DenseSpec(const Arguments& a) {
  PlanSpec spec;
  spec.camera = BlobCamera(a.width);
  spec.sampling.dt = 1.0 / a.samples;
  spec.sampling.early_stop = 0;
  return spec;
}

struct Setup {
  std::shared_ptr<Device> device;
  Stream stream;
  Scene scene;
  std::shared_ptr<const Plan> plan;
};

Setup Make(const Arguments& a, const PlanSpec& spec) {
  DeviceOptions options;
  options.threads = a.threads;
  auto device = Check(Device::Create(options));
  auto stream = Check(device->CreateStream());
  Scene scene;
  scene.instances.push_back({Check(CreateField(stream, BlobVolume(a.size)))});
  auto plan = Check(device->plans().Get(device, spec));
  return {device, std::move(stream), std::move(scene), std::move(plan)};
}

}  // namespace

int Dense(const Arguments& a) {
  PlanSpec spec = DenseSpec(a);
  spec.aovs = kAovRgb | kAovOpacity | kAovDepth;
  Setup s = Make(a, spec);
  const Renderer renderer;
  std::int64_t samples = 0;
  Frame probe = Check(renderer.Render(s.stream, *s.plan, s.scene));
  samples = probe.stats.samples;
  Measure("dense", a.repetitions,
          "\"samples\": " + std::to_string(samples) + ", \"isa\": \"" + s.device->info().isa + "\"",
          [&] { (void)Check(renderer.Render(s.stream, *s.plan, s.scene)); });
  return 0;
}

// Peak memory of a process that renders: it must not grow with the samples per ray.
int Memory(const Arguments& a) {
  Setup s = Make(a, DenseSpec(a));
  Frame frame = Check(Renderer().Render(s.stream, *s.plan, s.scene));
  std::printf("{\"bench\": \"memory\", \"samples_per_ray\": %d, \"samples\": %lld, \"peak_mib\": %.2f}\n", a.samples,
              static_cast<long long>(frame.stats.samples), PeakMemoryMiB());
  return 0;
}

}  // namespace dvren::bench
