#include "dvren/train/trainer.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <functional>

#include "dvren/core/device.h"
#include "dvren/core/stream.h"
#include "dvren/io/metrics.h"
#include "dvren/plan/plan.h"
#include "dvren/render/renderer.h"
#include "dvren/scene/pixel_ray.h"
#include "dvren/train/synthetic_photos.h"
#include "support/hp_fixture.h"
#include "support/hp_reference.h"
#include "unit/io/io_fixture.h"

namespace dvren::test {
namespace {

using absl::StatusCode;
using io::test::Get;
using io::test::Ok;
using io::test::Refused;
using io::test::TempFolder;
using Photos = std::shared_ptr<const io::PhotoSet>;

Stream StreamOf(int threads = 1, Isa isa = Isa::kAuto) {
  DeviceOptions options;
  options.isa = isa;
  options.threads = threads;
  return Get(Get(Device::Create(options))->CreateStream());
}

// Photographs of 32 x 32 pixels of a Gaussian blob.
Photos Blob(const std::string& split) {
  io::DatasetRequest request;
  request.split = split;
  request.downscale = 2;
  return std::make_shared<const io::PhotoSet>(Get(MakeGaussianPhotos(request)).photos);
}

// A run of 60 short steps in which everything happens: the grid grows, its mask is refined, cameras move.
TrainingSpec BusySpec(const io::PhotoSet& photos) {
  TrainingSpec spec;
  spec.steps = 60;
  spec.seed = 3;
  spec.field.box = photos.bounds;
  spec.field.initial_density = -1.8;  // enough for cells to be kept before much is learned
  spec.stages = {{0, 12, 256}, {25, 17, 300}};
  spec.loss.kind = "huber";
  spec.regularisers.tv_density = 1e-5;
  spec.regularisers.tv_color = 1e-5;
  spec.regularisers.sparsity = 1e-4;
  spec.regularisers.distortion = 1e-3;
  spec.occupancy.every_steps = 10;
  spec.occupancy.from_step = 10;
  spec.occupancy.seen_window = 2;
  spec.occupancy.alpha_threshold = 2e-2;  // about what cells begin with: some go, some stay
  spec.cameras.poses = spec.cameras.focal = spec.cameras.distortion = true;
  spec.cameras.from_step = 5;
  return spec;
}

// Everything that a run has made: values and cameras, byte by byte.
std::string Made(Stream& stream, const Trainer& trainer, std::size_t views) {
  const io::DenseVolume grid = Get(trainer.Snapshot(stream));
  std::string bytes(reinterpret_cast<const char*>(grid.values.data()), grid.values.size());
  const auto add = [&](const auto& numbers) {
    bytes.append(reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(numbers[0]));
  };
  add(grid.shape);
  for (std::size_t view = 0; view < views; ++view) {
    const io::PhotoCamera camera = Get(trainer.CameraOf(view));
    add(std::array<double, 4>{camera.fx, camera.fy, camera.cx, camera.cy});
    add(camera.distortion);
    add(camera.camera_to_world.m);
  }
  return bytes;
}

struct RunOptions {
  int threads = 1;
  Isa isa = Isa::kAuto;
  bool renders = false;                   // of a view between every two steps
  std::vector<std::int64_t> checkpoints;  // steps after which a new Trainer goes on from a file
};

std::string Run(const TrainingSpec& spec, const Photos& photos, const RunOptions& options) {
  const TempFolder folder;
  Stream stream = StreamOf(options.threads, options.isa);
  std::unique_ptr<Trainer> trainer = Get(Trainer::Make(stream, spec, photos));
  while (!trainer->finished()) {
    const StepReport report = Get(trainer->Step(stream));
    REQUIRE(std::isfinite(report.loss));
    if (options.renders) Ok(trainer->RenderView(stream, photos->photos[0].camera, {1, 0.5, 0}).status());
    if (std::count(options.checkpoints.begin(), options.checkpoints.end(), report.step) == 0) continue;
    const std::string before = Made(stream, *trainer, photos->photos.size());
    Ok(trainer->SaveCheckpoint(stream, folder / "run.ckpt"));
    trainer.reset();
    trainer = Get(Trainer::RestoreCheckpoint(stream, folder / "run.ckpt", spec, photos));
    CHECK(trainer->steps_done() == report.step);
    CHECK(Made(stream, *trainer, photos->photos.size()) == before);
  }
  return Made(stream, *trainer, photos->photos.size());
}

// The photograph over white, 0 … 1.
std::vector<float> OverWhite(const io::Photo& photo) {
  std::vector<float> rgb;
  for (std::size_t i = 0; i < photo.values.size(); i += 4) {
    const float alpha = photo.values[i + 3] / 65535.0f;
    for (std::size_t c = 0; c < 3; ++c) rgb.push_back(photo.values[i + c] / 65535.0f + 1 - alpha);
  }
  return rgb;
}

// Mean over views.
double PsnrOf(Stream& stream, const Trainer& trainer, const io::PhotoSet& photos) {
  double sum = 0;
  for (const io::Photo& photo : photos.photos) {
    sum += io::Psnr(Get(trainer.RenderView(stream, photo.camera, {1, 1, 1})), OverWhite(photo));
  }
  return sum / static_cast<double>(photos.photos.size());
}

// ---- a scene without symmetry ---------------------------------------------------------------------------------------

// Three coloured Gaussian blobs of a dense grid, as the engine renders them: RGBA photographs from all around.
io::PhotoSet ThreeBlobs(Stream& stream) {
  struct Lump {
    Vec3 centre, color;
    double deviation;
  };
  const Lump lumps[] = {{{0.45, 0.1, -0.2}, {0.9, 0.2, 0.1}, 0.22},
                        {{-0.35, 0.4, 0.25}, {0.1, 0.8, 0.3}, 0.18},
                        {{-0.1, -0.45, 0.3}, {0.2, 0.3, 0.9}, 0.26}};
  constexpr std::int64_t kEdge = 32;
  io::DenseVolume grid;
  grid.shape = {kEdge, kEdge, kEdge, 4};
  grid.box = Box{{-1, -1, -1}, {1, 1, 1}};
  grid.values = io::Blob(kEdge * kEdge * kEdge * 4 * sizeof(float));
  auto* value = reinterpret_cast<float*>(grid.values.data());
  for (std::int64_t i = 0; i < kEdge * kEdge * kEdge; ++i, value += 4) {
    const Vec3 at{-1 + (static_cast<double>(i % kEdge) + 0.5) * 2 / kEdge,
                  -1 + (static_cast<double>(i / kEdge % kEdge) + 0.5) * 2 / kEdge,
                  -1 + (static_cast<double>(i / (kEdge * kEdge)) + 0.5) * 2 / kEdge};
    double density = 0;
    Vec3 color{};
    for (const Lump& lump : lumps) {
      const Vec3 away = at - lump.centre;
      const double part = 12 * std::exp(-Dot(away, away) / (2 * lump.deviation * lump.deviation));
      density += part;
      color = color + part * lump.color;
    }
    for (std::size_t c = 0; c < 3; ++c) value[c] = static_cast<float>(color[c] / (density + 1e-9));
    value[3] = density > 0.05 ? static_cast<float>(density) : 0.0f;
  }
  Scene scene;
  scene.instances.resize(1);
  scene.instances.front().field = Get(CreateField(stream, grid));
  io::PhotoSet set;
  set.bounds = grid.box;
  constexpr int kViews = 16;
  for (int view = 0; view < kViews; ++view) {
    const double y = 1 - 2 * (view + 0.5) / kViews, r = std::sqrt(1 - y * y), a = 2.399963 * view;
    io::Photo photo;
    photo.name = absl::StrCat("view_", view);
    photo.channels = 4;
    photo.camera.width = photo.camera.height = 40;
    photo.camera.fx = photo.camera.fy = 50;
    photo.camera.cx = photo.camera.cy = 20;
    const hp_affine pose = LookAt({4 * r * std::cos(a), 4 * y, 4 * r * std::sin(a)}, {0, 0, 0}, {0, 1, 0});
    std::copy_n(pose.m, 12, photo.camera.camera_to_world.m.begin());
    PlanSpec spec;
    spec.camera = CameraFor(photo.camera);
    spec.sampling.dt = 0.01;
    spec.aovs = kAovRgb | kAovOpacity;
    const auto plan = Get(stream.device()->plans().Get(stream.device(), spec));
    const Frame frame = Get(Renderer().Render(stream, *plan, scene));
    std::vector<float> rgb(static_cast<std::size_t>(frame.rgb.size())), opacity(rgb.size() / 3);
    Ok(frame.rgb.CopyToHost(stream, rgb.data()));
    Ok(frame.opacity.CopyToHost(stream, opacity.data()));
    for (std::size_t i = 0; i < opacity.size(); ++i) {
      const auto store = [&](float v) {
        photo.values.push_back(static_cast<std::uint16_t>(std::lround(65535 * std::min(v, 1.0f))));
      };
      for (std::size_t c = 0; c < 3; ++c) store(rgb[3 * i + c]);
      store(opacity[i]);
    }
    set.photos.push_back(std::move(photo));
  }
  return set;
}

// exp([omega]) times the rotation of the pose, by Rodrigues' formula, and a move of its origin.
Affine Moved(const Affine& pose, const Vec3& omega, const Vec3& move) {
  const double angle = std::sqrt(Dot(omega, omega));
  const Vec3 axis = (1 / angle) * omega;
  Affine out = pose;
  for (std::size_t j = 0; j < 3; ++j) {
    const Vec3 c{pose.m[j], pose.m[4 + j], pose.m[8 + j]};
    const Vec3 turned =
        std::cos(angle) * c + std::sin(angle) * Cross(axis, c) + ((1 - std::cos(angle)) * Dot(axis, c)) * axis;
    for (std::size_t i = 0; i < 3; ++i) out.m[4 * i + j] = turned[i];
  }
  for (std::size_t i = 0; i < 3; ++i) out.m[4 * i + 3] += move[i];
  return out;
}

// Angle between the rotations of two poses, radians.
double AngleBetween(const Affine& a, const Affine& b) {
  double trace = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = 0; j < 3; ++j) trace += a.m[4 * i + j] * b.m[4 * i + j];
  }
  return std::acos(std::min(1.0, std::max(-1.0, 0.5 * (trace - 1))));
}

