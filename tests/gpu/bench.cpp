// What the CUDA backend does per second: forward and exact backward of dense and sparse fields, random rays, an
// optimizer's step, and the copy bandwidth as the limit. Prints JSON to the file that --json names, and a table last.
//   dvren_bench_gpu [--json FILE] [--quick]
// --quick: small sizes, to see that it runs. Figures are of random data; samples are counted by the kernels.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "gpu/stream_timer.h"
#include "support/hp_fixture.h"
#include "support/hp_gradients.h"
#include "support/hp_reference.h"
#if defined(DVREN_TEST_WITH_NANOVDB)
#include "support/hp_nanovdb.h"
#endif

namespace dvren::test {
namespace {

// Device memory of the context.
template <class T>
class DeviceArray {
 public:
  DeviceArray(const HpContext& context, std::size_t size) : stream_(context.stream()), size_(size) {
    void* data = nullptr;
    HpCheck(hp_memory_allocate(stream_, size * sizeof(T), &data));
    data_ = static_cast<T*>(data);
  }
  DeviceArray(const HpContext& context, const std::vector<T>& values) : DeviceArray(context, values.size()) {
    HpCheck(hp_memory_copy(stream_, data_, values.data(), size_ * sizeof(T), HP_COPY_HOST_TO_DEVICE));
    HpCheck(hp_stream_synchronize(stream_));
  }
  ~DeviceArray() { hp_memory_free(stream_, data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;
  [[nodiscard]] T* data() const { return data_; }
  [[nodiscard]] std::vector<T> Read() const {
    std::vector<T> values(size_);
    HpCheck(hp_memory_copy(stream_, values.data(), data_, size_ * sizeof(T), HP_COPY_DEVICE_TO_HOST));
    HpCheck(hp_stream_synchronize(stream_));
    return values;
  }

 private:
  hp_stream* stream_;
  std::size_t size_;
  T* data_ = nullptr;
};

struct Figure {
  std::string name, unit;
  double median = 0, least = 0, most = 0;  // per second
  int runs = 0;
};

struct Settings {
  bool quick = false;
  int edge = 1024;  // pixels of a picture
};

// Rates of `amount` per run of `call`: medians over runs after some to warm up.
Figure Measure(const HpContext& context, const std::string& name, const std::string& unit, double amount,
               const Settings& settings, const std::function<void()>& call) {
  StreamTimer timer(context.stream());
  std::vector<double> rates;
  const int warm = settings.quick ? 0 : 3, runs = settings.quick ? 2 : 20;
  for (int i = 0; i < warm + runs; ++i) {
    timer.Begin();
    call();
    const double seconds = timer.End();
    if (i >= warm) rates.push_back(amount / seconds);
  }
  std::sort(rates.begin(), rates.end());
  Figure figure = {name, unit, rates[rates.size() / 2], rates.front(), rates.back(), runs};
  std::printf("%-46s %9.3f %s  [%.3f, %.3f]\n", name.c_str(), figure.median, unit.c_str(), figure.least, figure.most);
  std::fflush(stdout);
  return figure;
}

DenseGrid RandomGrid(std::int64_t edge, std::int64_t channels, bool half, std::uint64_t seed) {
  DenseGrid grid;
  grid.nz = grid.ny = grid.nx = edge;
  grid.channels = channels;
  TestRandom random(seed);
  const std::int64_t n = edge * edge * edge * channels;
  for (std::int64_t i = 0; i < n; ++i) {
    const double v = i % channels == channels - 1 ? random.Uniform(0, 2) : random.Uniform(0, 1);
    if (half) {
      grid.halves.push_back(NearestHalf(v));
    } else {
      grid.values.push_back(static_cast<float>(v));
    }
  }
  return grid;
}

// Rays in no order: from a sphere around the box through random places in it.
HpRays<float> RandomRays(std::int64_t count, const Vec3& centre, double radius) {
  HpRays<float> rays;
  TestRandom random(17);
  for (std::int64_t i = 0; i < count; ++i) {
    const Vec3 from = centre + 1.5 * radius * random.Direction();
    const Vec3 to = centre + 0.5 * radius * random.Uniform() * random.Direction();
    rays.Add(from, Normalised(to - from));
  }
  return rays;
}

struct Scene {
  std::string name;
  HpField field{nullptr, hp_field_destroy};
  double dt = 0;
  Vec3 centre{0.5, 0.5, 0.5};
  double radius = 0.87;
};

// Forward and backward of one field: a picture of it, and random rays through it.
void MeasureScene(const HpContext& context, const Scene& scene, const Settings& settings, std::vector<Figure>& out) {
  hp_stream* stream = context.stream();
  const hp_instance instance = InstanceOf(scene.field);
  const int edge = settings.edge;
  const hp_camera camera =
      PinholeCamera(edge, edge, 1.1 * edge, LookAt(scene.centre + scene.radius * Vec3{0.7, 0.5, -1.6}, scene.centre));
  hp_plan_desc desc = PlanDesc(&camera, scene.dt);
  const HpPlan plan = MakePlan(context, desc);
  const auto pixels = static_cast<std::size_t>(edge) * static_cast<std::size_t>(edge);
  const std::int64_t n = static_cast<std::int64_t>(pixels);
  const HpRays<float> host_rays = RandomRays(n, scene.centre, scene.radius);
  const DeviceArray<float> origins(context, host_rays.origins), directions(context, host_rays.directions),
      near_(context, host_rays.t_near), far_(context, host_rays.t_far);
  hp_rays_t rays = {};
  HP_INIT(rays);
  rays.origins = TensorOf(origins.data(), {n, 3});
  rays.directions = TensorOf(directions.data(), {n, 3});
  rays.t_near = TensorOf(near_.data(), {n});
  rays.t_far = TensorOf(far_.data(), {n});
  rays.ids = NoTensor();
  const DeviceArray<float> rgb(context, 3 * pixels), radiance(context, 3 * pixels), transmittance(context, pixels),
      depth(context, pixels);
  TestRandom random(5);
  std::vector<float> adjoint(3 * pixels);
  for (float& a : adjoint) a = static_cast<float>(random.Uniform(-1, 1));
  const DeviceArray<float> d_rgb(context, adjoint);
  HpGradient gradient(context, scene.field, hp_gradient_default_exponent(1, scene.dt, HP_PRECISION_F32));
  for (const bool of_rays : {false, true}) {
    const std::int64_t height = of_rays ? 1 : edge, width = of_rays ? n : edge;
    hp_img_t image = {};
    HP_INIT(image);
    for (hp_tensor* t : {&image.opacity, &image.distortion, &image.hit, &image.counts}) *t = NoTensor();
    image.rgb = TensorOf(rgb.data(), {height, width, 3});
    image.radiance = TensorOf(radiance.data(), {height, width, 3});
    image.transmittance = TensorOf(transmittance.data(), {height, width});
    image.depth = TensorOf(depth.data(), {height, width});
    hp_grads_t grads = NoGradients();
    grads.d_rgb = TensorOf(d_rgb.data(), {height, width, 3});
    grads.values = gradient.get();
    const hp_rays_t* given = of_rays ? &rays : nullptr;
    const hp_roi roi = of_rays ? hp_roi{} : hp_roi{0, 0, edge, edge};
    auto forward = [&](hp_tensor counters) {
      HpCheck(hp_samp_int_fused(stream, plan.get(), &instance, 1, given, roi, &image, counters, NoWorkspace()));
    };
    auto backward = [&] {
      HpCheck(hp_samp_int_fused_backward(stream, plan.get(), &instance, 1, given, roi, &image, &grads, NoTensor(),
                                         NoWorkspace()));
    };
    const DeviceArray<std::int64_t> counters(context, std::vector<std::int64_t>(HP_COUNTER_COUNT, 0));
    forward(TensorOf(counters.data(), {HP_COUNTER_COUNT}));
    const double giga = static_cast<double>(counters.Read()[HP_COUNTER_SAMPLES]) * 1e-9;
    const std::string what = scene.name + (of_rays ? ", random rays" : "");
    out.push_back(Measure(context, what + ", forward", "G samples/s", giga, settings, [&] { forward(NoTensor()); }));
    out.push_back(Measure(context, what + ", exact backward", "G samples/s", giga, settings, backward));
    out.push_back(Measure(context, what + ", forward + backward", "G samples/s", giga, settings, [&] {
      forward(NoTensor());
      backward();
    }));
    if (gradient.Info().overflowed) throw std::runtime_error(what + ": the gradient left its range");
  }
}

// Adam over all values of a dense grid, whose gradient is everywhere: bytes read and written.
void MeasureAdam(const HpContext& context, const std::string& name, HpField& field, std::int64_t edge,
                 std::int64_t channels, const Settings& settings, std::vector<Figure>& out) {
  const std::vector<float> slopes(static_cast<std::size_t>(edge * edge * edge * channels), 1e-3f);
  const DeviceArray<float> device(context, slopes);
  HpGradient gradient(context, field);
  const hp_tensor values = TensorOf(device.data(), {edge, edge, edge, channels});
  HpCheck(hp_gradient_write(context.stream(), gradient.get(), -36, &values));
  hp_moments* moments = nullptr;
  HpCheck(hp_moments_create(context.stream(), field.get(), HP_UPDATE_ADAM, &moments));
  hp_update_desc update = {};
  HP_INIT(update);
  update.rule = HP_UPDATE_ADAM;
  update.step = 1;
  update.beta1 = 0.9;
  update.beta2 = 0.99;
  update.epsilon = 1e-8;
  for (double& rate : update.rates) rate = 1e-6;
  // A value: its sum (8), the value and two moments, read and written (24).
  const double gigabytes = static_cast<double>(edge * edge * edge * channels) * 32e-9;
  out.push_back(Measure(context, name + ", Adam step", "GB/s", gigabytes, settings, [&] {
    HpCheck(hp_update_field(context.stream(), field.get(), gradient.get(), moments, &update, nullptr));
  }));
  hp_moments_destroy(moments);
}

void MeasureCopy(const HpContext& context, const Settings& settings, std::vector<Figure>& out) {
  const std::size_t bytes = settings.quick ? std::size_t{1} << 20 : std::size_t{1} << 30;
  const DeviceArray<char> from(context, bytes), to(context, bytes);
  out.push_back(Measure(context, "copy, read and written", "GB/s", 2e-9 * static_cast<double>(bytes), settings, [&] {
    HpCheck(hp_memory_copy(context.stream(), to.data(), from.data(), bytes, HP_COPY_DEVICE_TO_DEVICE));
  }));
}

std::string Json(const hp_ctx_info& info, const std::vector<Figure>& figures) {
  std::string text = std::string("{\"device\": \"") + info.name + "\", \"uuid\": \"" + info.uuid +
                     "\", \"driver_cuda_version\": " + std::to_string(info.driver_cuda_version) +
                     ", \"memory_peak_bytes\": " + std::to_string(info.memory_peak_bytes) + ", \"figures\": [\n";
  for (std::size_t i = 0; i < figures.size(); ++i) {
    const Figure& f = figures[i];
    char line[400];
    std::snprintf(line, sizeof line,
                  "  {\"name\": \"%s\", \"unit\": \"%s\", \"median\": %.6g, \"least\": %.6g, \"most\": %.6g, "
                  "\"runs\": %d}%s\n",
                  f.name.c_str(), f.unit.c_str(), f.median, f.least, f.most, f.runs, i + 1 < figures.size() ? "," : "");
    text += line;
  }
  return text + "]}\n";
}

int Run(const Settings& settings, const std::string& json) {
  if (hp_device_count(HP_DEVICE_CUDA) == 0) {
    std::puts("SKIPPED: no CUDA device on this machine (no driver, or no GPU); nothing was measured");
    return 77;
  }
  const HpContext context(kCuda);
  hp_ctx_info info = {};
  HP_INIT(info);
  HpCheck(hp_ctx_get_info(context.ctx(), &info));
  std::printf("%s, CUDA %d.%d\n", info.name, info.driver_cuda_version / 1000, info.driver_cuda_version % 1000 / 10);
  std::vector<Figure> figures;
  MeasureCopy(context, settings, figures);
  struct Dense {
    const char* name;
    std::int64_t edge, channels;
    bool half;
  };
  std::vector<Dense> grids = {{"dense rgb+sigma f32", 128, 4, false},
                              {"dense rgb+sigma f32", 256, 4, false},
                              {"dense rgb+sigma f16", 256, 4, true},
                              {"dense SH1 f32", 128, 13, false}};
  if (settings.quick) {
    for (Dense& grid : grids) grid.edge /= 16;
  }
  for (const Dense& grid : grids) {
    Scene scene;
    scene.name = std::string(grid.name) + " " + std::to_string(grid.edge) + "^3";
    scene.field = MakeField(context, RandomGrid(grid.edge, grid.channels, grid.half, 1));
    scene.dt = 0.5 / static_cast<double>(grid.edge);
    MeasureScene(context, scene, settings, figures);
    MeasureAdam(context, scene.name, scene.field, grid.edge, grid.channels, settings, figures);
  }
#if defined(DVREN_TEST_WITH_NANOVDB)
  {
    // A cloud of blobs: about a third of a 160^3 box is there.
    SparseVolume volume;
    TestRandom random(9);
    const int reach = settings.quick ? 8 : 80, blobs = settings.quick ? 4 : 160;
    for (int b = 0; b < blobs; ++b) {
      const int radius = std::max(2, reach / 10), x0 = random.Below(2 * reach) - reach,
                y0 = random.Below(2 * reach) - reach, z0 = random.Below(2 * reach) - reach;
      for (int z = -radius; z <= radius; ++z) {
        for (int y = -radius; y <= radius; ++y) {
          for (int x = -radius; x <= radius; ++x) {
            if (x * x + y * y + z * z > radius * radius) continue;
            volume.voxels[{x0 + x, y0 + y, z0 + z}] = static_cast<float>(random.Uniform(0.001, 0.02));
          }
        }
      }
    }
    Scene scene;
    scene.name = "NanoVDB blobs in " + std::to_string(2 * reach) + "^3";
    scene.field = MakeField(context, volume);
    scene.dt = 0.5;
    scene.centre = {0, 0, 0};
    scene.radius = 1.7 * reach;
    MeasureScene(context, scene, settings, figures);
  }
#else
  std::puts("NanoVDB: left out, its headers are not here");
#endif
  HpCheck(hp_ctx_get_info(context.ctx(), &info));
  if (!json.empty()) {
    std::ofstream file(json);
    file << Json(info, figures);
    if (!file) {
      std::fprintf(stderr, "--json %s: cannot be written\n", json.c_str());
      return 1;
    }
  }
  std::puts("");
  for (const Figure& f : figures) std::printf("%-58s %9.2f %s\n", f.name.c_str(), f.median, f.unit.c_str());
  return 0;
}

}  // namespace
}  // namespace dvren::test

int main(int argc, char** argv) {
  dvren::test::Settings settings;
  std::string json;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--quick") {
      settings.quick = true;
      settings.edge = 24;
    } else if (word == "--json" && i + 1 < argc) {
      json = argv[++i];
    } else {
      std::fprintf(stderr, "%s: unknown; usage: dvren_bench_gpu [--json FILE] [--quick]\n", word.c_str());
      return 2;
    }
  }
  try {
    return dvren::test::Run(settings, json);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
