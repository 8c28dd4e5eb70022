// The engine on a CUDA device: renders, tapes and training are the CPU's to the bit. On the host executor, and on a GPU
// where there is one.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "dvren/diff/backward.h"
#include "dvren/train/synthetic_photos.h"
#include "dvren/train/trainer.h"
#include "support/render_fixture.h"
#include "support/temp_folder.h"

namespace dvren::test {
namespace {

// The first CUDA device; null, said aloud, where there is none.
std::shared_ptr<Device> Cuda() {
  if (GpuCount() == 0) {
    WARN("SKIPPED: no CUDA device in this build or on this machine; nothing was compared");
    return nullptr;
  }
  return Get(Device::Create({.id = "cuda:0"}));
}

PlanSpec Spec(Precision precision, SamplingMode mode) {
  PlanSpec spec;
  spec.camera = OrbitCamera(Box{{-1, -1, -1}, {1, 1, 1}}, 30, 20, 0, 40, 61, 47);
  spec.sampling.dt = 0.043;
  spec.sampling.mode = mode;
  spec.sampling.seed = 42;
  spec.background = {0.1, 0.2, 0.3};
  spec.aovs = kEveryAov;
  spec.precision = precision;
  return spec;
}

// A run in which everything happens: the grid grows, its mask is refined, cameras move; every number it makes.
std::string Trained(const std::shared_ptr<Device>& device, const std::string& storage) {
  io::DatasetRequest request;
  request.split = "train";
  request.downscale = 2;
  const auto photos = std::make_shared<const io::PhotoSet>(Get(MakeGaussianPhotos(request)).photos);
  TrainingSpec spec;
  spec.steps = 40;
  spec.seed = 3;
  spec.field.box = photos->bounds;
  spec.field.dtype = storage;
  spec.field.initial_density = -1.8;
  spec.stages = {{0, 12, 256}, {25, 17, 300}};
  spec.loss.kind = "huber";
  spec.regularisers.tv_density = 1e-5;
  spec.regularisers.tv_color = 1e-5;
  spec.regularisers.distortion = 1e-3;
  spec.occupancy.every_steps = 10;
  spec.occupancy.from_step = 10;
  spec.occupancy.seen_window = 2;
  spec.occupancy.alpha_threshold = 2e-2;
  spec.cameras.poses = spec.cameras.focal = spec.cameras.distortion = true;
  spec.cameras.from_step = 5;
  Stream stream = Get(device->CreateStream());
  std::unique_ptr<Trainer> trainer = Get(Trainer::Make(stream, spec, photos));
  const TempFolder folder;
  std::string bytes;
  while (!trainer->finished()) {
    const StepReport report = Get(trainer->Step(stream));
    bytes.append(reinterpret_cast<const char*>(&report.loss), sizeof report.loss);
    if (report.step != 20) continue;
    const std::string file = folder.path() + "/run.ckpt";
    Check(trainer->SaveCheckpoint(stream, file));
    trainer.reset();
    trainer = Get(Trainer::RestoreCheckpoint(stream, file, spec, photos));
  }
  const io::DenseVolume grid = Get(trainer->Snapshot(stream));
  bytes.append(reinterpret_cast<const char*>(grid.values.data()), grid.values.size());
  for (std::size_t view = 0; view < photos->photos.size(); ++view) {
    const io::PhotoCamera camera = Get(trainer->CameraOf(view));
    bytes.append(reinterpret_cast<const char*>(camera.camera_to_world.m.data()), sizeof camera.camera_to_world.m);
  }
  return bytes;
}

}  // namespace

TEST_CASE("A CUDA device tells what it is") {
  const std::shared_ptr<Device> cuda = Cuda();
  if (!cuda) return;
  CHECK(cuda->info().id == "cuda:0");
  CHECK(cuda->info().kind == DeviceKind::kCuda);
  CHECK_FALSE(cuda->info().name.empty());
  CHECK_FALSE(cuda->info().uuid.empty());
  CHECK(cuda->info().memory_total_bytes > 0);
  CHECK(cuda->info().multiprocessors > 0);
  CHECK_FALSE(cuda->info().driver.empty());
  CHECK(cuda->Health().ok());
  // Threads are the CPU's: as a daemon's configuration gives them to all devices.
  CHECK(Device::Create({.id = "cuda:0", .threads = 3}).ok());
}

TEST_CASE("Renders of a CUDA device are the CPU's to the bit") {
  const std::shared_ptr<Device> cuda = Cuda();
  if (!cuda) return;
  for (const Precision precision : {Precision::kF32, Precision::kF64}) {
    for (const SamplingMode mode : {SamplingMode::kFixed, SamplingMode::kStratified}) {
      for (const RenderPath path : {RenderPath::kFused, RenderPath::kStaged}) {
        std::vector<std::vector<std::uint8_t>> bits;
        for (const std::shared_ptr<Device>& device : {Cpu(), cuda}) {
          Stream stream = Get(device->CreateStream());
          const Scene scene = SceneOf(stream, Blobs(20));
          const auto plan = Get(Planner::Make(device, Spec(precision, mode)));
          bits.push_back(Bits(stream, Get(Renderer(path).Render(stream, *plan, scene))));
        }
        INFO(static_cast<int>(precision) << ", " << static_cast<int>(mode) << ", " << static_cast<int>(path));
        CHECK(bits[0] == bits[1]);
      }
    }
  }
}

TEST_CASE("A training run on a CUDA device is the CPU's to the bit") {
  const std::shared_ptr<Device> cuda = Cuda();
  if (!cuda) return;
  for (const char* storage : {"f32", "f16"}) {
    INFO(storage);
    const std::string on_cpu = Trained(Cpu(), storage);
    CHECK(on_cpu == Trained(cuda, storage));
  }
}

}  // namespace dvren::test