// How far a point of the scene moves in the images of a camera: pixels, root mean square over places around the origin.
double ImageError(const io::PhotoCamera& a, const io::PhotoCamera& b) {
  const auto project = [](const io::PhotoCamera& camera, const Vec3& p) {
    const auto& m = camera.camera_to_world.m;
    const Vec3 d{p[0] - m[3], p[1] - m[7], p[2] - m[11]};
    Vec3 local{};
    for (std::size_t i = 0; i < 3; ++i) local[i] = m[i] * d[0] + m[4 + i] * d[1] + m[8 + i] * d[2];
    return std::array<double, 2>{camera.fx * local[0] / local[2], camera.fy * local[1] / local[2]};
  };
  double sum = 0;
  int n = 0;
  for (double x : {-0.5, 0.0, 0.5}) {
    for (double y : {-0.5, 0.0, 0.5}) {
      for (double z : {-0.5, 0.0, 0.5}) {
        const auto p = project(a, {x, y, z}), q = project(b, {x, y, z});
        sum += std::pow(p[0] - q[0], 2) + std::pow(p[1] - q[1], 2);
        ++n;
      }
    }
  }
  return std::sqrt(sum / n);
}

}  // namespace

TEST_CASE("A blob is learned from photographs of it") {
  const Photos train = Blob("train"), test = Blob("test");
  TrainingSpec spec;
  spec.steps = 250;
  spec.field.box = train->bounds;
  spec.stages = {{0, 16, 1024}, {60, 32, 1024}};
  spec.occupancy.from_step = 100;
  Stream stream = StreamOf();
  const std::unique_ptr<Trainer> trainer = Get(Trainer::Make(stream, spec, train));
  const double before = PsnrOf(stream, *trainer, *test);
  double first_loss = 0, last_loss = 0;
  while (!trainer->finished()) {
    const StepReport report = Get(trainer->Step(stream));
    CHECK(report.rays == 1024);
    CHECK(report.step == trainer->steps_done());
    if (report.step == 1) first_loss = report.loss;
    last_loss = report.loss;
  }
  const double after = PsnrOf(stream, *trainer, *test);
  CAPTURE(before, after, first_loss, last_loss);
  CHECK(before < 20);
  CHECK(after > 30);
  CHECK(last_loss < 0.1 * first_loss);
  // Where there is nothing, nothing is left.
  const io::DenseVolume grid = Get(trainer->Snapshot(stream));
  CHECK(grid.shape[0] == 32);
  CHECK(grid.activation == io::Activation::kSoftplus);
}

