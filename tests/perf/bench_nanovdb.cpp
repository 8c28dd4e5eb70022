// NanoVDB forward against a loop over NanoVDB's own library: the same rays, the same samples, density only.
#include <nanovdb/NanoVDB.h>
#include <nanovdb/util/SampleFromVoxels.h>

#include <atomic>
#include <cmath>
#include <cstdio>
#include <thread>

#include "bench.h"
#include "dvren/core/stream.h"
#include "dvren/io/vdb.h"
#include "dvren/render/renderer.h"

namespace dvren::bench {

namespace {

struct Ray {
  double o[3], d[3];
};

Ray PixelRay(const Camera& camera, int x, int y) {
  const auto& lens = std::get<PinholeModel>(camera.model);
  const auto& m = camera.camera_to_world().m;
  const double u = (x + 0.5 - lens.cx) / lens.fx, v = (y + 0.5 - lens.cy) / lens.fy;
  Ray ray;
  double length = 0;
  for (int i = 0; i < 3; ++i) {
    ray.d[i] = m[4 * i] * u + m[4 * i + 1] * v + m[4 * i + 2];
    ray.o[i] = m[4 * i + 3];
    length += ray.d[i] * ray.d[i];
  }
  for (double& d : ray.d) d /= std::sqrt(length);
  return ray;
}

// The loop one writes with the library: a sampler on an accessor, every sample of the ray inside the box.
std::int64_t LibraryLoop(const nanovdb::NanoGrid<float>& grid, const Camera& camera, double dt, int threads,
                         std::vector<float>& opacity) {
  std::atomic<int> next_row{0};
  std::atomic<std::int64_t> samples{0};
  auto work = [&] {
    auto accessor = grid.getAccessor();
    auto sampler = nanovdb::createSampler<1>(accessor);
    const auto box = grid.indexBBox();
    std::int64_t taken = 0;
    for (int y; (y = next_row.fetch_add(1)) < camera.height;) {
      for (int x = 0; x < camera.width; ++x) {
        const Ray ray = PixelRay(camera, x, y);
        const nanovdb::Vec3d o = grid.worldToIndexF(nanovdb::Vec3d(ray.o[0], ray.o[1], ray.o[2]));
        const nanovdb::Vec3d d = grid.worldToIndexDirF(nanovdb::Vec3d(ray.d[0], ray.d[1], ray.d[2]));
        double t0 = 0, t1 = 1e30;
        for (int i = 0; i < 3; ++i) {
          const double a = (box.min()[i] - 1 - o[i]) / d[i], b = (box.max()[i] + 1 - o[i]) / d[i];
          t0 = std::max(t0, std::min(a, b));
          t1 = std::min(t1, std::max(a, b));
        }
        float transmittance = 1;
        if (t0 < t1) {
          const auto first = static_cast<std::int64_t>(t0 / dt), last = static_cast<std::int64_t>(t1 / dt);
          for (std::int64_t k = first; k <= last; ++k) {
            const double t = (static_cast<double>(k) + 0.5) * dt;
            const nanovdb::Vec3f p(static_cast<float>(o[0] + t * d[0]), static_cast<float>(o[1] + t * d[1]),
                                   static_cast<float>(o[2] + t * d[2]));
            transmittance *= std::exp(-sampler(p) * static_cast<float>(dt));
            ++taken;
          }
        }
        opacity[static_cast<size_t>(y) * camera.width + x] = 1 - transmittance;
      }
    }
    samples += taken;
  };
  std::vector<std::thread> pool;
  for (int i = 1; i < threads; ++i) pool.emplace_back(work);
  work();
  for (auto& thread : pool) thread.join();
  return samples;
}

}  // namespace

int NanoVdb(const Arguments& a) {
  const io::NanoVdbVolume volume = Check(io::VdbToNanoVdb(a.file));
  const auto& grid = *reinterpret_cast<const nanovdb::NanoGrid<float>*>(volume.blob.data());
  DeviceOptions options;
  options.threads = a.threads;
  auto device = Check(Device::Create(options));
  auto stream = Check(device->CreateStream());
  Scene scene;
  scene.instances.push_back({Check(CreateField(stream, volume))});
  const Camera camera = OrbitCamera(scene.instances[0].field->info().world_box, 30, 20, 0, 40, a.width, a.width);

  PlanSpec spec;
  spec.camera = camera;
  spec.aovs = kAovOpacity;
  spec.sampling.dt = DefaultStep(scene);
  spec.sampling.early_stop = 0;
  std::vector<float> opacity(static_cast<size_t>(a.width) * a.width);
  const std::int64_t samples = LibraryLoop(grid, camera, spec.sampling.dt, a.threads, opacity);
  Measure("nanovdb_library_loop", a.repetitions, "\"samples\": " + std::to_string(samples),
          [&] { LibraryLoop(grid, camera, spec.sampling.dt, a.threads, opacity); });

  const Renderer renderer;
  for (bool skip : {false, true}) {
    spec.sampling.skip_empty = skip;
    auto plan = Check(device->plans().Get(device, spec));
    Frame frame = Check(renderer.Render(stream, *plan, scene));
    std::vector<float> ours(opacity.size());
    Check(frame.opacity.CopyToHost(stream, ours.data()));
    double largest = 0;
    for (size_t i = 0; i < ours.size(); ++i) largest = std::max(largest, std::abs(double{ours[i]} - opacity[i]));
    Measure(skip ? "nanovdb_skipping" : "nanovdb_every_sample", a.repetitions,
            "\"samples\": " + std::to_string(frame.stats.samples) + ", \"max_difference\": " + std::to_string(largest),
            [&] { (void)Check(renderer.Render(stream, *plan, scene)); });
  }
  return 0;
}

}  // namespace dvren::bench
