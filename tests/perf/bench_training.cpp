// What an optimizer's step costs per parameter that it touches, beside the memory bandwidth of the machine.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>
#include <thread>
#include <vector>

#include "bench.h"
#include "dvren/core/stream.h"
#include "dvren/diff/backward.h"
#include "dvren/diff/optimizer.h"
#include "dvren/fields/field_writer.h"
#include "dvren/render/renderer.h"

namespace dvren::bench {

namespace {

// a[i] = b[i] + s c[i] on all threads, of arrays that no cache holds. 24 bytes an element are counted, as is usual;
// that the processor fetches a line before it writes it is not.
void Triad(const Arguments& arguments) {
  constexpr std::size_t kCount = std::size_t{1} << 25;
  std::vector<double> a(kCount, 1), b(kCount, 2), c(kCount, 3);
  const auto threads = static_cast<std::size_t>(std::max(arguments.threads, 1));
  const std::string extra = "\"bytes\": " + std::to_string(24 * kCount);
  Measure("triad", arguments.repetitions, extra, [&] {
    std::vector<std::thread> workers;
    for (std::size_t t = 0; t < threads; ++t) {
      workers.emplace_back([&, t] {
        for (std::size_t i = kCount * t / threads; i < kCount * (t + 1) / threads; ++i) a[i] = b[i] + 0.5 * c[i];
      });
    }
    for (std::thread& worker : workers) worker.join();
  });
}

// The gradient that `count` random rays through the unit cube leave behind.
void AddRays(Stream& stream, const Scene& scene, const std::shared_ptr<GradientTensor>& gradient, std::size_t count,
             double dt) {
  std::mt19937 random(1);
  std::uniform_real_distribution<double> uniform(0, 1);
  std::vector<float> origins, directions;
  for (std::size_t i = 0; i < count; ++i) {
    double from[3], to[3], length = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      from[k] = 3 * uniform(random) - 1;
      to[k] = uniform(random) - from[k];
    }
    for (double x : to) length += x * x;
    for (std::size_t k = 0; k < 3; ++k) {
      origins.push_back(static_cast<float>(from[k]));
      directions.push_back(static_cast<float>(to[k] / std::sqrt(length)));
    }
  }
  PlanSpec spec;
  spec.sampling.dt = dt;
  spec.sampling.early_stop = 0;
  RayBatch batch;
  batch.count = static_cast<std::int64_t>(count);
  batch.origins = origins.data();
  batch.directions = directions.data();
  Frame frame;
  const auto plan = Check(stream.device()->plans().Get(stream.device(), spec));
  const auto tape = std::make_shared<const Tape>(Check(Renderer().ForwardRays(stream, plan, scene, batch, frame)));
  const std::vector<float> slope(3 * count, 1.0f / static_cast<float>(count));
  HostImageAdjoint adjoint;
  adjoint.rgb = slope.data();
  BackwardRequest request;
  request.values = gradient;
  Check(Backward(stream, tape, Check(UploadAdjoint(stream, *tape, adjoint)), request).status());
}

}  // namespace

int Training(const Arguments& arguments) {
  Triad(arguments);
  DeviceOptions options;
  options.threads = arguments.threads;
  auto device = Check(Device::Create(options));
  auto stream = Check(device->CreateStream());
  OptimizerSpec adam;
  adam.kind = "adam";
  adam.density_rate = adam.color_rate = 1e-6;  // the field stays what it is
  const auto optimizer = Check(MakeOptimizer(adam));
  for (const std::size_t rays : {std::size_t{4096}, std::size_t{262144}}) {
    const std::shared_ptr<Field> field = Check(CreateField(stream, BlobVolume(arguments.size)));
    FieldWriter writer = Check(FieldWriter::Make(field));
    const auto moments = Check(Moments::Make(stream, *field, optimizer->rule()));
    const auto gradient = Check(GradientTensor::Make(stream, field));
    Scene scene;
    scene.instances.emplace_back().field = field;
    AddRays(stream, scene, gradient, rays, 0.5 / arguments.size);
    const int channels = field->info().channels;
    const std::int64_t voxels = Check(writer.Update(stream, *gradient, *moments, optimizer->At(1, 1, channels)));
    std::int64_t step = 1;
    const std::string extra = "\"rays\": " + std::to_string(rays) +
                              ", \"parameters\": " + std::to_string(voxels * channels) +
                              ", \"of\": " + std::to_string(field->info().parameter_count);
    Measure("optimizer", arguments.repetitions, extra,
            [&] { Check(writer.Update(stream, *gradient, *moments, optimizer->At(++step, 1, channels)).status()); });
  }
  return 0;
}

}  // namespace dvren::bench