TEST_CASE("A run gives the same bits again, for any number of threads, watched or not") {
  const Photos photos = Blob("train");
  const TrainingSpec spec = BusySpec(*photos);
  const std::string first = Run(spec, photos, {});
  CHECK(Run(spec, photos, {}) == first);
  CHECK(Run(spec, photos, {}) == first);
  for (const int threads : {2, 5}) {
    RunOptions options;
    options.threads = threads;
    CAPTURE(threads);
    CHECK(Run(spec, photos, options) == first);
  }
  RunOptions scalar;
  scalar.isa = Isa::kScalar;
  CHECK(Run(spec, photos, scalar) == first);
  RunOptions watched;
  watched.renders = true;
  CHECK(Run(spec, photos, watched) == first);
  // All of it has had its part in these bits.
  using Change = std::function<void(TrainingSpec&)>;
  const Change changes[] = {
      [](auto& s) { s.seed = 4; },
      [](auto& s) { s.occupancy.from_step = 60; },
      [](auto& s) { s.stages[1].from_step = 26; },
      [](auto& s) { s.regularisers.tv_density = 0; },
      [](auto& s) { s.regularisers.tv_color = 0; },
      [](auto& s) { s.regularisers.tv_every_steps = 2; },
      [](auto& s) { s.optimizer.harmonics_rate = 0.01; },
      [](auto& s) { s.field.dtype = "f16"; },
      [](auto& s) { s.regularisers.sparsity = 0; },
      [](auto& s) { s.regularisers.distortion = 0; },
      [](auto& s) { s.cameras.poses = false; },
      [](auto& s) { s.cameras.focal = false; },
      [](auto& s) { s.cameras.distortion = false; },
  };
  int index = 0;
  for (const Change& change : changes) {
    TrainingSpec other = spec;
    change(other);
    CAPTURE(index++);
    CHECK(Run(other, photos, {}) != first);
  }
}

