#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "bench.h"

namespace dvren::bench {

namespace {
double Now(clockid_t clock) {
  timespec t;
  clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

std::string List(const std::vector<double>& values) {
  std::string text = "[";
  for (size_t i = 0; i < values.size(); ++i) text += (i ? ", " : "") + std::to_string(values[i]);
  return text + "]";
}
}  // namespace

double WallSeconds() {
  return Now(CLOCK_MONOTONIC);
}
double CpuSeconds() {
  return Now(CLOCK_PROCESS_CPUTIME_ID);
}

double PeakMemoryMiB() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024.0;
}

void Measure(const std::string& name, int repetitions, const std::string& extra_json,
             const std::function<void()>& run) {
  run();
  std::vector<double> wall, cpu;
  for (int i = 0; i < repetitions; ++i) {
    const double w = WallSeconds(), c = CpuSeconds();
    run();
    wall.push_back(WallSeconds() - w);
    cpu.push_back(CpuSeconds() - c);
  }
  std::printf("{\"bench\": \"%s\", \"wall\": %s, \"cpu\": %s, \"peak_mib\": %.1f%s%s}\n", name.c_str(),
              List(wall).c_str(), List(cpu).c_str(), PeakMemoryMiB(), extra_json.empty() ? "" : ", ",
              extra_json.c_str());
  std::fflush(stdout);
}

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "dvren_bench: %s\n", status.ToString().c_str());
  std::exit(1);
}

std::vector<float> BlobValues(int n) {
  std::vector<float> values(static_cast<size_t>(n) * n * n * 4);
  size_t i = 0;
  for (int z = 0; z < n; ++z) {
    for (int y = 0; y < n; ++y) {
      for (int x = 0; x < n; ++x) {
        const double u = (x + 0.5) / n, v = (y + 0.5) / n, w = (z + 0.5) / n;
        const double r2 = (u - 0.5) * (u - 0.5) + (v - 0.5) * (v - 0.5) + (w - 0.5) * (w - 0.5);
        values[i++] = static_cast<float>(0.5 + 0.5 * std::sin(9 * u));
        values[i++] = static_cast<float>(0.5 + 0.5 * std::sin(11 * v + 1));
        values[i++] = static_cast<float>(0.5 + 0.5 * std::sin(7 * w));
        values[i++] = static_cast<float>(4 * std::exp(-8 * r2) *
                                         (0.6 + 0.4 * std::sin(17 * u) * std::sin(13 * v + 1) * std::sin(19 * w + 2)));
      }
    }
  }
  return values;
}

io::DenseVolume BlobVolume(int n) {
  const std::vector<float> values = BlobValues(n);
  io::DenseVolume volume;
  volume.shape = {n, n, n, 4};
  volume.values = io::Blob(values.size() * sizeof(float));
  std::memcpy(volume.values.data(), values.data(), volume.values.size());
  return volume;
}

Camera BlobCamera(int width) {
  const Vec3 forward{0.48, 0.36, 0.8};
  const double length = std::hypot(forward[2], forward[0]);
  const Vec3 right{forward[2] / length, 0, -forward[0] / length};
  const Vec3 up{forward[1] * right[2] - forward[2] * right[1], forward[2] * right[0] - forward[0] * right[2],
                forward[0] * right[1] - forward[1] * right[0]};
  Camera camera;
  camera.width = camera.height = width;
  const double focal = width * 0.5 * 4.5 / 0.3;
  camera.model = PinholeModel{focal, focal, width * 0.5, width * 0.5};
  Affine& m = camera.keyframes[0].camera_to_world;
  for (int i = 0; i < 3; ++i) {
    m.m[4 * i] = right[i];
    m.m[4 * i + 1] = up[i];
    m.m[4 * i + 2] = forward[i];
    m.m[4 * i + 3] = 0.5 - 4.5 * forward[i];
  }
  camera.t_near = 4;
  camera.t_far = 5;
  return camera;
}

}  // namespace dvren::bench
