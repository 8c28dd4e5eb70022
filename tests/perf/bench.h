// What the benches share: clocks, a scene, and one line of JSON per measurement on stdout.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "dvren/core/device.h"
#include "dvren/fields/field.h"
#include "dvren/plan/plan.h"
#include "dvren/scene/scene.h"

namespace dvren::bench {

struct Arguments {
  int threads = 1;
  int size = 128;     // voxels per edge
  int width = 512;    // pixels per edge
  int samples = 128;  // per ray
  int repetitions = 5;
  std::string file;      // volume
  std::string endpoint;  // daemon
};

double WallSeconds();
double CpuSeconds();     // of this process, all threads
double PeakMemoryMiB();  // of this process so far

// Runs once to warm up, then `repetitions` times; prints {"bench": name, "wall": [...], "cpu": [...], extra…}.
void Measure(const std::string& name, int repetitions, const std::string& extra_json, const std::function<void()>& run);

// Ends the process with a message unless the status is OK.
void Check(const absl::Status& status);
template <class T>
T Check(absl::StatusOr<T> value) {
  Check(value.status());
  return std::move(value).value();
}

// A coloured blob in the unit cube, RGB and sigma; and a camera 4.5 away that sees the middle 0.6 of it, t in [4, 5].
std::vector<float> BlobValues(int n);
io::DenseVolume BlobVolume(int n);
Camera BlobCamera(int width);

int Dense(const Arguments& arguments);
int Memory(const Arguments& arguments);
int Backward(const Arguments& arguments);
int BackwardMemory(const Arguments& arguments);
int Rays(const Arguments& arguments);
int Scatter(const Arguments& arguments);
int NanoVdb(const Arguments& arguments);
int Training(const Arguments& arguments);
int Daemon(const Arguments& arguments);

}  // namespace dvren::bench