TEST_CASE("Values of f16 learn what those of f32 do, with the same bits for any number of threads") {
  const Photos photos = Blob("train");
  TrainingSpec spec = BusySpec(*photos);
  spec.cameras = {};
  const auto train = [&](const std::string& dtype, int threads) {
    spec.field.dtype = dtype;
    Stream stream = StreamOf(threads);
    const std::unique_ptr<Trainer> trainer = Get(Trainer::Make(stream, spec, photos));
    double psnr = 0;
    while (!trainer->finished()) psnr = Get(trainer->Step(stream)).psnr;
    return std::pair(psnr, Get(trainer->Snapshot(stream)));
  };
  const auto [full_psnr, full] = train("f32", 2);
  const auto [half_psnr, half] = train("f16", 2);
  CHECK(half_psnr == Approx(full_psnr).margin(0.1));
  // What is read is f16, and not what f32 came to.
  const auto* values = reinterpret_cast<const float*>(half.values.data());
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < half.values.size() / sizeof(float); ++i) {
    wrong += static_cast<double>(values[i]) != HalfValue(NearestHalf(static_cast<double>(values[i])));
  }
  CHECK(wrong == 0);
  CHECK(std::memcmp(values, full.values.data(), full.values.size()) != 0);
  const auto again = train("f16", 5).second;
  CHECK(std::memcmp(values, again.values.data(), half.values.size()) == 0);
}

TEST_CASE("A run goes on from a checkpoint with the bits of one that was not cut short") {
  const Photos photos = Blob("train");
  for (const std::string kind : {"adam", "rmsprop", "sgd"}) {
    TrainingSpec spec = BusySpec(*photos);
    spec.optimizer.kind = kind;
    if (kind == "rmsprop") spec.optimizer.sparse = false;
    if (kind == "rmsprop") spec.field.dtype = "f16";
    if (kind == "sgd") {
      spec.optimizer.momentum = 0.9;
      spec.optimizer.density_rate = spec.optimizer.color_rate = 50;
    }
    CAPTURE(kind);
    const std::string whole = Run(spec, photos, {});
    RunOptions options;
    options.checkpoints = {30};
    CHECK(Run(spec, photos, options) == whole);
    // At the first step, before a refinement, before the grid grows and after it has, and with other threads.
    options.checkpoints = {1, 10, 13, 25, 26, 59};
    options.threads = 2;
    CHECK(Run(spec, photos, options) == whole);
  }
}

TEST_CASE("A checkpoint that is damaged, or of something else, is refused") {
  const Photos photos = Blob("train");
  const TrainingSpec spec = BusySpec(*photos);
  const TempFolder folder;
  Stream stream = StreamOf();
  const std::unique_ptr<Trainer> trainer = Get(Trainer::Make(stream, spec, photos));
  for (int i = 0; i < 12; ++i) Ok(trainer->Step(stream).status());
  const std::string path = folder / "run.ckpt";
  Ok(trainer->SaveCheckpoint(stream, path));
  CHECK(folder.Names() == std::vector<std::string>{"run.ckpt"});
  const auto restore = [&](const std::string& from, const TrainingSpec& s, const Photos& p) {
    return Trainer::RestoreCheckpoint(stream, from, s, p).status();
  };
  Ok(restore(path, spec, photos));
  const std::string bytes = io::test::ReadBytes(path), damaged = folder / "damaged.ckpt";
  for (const std::size_t keep :
       {std::size_t{0}, std::size_t{7}, std::size_t{100}, bytes.size() / 2, bytes.size() - 1}) {
    io::test::WriteBytes(damaged, bytes.substr(0, keep));
    CAPTURE(keep);
    CHECK(Refused(restore(damaged, spec, photos), StatusCode::kDataLoss, {"damaged.ckpt"}));
  }
  io::test::WriteBytes(damaged, bytes + "x");
  CHECK(Refused(restore(damaged, spec, photos), StatusCode::kDataLoss, {"damaged.ckpt"}));
  TestRandom random(5);
  for (int i = 0; i < 60; ++i) {
    const auto at = static_cast<std::size_t>(random.Uniform() * static_cast<double>(bytes.size()));
    std::string flipped = bytes;
    flipped[at] = static_cast<char>(flipped[at] ^ 1 << random.Below(8));
    io::test::WriteBytes(damaged, flipped);
    CAPTURE(at);
    CHECK(restore(damaged, spec, photos).code() == StatusCode::kDataLoss);
  }
  CHECK(restore(folder / "none.ckpt", spec, photos).code() == StatusCode::kNotFound);

  using Change = std::function<void(TrainingSpec&)>;
  const Change changes[] = {
      [](auto& s) { s.seed = 77; },
      [](auto& s) { s.steps = 61; },
      [](auto& s) { s.step_voxels = 0.6; },
      [](auto& s) { s.early_stop = 0; },
      [](auto& s) { s.color_space = "linear"; },
      [](auto& s) { s.field.sh_degree = 0; },
      [](auto& s) { s.field.box.max[1] += 0.25; },
      [](auto& s) { s.field.activation = "exp"; },
      [](auto& s) { s.field.initial_density = -3; },
      [](auto& s) { s.field.initial_color = 0.25; },
      [](auto& s) { s.stages[1].from_step = 26; },
      [](auto& s) { s.stages[1].resolution = 18; },
      [](auto& s) { s.stages[0].rays = 257; },
      [](auto& s) { s.stages.pop_back(); },
      [](auto& s) { s.optimizer.kind = "adamw"; },
      [](auto& s) { s.optimizer.density_rate = 0.1; },
      [](auto& s) { s.optimizer.color_rate = 0.1; },
      [](auto& s) { s.optimizer.beta1 = 0.8; },
      [](auto& s) { s.optimizer.beta2 = 0.8; },
      [](auto& s) { s.optimizer.epsilon = 1e-9; },
      [](auto& s) { s.optimizer.weight_decay = 1e-3; },
      [](auto& s) { s.optimizer.sparse = false; },
      [](auto& s) { s.optimizer.clip_norm = 1; },
      [](auto& s) { s.optimizer.clip_value = 1; },
      [](auto& s) { s.optimizer.accumulate_steps = 2; },
      [](auto& s) { s.optimizer.loss_scale = "dynamic"; },
      [](auto& s) { s.optimizer.loss_scale_window = 7; },
      [](auto& s) { s.rays.error_map = true; },
      [](auto& s) { s.rays.error_fraction = 0.25; },
      [](auto& s) { s.rays.error_cell = 8; },
      [](auto& s) { s.rays.error_decay = 0.5; },
      [](auto& s) { s.schedule.kind = "linear"; },
      [](auto& s) { s.schedule.final_factor = 0.2; },
      [](auto& s) { s.schedule.warmup_steps = 2; },
      [](auto& s) { s.loss.kind = "l1"; },
      [](auto& s) { s.loss.delta = 0.2; },
      [](auto& s) { s.regularisers.tv_density = 0; },
      [](auto& s) { s.regularisers.tv_color = 0; },
      [](auto& s) { s.regularisers.tv_every_steps = 2; },
      [](auto& s) { s.optimizer.harmonics_rate = 0.01; },
      [](auto& s) { s.regularisers.sparsity = 0; },
      [](auto& s) { s.regularisers.distortion = 0; },
      [](auto& s) { s.rays.background = "white"; },
      [](auto& s) { s.rays.foreground_fraction = 0.5; },
      [](auto& s) { s.occupancy.every_steps = 11; },
      [](auto& s) { s.occupancy.from_step = 11; },
      [](auto& s) { s.occupancy.alpha_threshold = 0.01; },
      [](auto& s) { s.occupancy.weight_threshold = 0.02; },
      [](auto& s) { s.occupancy.seen_window = 3; },
      [](auto& s) { s.cameras.poses = false; },
      [](auto& s) { s.cameras.focal = false; },
      [](auto& s) { s.cameras.distortion = false; },
      [](auto& s) { s.cameras.rotation_rate = 1e-2; },
      [](auto& s) { s.cameras.translation_rate = 1e-2; },
      [](auto& s) { s.cameras.focal_rate = 1e-2; },
      [](auto& s) { s.cameras.distortion_rate = 1e-2; },
      [](auto& s) { s.cameras.from_step = 6; },
  };
  int index = 0;
  for (const Change& change : changes) {
    TrainingSpec other = spec;
    change(other);
    CAPTURE(index++);
    CHECK(Refused(restore(path, other, photos), StatusCode::kFailedPrecondition, {"checkpoint", "another recipe"}));
  }
  using PhotoChange = std::function<void(io::PhotoSet&)>;
  const PhotoChange photo_changes[] = {
      [](auto& p) { p.photos[3].values[1000] ^= 1; },
      [](auto& p) { p.photos[3].camera.fx += 1e-9; },
      [](auto& p) { p.photos[3].camera.distortion[4] = 1e-9; },
      [](auto& p) { p.photos[3].camera.camera_to_world.m[3] += 1e-9; },
      [](auto& p) { p.photos.pop_back(); },
      [](auto& p) { std::swap(p.photos[0], p.photos[1]); },
  };
  index = 0;
  for (const PhotoChange& change : photo_changes) {
    auto other = std::make_shared<io::PhotoSet>(*photos);
    change(*other);
    CAPTURE(index++);
    CHECK(Refused(restore(path, spec, other), StatusCode::kFailedPrecondition, {"checkpoint", "another dataset"}));
  }
  // A checkpoint that cannot be written leaves the trainer as it was, and no file.
  CHECK(!trainer->SaveCheckpoint(stream, folder / "no/such/folder.ckpt").ok());
  Ok(trainer->Step(stream).status());
}

TEST_CASE("Cameras that are a little off find their places") {
  Stream stream = StreamOf();
  const io::PhotoSet truth = ThreeBlobs(stream);
  auto photos = std::make_shared<io::PhotoSet>(truth);
  const double degree = std::acos(-1.0) / 180;
  TestRandom random(8);
  Vec3 turn{}, shift{};
  for (std::size_t i = 0; i < photos->photos.size(); ++i) {
    // Every other is off by the opposite, so that the scene as a whole has no reason to turn.
    turn = i % 2 == 0 ? degree * random.Direction() : -1 * turn;
    shift = i % 2 == 0 ? 0.04 * random.Direction() : -1 * shift;
    io::PhotoCamera& camera = photos->photos[i].camera;
    camera.camera_to_world = Moved(camera.camera_to_world, turn, shift);
    CHECK(AngleBetween(camera.camera_to_world, truth.photos[i].camera.camera_to_world) == Approx(degree));
  }
  TrainingSpec spec;
  spec.steps = 300;
  spec.field.box = truth.bounds;
  spec.field.sh_degree = 0;
  spec.stages = {{0, 16, 1024}, {100, 24, 1024}};
  spec.cameras.poses = true;
  spec.cameras.from_step = 20;
  const auto train = [&](const TrainingSpec& s, double& image, double& angle) {
    const std::unique_ptr<Trainer> trainer = Get(Trainer::Make(stream, s, photos));
    while (!trainer->finished()) Ok(trainer->Step(stream).status());
    image = angle = 0;
    for (std::size_t i = 0; i < truth.photos.size(); ++i) {
      const io::PhotoCamera camera = Get(trainer->CameraOf(i));
      const auto& m = camera.camera_to_world.m;
      for (std::size_t a = 0; a < 3; ++a) {  // still a rotation
        for (std::size_t b = 0; b < 3; ++b) {
          const double dot = m[a] * m[b] + m[4 + a] * m[4 + b] + m[8 + a] * m[8 + b];
          CHECK(dot == Approx(a == b ? 1 : 0).margin(1e-12));
        }
      }
      CHECK(camera.fx == truth.photos[i].camera.fx);
      image += ImageError(camera, truth.photos[i].camera) / static_cast<double>(truth.photos.size());
      angle += AngleBetween(camera.camera_to_world, truth.photos[i].camera.camera_to_world) /
               static_cast<double>(truth.photos.size());
    }
  };
  double image_before = 0, angle_before = 0, image_after = 0, angle_after = 0;
  TrainingSpec fixed = spec;
  fixed.cameras.poses = false;
  fixed.steps = 1;
  train(fixed, image_before, angle_before);
  train(spec, image_after, angle_after);
  CAPTURE(image_before, image_after, angle_before, angle_after);
  CHECK(image_after < 0.5 * image_before);
  CHECK(angle_after < 0.8 * angle_before);
}

TEST_CASE("A trainer says when it is done, and what it cannot begin with") {
  const Photos photos = Blob("train");
  TrainingSpec spec = BusySpec(*photos);
  spec.steps = 2;
  spec.stages.resize(1);
  Stream stream = StreamOf();
  const std::unique_ptr<Trainer> trainer = Get(Trainer::Make(stream, spec, photos));
  CHECK(trainer->spec().seed == spec.seed);
  CHECK(!trainer->finished());
  CHECK(trainer->steps_done() == 0);
  for (int i = 0; i < 2; ++i) {
    const StepReport report = Get(trainer->Step(stream));
    CHECK(report.step == i + 1);
    CHECK(report.samples > 0);
    CHECK(report.wall_seconds >= report.forward_seconds);
  }
  CHECK(trainer->finished());
  const std::string made = Made(stream, *trainer, photos->photos.size());
  CHECK(Refused(trainer->Step(stream).status(), StatusCode::kFailedPrecondition, {"2 steps", "steps"}));
  CHECK(Made(stream, *trainer, photos->photos.size()) == made);
  CHECK(Refused(trainer->CameraOf(24).status(), StatusCode::kInvalidArgument, {"view = 24", "24 photographs"}));

  const auto make = [&](const TrainingSpec& s, const Photos& p) { return Trainer::Make(stream, s, p).status(); };
  TrainingSpec bad = spec;
  bad.stages[0].rays = 0;
  CHECK(Refused(make(bad, photos), StatusCode::kInvalidArgument, {"stages[0].rays = 0", "must be"}));
  bad = spec;
  bad.optimizer.kind = "lion";
  CHECK(Refused(make(bad, photos), StatusCode::kInvalidArgument, {"optimizer.kind", "lion"}));
  auto mixed = std::make_shared<io::PhotoSet>(*photos);
  io::Photo& plain = mixed->photos[5];
  plain.channels = 3;
  plain.values.resize(static_cast<std::size_t>(plain.camera.width) * static_cast<std::size_t>(plain.camera.height) * 3);
  CHECK(Refused(make(spec, mixed), StatusCode::kInvalidArgument, {plain.name.c_str(), "3 channels", "or all 4"}));
  auto cut = std::make_shared<io::PhotoSet>(*photos);
  cut->photos[2].values.pop_back();
  CHECK(Refused(make(spec, cut), StatusCode::kInvalidArgument, {cut->photos[2].name.c_str()}));
  CHECK(Refused(make(spec, std::make_shared<io::PhotoSet>()), StatusCode::kInvalidArgument, {"no photographs"}));
}

TEST_CASE("Photographs without alpha are trained on, over the colour that they show") {
  // A blob over white, as a camera without alpha would have it.
  auto photos = std::make_shared<io::PhotoSet>(*Blob("train"));
  for (io::Photo& photo : photos->photos) {
    const std::vector<float> rgb = OverWhite(photo);
    photo.channels = 3;
    photo.values.clear();
    for (float v : rgb) photo.values.push_back(static_cast<std::uint16_t>(std::lround(65535 * v)));
  }
  TrainingSpec spec;
  spec.steps = 250;
  spec.field.box = photos->bounds;
  spec.stages = {{0, 24, 1024}};
  spec.rays.background = "white";
  Stream stream = StreamOf();
  const std::unique_ptr<Trainer> trainer = Get(Trainer::Make(stream, spec, photos));
  while (!trainer->finished()) Ok(trainer->Step(stream).status());
  const double psnr = PsnrOf(stream, *trainer, *Blob("test"));
  CAPTURE(psnr);
  CHECK(psnr > 25);
}

}  // namespace dvren::test
