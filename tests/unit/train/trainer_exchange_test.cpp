// What goes into a trainer and out of it besides steps on photographs: rays of the caller's own, gradients that ranks
// exchange, values, cameras, checkpoints into a trainer that lives.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "dvren/core/device.h"
#include "dvren/core/stream.h"
#include "dvren/train/synthetic_photos.h"
#include "dvren/train/trainer.h"
#include "train/ray_source.h"
#include "unit/io/io_fixture.h"

namespace dvren::test {
namespace {

using absl::StatusCode;
using io::test::Get;
using io::test::Ok;
using io::test::Refused;
using io::test::TempFolder;
using Photos = std::shared_ptr<const io::PhotoSet>;

Stream NewStream(int threads = 1) {
  DeviceOptions options;
  options.threads = threads;
  return Get(Get(Device::Create(options))->CreateStream());
}

Photos Blob() {
  io::DatasetRequest request;
  request.split = "train";
  request.downscale = 2;
  return std::make_shared<const io::PhotoSet>(Get(MakeGaussianPhotos(request)).photos);
}

// Short, and everything happens: the grid grows, its mask is refined, values are smoothed.
TrainingSpec Busy(const io::PhotoSet& photos) {
  TrainingSpec spec;
  spec.steps = 40;
  spec.seed = 3;
  spec.field.box = photos.bounds;
  spec.field.initial_density = -1.5;  // enough for cells to be kept before much is learned
  spec.stages = {{0, 12, 256}, {20, 17, 300}};
  spec.regularisers.tv_density = 1e-5;
  spec.regularisers.sparsity = 1e-4;
  spec.regularisers.distortion = 1e-3;
  spec.occupancy.every_steps = 5;
  spec.occupancy.from_step = 10;
  spec.occupancy.seen_window = 1;
  spec.occupancy.weight_threshold = 0.0113;  // of a cell as it begins: some are dropped, and not all
  return spec;
}

std::vector<float> ValuesOf(Stream& stream, const Trainer& trainer) {
  const io::DenseVolume grid = Get(trainer.Snapshot(stream));
  const auto* values = reinterpret_cast<const float*>(grid.values.data());
  return {values, values + grid.values.size() / sizeof(float)};
}

// All that goes on from here depends on, by what a checkpoint holds.
std::string StateOf(Stream& stream, const Trainer& trainer) {
  const TempFolder folder;
  Ok(trainer.SaveCheckpoint(stream, folder / "a.ckpt"));
  return io::test::ReadBytes(folder / "a.ckpt");
}

TrainingBatch BatchOf(const TrainingRays& rays, std::size_t first, std::size_t count) {
  TrainingBatch batch;
  batch.rays.count = static_cast<std::int64_t>(count);
  batch.rays.origins = rays.origins.data() + 3 * first;
  batch.rays.directions = rays.directions.data() + 3 * first;
  batch.target = rays.target.data() + 3 * first;
  batch.background = rays.background.data() + 3 * first;
  batch.weights = rays.weights.data() + first;
  return batch;
}

std::vector<io::PhotoCamera> CamerasOf(const io::PhotoSet& photos) {
  std::vector<io::PhotoCamera> cameras;
  for (const io::Photo& photo : photos.photos) cameras.push_back(photo.camera);
  return cameras;
}

std::span<const double> Doubles(const StepGradient& gradient) {
  return {reinterpret_cast<const double*>(gradient.values.data()), gradient.values.size() / sizeof(double)};
}

// What an all-reduce makes of the gradients of two ranks.
StepGradient Mean(const StepGradient& a, const StepGradient& b) {
  StepGradient out = a;
  out.values = io::Blob(a.values.size());
  auto* to = reinterpret_cast<double*>(out.values.data());
  for (std::size_t i = 0; i < Doubles(a).size(); ++i) to[i] = (Doubles(a)[i] + Doubles(b)[i]) / 2;
  for (std::size_t i = 0; i < a.seen.size(); ++i) out.seen[i] = std::max(a.seen[i], b.seen[i]);
  for (std::size_t i = 0; i < a.cameras.size(); ++i) out.cameras[i] = (a.cameras[i] + b.cameras[i]) / 2;
  return out;
}

double LargestDifference(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(double{a[i]} - double{b[i]}));
  return largest;
}

}  // namespace

TEST_CASE("Rays that the caller draws train with the bits of those that the photographs give") {
  const Photos photos = Blob();
  const TrainingSpec spec = Busy(*photos);
  Stream stream = NewStream();
  const auto own = Get(Trainer::Make(stream, spec, nullptr)), theirs = Get(Trainer::Make(stream, spec, photos));
  const RaySource source = Get(RaySource::Make(photos, spec.rays, spec.seed));
  TrainingRays rays;
  while (!theirs->finished()) {
    const std::int64_t step = theirs->steps_done(), n = step < 20 ? 256 : 300;
    source.Draw(step, 0, n, CamerasOf(*photos), rays);
    TrainingBatch batch = BatchOf(rays, 0, static_cast<std::size_t>(n));
    if (step % 2 == 1) batch.rays.ids = rays.ids.data();  // the same as without
    const StepReport a = Get(own->Step(stream, batch)), b = Get(theirs->Step(stream));
    CHECK(a.loss == b.loss);
    CHECK(a.samples == b.samples);
    CHECK(a.step == b.step);
  }
  CHECK(ValuesOf(stream, *own) == ValuesOf(stream, *theirs));
  CHECK(Get(own->Cells(stream)) == Get(theirs->Cells(stream)));
}

TEST_CASE("A trainer without photographs takes rays alone, and goes on from its checkpoint") {
  const Photos photos = Blob();
  const TrainingSpec spec = Busy(*photos);
  Stream stream = NewStream();
  const auto trainer = Get(Trainer::Make(stream, spec, nullptr));
  CHECK(Refused(trainer->Step(stream).status(), StatusCode::kFailedPrecondition, {"no photographs", "give rays"}));
  CHECK(Refused(trainer->Gradient(stream, {}).status(), StatusCode::kFailedPrecondition, {"no photographs"}));
  TrainingRays rays;
  Get(RaySource::Make(photos, spec.rays, spec.seed)).Draw(0, 0, 64, CamerasOf(*photos), rays);
  const TrainingBatch batch = BatchOf(rays, 0, 64);
  Ok(trainer->Step(stream, batch).status());
  const TempFolder folder;
  Ok(trainer->SaveCheckpoint(stream, folder / "a.ckpt"));
  CHECK(Get(Trainer::StepOfCheckpoint(folder / "a.ckpt")) == 1);
  const auto restored = Get(Trainer::RestoreCheckpoint(stream, folder / "a.ckpt", spec, nullptr));
  CHECK(Refused(Trainer::RestoreCheckpoint(stream, folder / "a.ckpt", spec, photos).status(),
                StatusCode::kFailedPrecondition, {"of 0 photographs, and this one has 24"}));
  for (const auto& t : {restored.get(), trainer.get()}) Ok(t->Step(stream, batch).status());
  CHECK(StateOf(stream, *restored) == StateOf(stream, *trainer));
}

TEST_CASE("A ray without weight, and one that ends before the field, teach nothing") {
  const Photos photos = Blob();
  TrainingSpec spec = Busy(*photos);
  spec.regularisers = {};
  Stream stream = NewStream();
  TrainingRays rays;
  Get(RaySource::Make(photos, spec.rays, spec.seed)).Draw(0, 0, 64, CamerasOf(*photos), rays);
  const auto gradient_of = [&](const TrainingBatch& batch) {
    const auto trainer = Get(Trainer::Make(stream, spec, nullptr));
    GradientRequest request;
    request.batch = &batch;
    request.dtype = DType::kF64;
    return Get(trainer->Gradient(stream, request));
  };
  TrainingBatch batch = BatchOf(rays, 0, 64);
  const auto zero = [](double v) { return v == 0; };
  const StepGradient all = gradient_of(batch);
  CHECK_FALSE(std::all_of(Doubles(all).begin(), Doubles(all).end(), zero));
  const std::vector<float> none(64, 0.0f), near(64, 0.5f);
  batch.weights = none.data();
  const StepGradient weightless = gradient_of(batch);
  CHECK(std::all_of(Doubles(weightless).begin(), Doubles(weightless).end(), zero));
  CHECK(weightless.report.loss == 0);
  batch.weights = nullptr;
  batch.rays.t_far = near.data();  // the cameras are 4 away
  const StepGradient cut = gradient_of(batch);
  CHECK(std::all_of(Doubles(cut).begin(), Doubles(cut).end(), zero));
  CHECK(cut.report.samples == 0);
}

TEST_CASE("Batches that do not fit are refused by name, and nothing is trained") {
  const Photos photos = Blob();
  Stream stream = NewStream();
  const TrainingSpec spec = Busy(*photos);
  const auto trainer = Get(Trainer::Make(stream, spec, photos));
  TrainingRays rays;
  Get(RaySource::Make(photos, spec.rays, spec.seed)).Draw(0, 0, 8, CamerasOf(*photos), rays);
  const std::string before = StateOf(stream, *trainer);
  const auto refused = [&](const std::function<void(TrainingBatch&)>& spoil, std::initializer_list<const char*> words) {
    TrainingBatch batch = BatchOf(rays, 0, 8);
    spoil(batch);
    return Refused(trainer->Step(stream, batch).status(), StatusCode::kInvalidArgument, words);
  };
  std::vector<float> bad(24, 0.5f), negative(8, -1.0f);
  bad[7] = std::numeric_limits<float>::quiet_NaN();
  CHECK(refused([](auto& b) { b.rays.count = 0; }, {"rays = 0", "must be 1 to 4194304"}));
  CHECK(refused([](auto& b) { b.rays.count = kMaxBatchRays + 1; }, {"rays = 4194305"}));
  CHECK(refused([](auto& b) { b.target = nullptr; }, {"target absent", "required"}));
  CHECK(refused([&](auto& b) { b.target = bad.data(); }, {"target[7] = nan", "must be finite"}));
  CHECK(refused([&](auto& b) { b.background = bad.data(); }, {"background[7] = nan"}));
  CHECK(refused([&](auto& b) { b.weights = bad.data(); }, {"weights[7] = nan"}));
  CHECK(refused([&](auto& b) { b.weights = negative.data(); }, {"weights[0] = -1", ">= 0"}));
  CHECK(StateOf(stream, *trainer).size() == before.size());
  CHECK(trainer->steps_done() == 0);
}

TEST_CASE("Two ranks with half of a batch each train what one does with all of it, and the same bits as each other") {
  const Photos photos = Blob();
  for (const bool refines : {false, true}) {
    CAPTURE(refines);
    TrainingSpec spec = Busy(*photos), doubled;
    // Linear in the gradient, so that rounding stays rounding.
    spec.optimizer.kind = "sgd";
    spec.optimizer.momentum = 0.9;
    spec.optimizer.density_rate = spec.optimizer.color_rate = 50;
    spec.cameras.poses = spec.cameras.focal = refines;
    spec.cameras.from_step = 3;
    doubled = spec;
    for (StageSpec& stage : doubled.stages) stage.rays *= 2;
    Stream one = NewStream(1), other = NewStream(2);
    const auto a = Get(Trainer::Make(one, spec, photos)), b = Get(Trainer::Make(other, spec, photos)),
               whole = Get(Trainer::Make(one, doubled, photos));
    GradientRequest of_a, of_b;
    of_a.dtype = of_b.dtype = DType::kF64;
    of_a.world_size = of_b.world_size = 2;
    of_b.rank = 1;
    double samples = 0;
    int apart = 0;  // steps of which the ranks saw different cells
    while (!whole->finished()) {
      const StepGradient from_a = Get(a->Gradient(one, of_a)), from_b = Get(b->Gradient(other, of_b));
      apart += from_a.seen != from_b.seen ? 1 : 0;
      CHECK(from_a.cameras.empty() == (!refines || from_a.step < 3));
      const StepGradient mean = Mean(from_a, from_b);
      const StepReport done = Get(a->Apply(one, mean));
      CHECK(done.step == mean.step + 1);
      CHECK(done.loss == from_a.report.loss);
      Ok(b->Apply(other, mean).status());
      const StepReport report = Get(whole->Step(one));
      samples = static_cast<double>(report.samples);
      CHECK(report.loss == Approx((from_a.report.loss + from_b.report.loss) / 2).epsilon(1e-3));
    }
    CHECK(samples > 0);
    CHECK(apart > 10);
    CHECK(StateOf(one, *a) == StateOf(other, *b));
    const std::vector<float> ranks = ValuesOf(one, *a), alone = ValuesOf(one, *whole);
    const auto [least, most] = std::minmax_element(alone.begin(), alone.end());
    CAPTURE(*least, *most, LargestDifference(ranks, alone));
    CHECK(*most - *least > 1);  // something was learned
    CHECK(LargestDifference(ranks, alone) < 2e-4 * (*most - *least));
    for (std::size_t i = 0; i < photos->photos.size(); ++i) {
      const Affine mine = Get(a->CameraOf(i)).camera_to_world, theirs = Get(whole->CameraOf(i)).camera_to_world;
      for (std::size_t k = 0; k < 12; ++k) CHECK(mine.m[k] == Approx(theirs.m[k]).margin(1e-4));
    }
    // Cells are the union of what both have seen: the masks agree.
    const auto cells = Get(a->Cells(one)), expected = Get(whole->Cells(one));
    std::size_t differ = 0;
    for (std::size_t i = 0; i < cells.size(); ++i) differ += (cells[i] != 0) != (expected[i] != 0) ? 1 : 0;
    CAPTURE(differ, cells.size());
    CHECK(differ * 1000 <= cells.size());
    CHECK(std::count(cells.begin(), cells.end(), 0) > 400);
  }
}

TEST_CASE("Parts of a batch of the caller's own average to the gradient of all of it") {
  const Photos photos = Blob();
  const TrainingSpec spec = Busy(*photos);
  Stream stream = NewStream();
  const auto trainer = Get(Trainer::Make(stream, spec, nullptr));
  TrainingRays rays;
  Get(RaySource::Make(photos, spec.rays, spec.seed)).Draw(0, 0, 128, CamerasOf(*photos), rays);
  const TrainingBatch all = BatchOf(rays, 0, 128), low = BatchOf(rays, 0, 64), high = BatchOf(rays, 64, 64);
  const auto gradient_of = [&](const TrainingBatch& batch, int rank, int world_size) {
    GradientRequest request;
    request.batch = &batch;
    request.rank = rank;
    request.world_size = world_size;
    request.dtype = DType::kF64;
    return Get(trainer->Gradient(stream, request));
  };
  const StepGradient whole = gradient_of(all, 0, 1), mean = Mean(gradient_of(low, 0, 2), gradient_of(high, 1, 2));
  CHECK(mean.seen == whole.seen);
  double largest = 0, off = 0;
  for (std::size_t i = 0; i < Doubles(whole).size(); ++i) {
    largest = std::max(largest, std::abs(Doubles(whole)[i]));
    off = std::max(off, std::abs(Doubles(whole)[i] - Doubles(mean)[i]));
  }
  CHECK(largest > 0);
  CHECK(off < 1e-6 * largest);
}

TEST_CASE("A gradient that is made and not applied changes nothing; its own is a step") {
  const Photos photos = Blob();
  TrainingSpec spec = Busy(*photos);
  spec.optimizer.kind = "sgd";  // linear in the gradient
  spec.optimizer.density_rate = spec.optimizer.color_rate = 50;
  spec.cameras.poses = true;
  Stream stream = NewStream();
  const auto stepped = Get(Trainer::Make(stream, spec, photos));
  auto halved = Get(Trainer::Make(stream, spec, photos));
  GradientRequest request;
  request.dtype = DType::kF64;
  const TempFolder folder;
  while (!stepped->finished()) {
    Ok(stepped->Step(stream).status());
    Ok(halved->Gradient(stream, request).status());
    if (stepped->steps_done() % 5 == 1) {  // also where the grid has grown and the mask was refined
      const std::string between = StateOf(stream, *halved);
      Ok(halved->SaveCheckpoint(stream, folder / "a.ckpt"));
      Ok(halved->Gradient(stream, request).status());
      CHECK(StateOf(stream, *halved) == between);
      halved = Get(Trainer::RestoreCheckpoint(stream, folder / "a.ckpt", spec, photos));
    }
    const StepGradient gradient = Get(halved->Gradient(stream, request));
    Ok(halved->Apply(stream, gradient).status());
  }
  // f64 holds the sums, but the quantum of what is applied is another where it is finer: values differ by rounding.
  CHECK(LargestDifference(ValuesOf(stream, *stepped), ValuesOf(stream, *halved)) < 1e-5);
  CHECK(Get(stepped->Cells(stream)) == Get(halved->Cells(stream)));
}

TEST_CASE("Gradients of another step, size or kind are refused") {
  const Photos photos = Blob();
  TrainingSpec spec = Busy(*photos);
  spec.cameras.poses = true;
  Stream stream = NewStream();
  const auto trainer = Get(Trainer::Make(stream, spec, photos));
  const StepGradient good = Get(trainer->Gradient(stream, {}));
  CHECK(good.dtype == DType::kF32);
  CHECK(good.shape == std::array<std::int64_t, 4>{12, 12, 12, 13});
  CHECK(good.cameras.size() == 24 * 13);
  const std::string before = StateOf(stream, *trainer);
  const auto refused = [&](const std::function<void(StepGradient&)>& spoil, StatusCode code,
                           std::initializer_list<const char*> words) {
    StepGradient gradient = good;
    gradient.values = io::Blob::Copy(good.values.data(), good.values.size());
    spoil(gradient);
    return Refused(trainer->Apply(stream, gradient).status(), code, words);
  };
  const auto invalid = StatusCode::kInvalidArgument;
  CHECK(refused([](auto& g) { g.step = 1; }, StatusCode::kAborted, {"gradient.step = 1", "0 steps have been done"}));
  CHECK(refused([](auto& g) { g.shape[3] = 4; }, invalid, {"gradient.shape = (12, 12, 12, 4)", "(12, 12, 12, 13)"}));
  CHECK(refused([](auto& g) { g.dtype = DType::kF64; }, invalid, {"gradient.values", "shape and dtype need 179712"}));
  CHECK(refused([](auto& g) { g.seen.pop_back(); }, invalid, {"gradient.seen = 1727 cells", "must be 1728"}));
  CHECK(refused([](auto& g) { g.cameras.clear(); }, invalid, {"gradient.cameras = 0 numbers", "must be 312"}));
  CHECK(refused([](auto& g) { g.cameras[5] = NAN; }, invalid, {"gradient.cameras[5] = nan", "finite"}));
  CHECK(refused([](auto& g) { reinterpret_cast<float*>(g.values.data())[17] = INFINITY; }, invalid,
                {"values[17] = inf", "finite"}));
  CHECK(StateOf(stream, *trainer) == before);
  const auto request = [&](int rank, int world_size) {
    GradientRequest r;
    r.rank = rank;
    r.world_size = world_size;
    return trainer->Gradient(stream, r).status();
  };
  CHECK(Refused(request(0, 0), invalid, {"world_size = 0", "must be 1 to 65536"}));
  CHECK(Refused(request(0, 65537), invalid, {"world_size = 65537"}));
  CHECK(Refused(request(2, 2), invalid, {"rank = 2", "world_size - 1 = 1"}));
  CHECK(Refused(request(-1, 2), invalid, {"rank = -1"}));
  Ok(trainer->Apply(stream, good).status());
  CHECK(trainer->steps_done() == 1);
}

TEST_CASE("Values that are taken out and put back change no bits of what follows") {
  const std::string dtype = GENERATE("f32", "f16");  // of f16 the masters stay, too
  CAPTURE(dtype);
  const Photos photos = Blob();
  TrainingSpec spec = Busy(*photos);
  spec.field.dtype = dtype;
  spec.field.initial_density = -2;
  spec.occupancy.alpha_threshold = 2e-2;  // about what cells begin with: some go, some stay
  Stream stream = NewStream();
  const auto touched = Get(Trainer::Make(stream, spec, photos)), left = Get(Trainer::Make(stream, spec, photos));
  while (!left->finished()) {
    Ok(left->Step(stream).status());
    Ok(touched->Step(stream).status());
    if (left->steps_done() % 7 != 0) continue;
    const auto cells = Get(touched->Cells(stream));
    Ok(touched->SetValues(stream, ValuesOf(stream, *touched), cells));
    CHECK(Get(touched->Cells(stream)) == cells);
  }
  CHECK(StateOf(stream, *touched) == StateOf(stream, *left));

  // Without cells all are there: what was pruned shows again.
  const auto pruned = Get(touched->Cells(stream));
  CHECK(std::count(pruned.begin(), pruned.end(), 0) > 0);
  std::vector<float> values = ValuesOf(stream, *touched);
  std::fill(values.begin(), values.end(), 1.5f);
  Ok(touched->SetValues(stream, values, {}));
  CHECK(ValuesOf(stream, *touched) == values);
  const auto cells = Get(touched->Cells(stream));
  CHECK(std::count(cells.begin(), cells.end(), 1) == static_cast<std::ptrdiff_t>(cells.size()));

  const auto invalid = StatusCode::kInvalidArgument;
  std::vector<float> bad = values;
  bad.pop_back();
  CHECK(Refused(touched->SetValues(stream, bad, {}), invalid, {"values = 63868 numbers", "must be 63869"}));
  bad = values;
  bad[3] = NAN;
  CHECK(Refused(touched->SetValues(stream, bad, {}), invalid, {"values[3] = nan", "finite"}));
  CHECK(Refused(touched->SetValues(stream, values, std::vector<std::uint8_t>(5, 1)), invalid, {"cells = 5", "4913"}));
  std::vector<std::uint8_t> odd(4913, 1);
  odd[9] = 128;
  CHECK(Refused(touched->SetValues(stream, values, odd), invalid, {"cells[9] = 128", "not there"}));
  CHECK(ValuesOf(stream, *touched) == values);
}

TEST_CASE("Values that f16 cannot hold are refused by a field of f16, and round there") {
  const Photos photos = Blob();
  TrainingSpec spec = Busy(*photos);
  spec.field.dtype = "f16";
  Stream stream = NewStream();
  const auto trainer = Get(Trainer::Make(stream, spec, photos));
  std::vector<float> values = ValuesOf(stream, *trainer), before = values;
  values[2] = 65520;
  CHECK(
      Refused(trainer->SetValues(stream, values, {}), StatusCode::kOutOfRange, {"values[2] = 65520", "65504", "f32"}));
  CHECK(ValuesOf(stream, *trainer) == before);
  values[2] = 1 + 0x1p-11F;  // between 1 and 1 + 2^-10: the even one
  values[3] = -65519;
  Ok(trainer->SetValues(stream, values, {}));
  CHECK(ValuesOf(stream, *trainer)[2] == 1);
  CHECK(ValuesOf(stream, *trainer)[3] == -65504);
}

TEST_CASE("Cameras that are put in are those that rays leave from") {
  const Photos photos = Blob();
  const TrainingSpec spec = Busy(*photos);
  Stream stream = NewStream();
  auto moved = std::make_shared<io::PhotoSet>(*photos);
  for (io::Photo& photo : moved->photos) photo.camera.camera_to_world.m[3] += 0.125;
  const auto made = Get(Trainer::Make(stream, spec, moved)), told = Get(Trainer::Make(stream, spec, photos));
  Ok(told->SetCameras(CamerasOf(*moved)));
  for (int i = 0; i < 3; ++i) CHECK(Get(made->Step(stream)).loss == Get(told->Step(stream)).loss);
  CHECK(ValuesOf(stream, *made) == ValuesOf(stream, *told));
  std::vector<io::PhotoCamera> cameras = CamerasOf(*photos);
  cameras[2].width = 31;
  CHECK(Refused(told->SetCameras(cameras), StatusCode::kInvalidArgument, {"cameras[2] = 31 x 32", "32 x 32"}));
  cameras.pop_back();
  CHECK(Refused(told->SetCameras(cameras), StatusCode::kInvalidArgument, {"cameras = 23", "24 photographs"}));
}

TEST_CASE("A trainer goes back to a checkpoint of its own, and stays what it is after one that is not") {
  const Photos photos = Blob();
  TrainingSpec spec = Busy(*photos);
  Stream stream = NewStream();
  const auto trainer = Get(Trainer::Make(stream, spec, photos));
  const TempFolder folder;
  for (int i = 0; i < 12; ++i) Ok(trainer->Step(stream).status());
  Ok(trainer->SaveCheckpoint(stream, folder / "a.ckpt"));
  const std::string then = StateOf(stream, *trainer);
  for (int i = 0; i < 15; ++i) Ok(trainer->Step(stream).status());  // over the growth
  const std::string later = StateOf(stream, *trainer);
  CHECK(Get(Trainer::StepOfCheckpoint(folder / "a.ckpt")) == 12);
  Ok(trainer->Restore(stream, folder / "a.ckpt"));
  CHECK(StateOf(stream, *trainer) == then);
  for (int i = 0; i < 15; ++i) Ok(trainer->Step(stream).status());
  CHECK(StateOf(stream, *trainer) == later);
  spec.seed = 4;
  Ok(Get(Trainer::Make(stream, spec, photos))->SaveCheckpoint(stream, folder / "b.ckpt"));
  CHECK(Refused(trainer->Restore(stream, folder / "b.ckpt"), StatusCode::kFailedPrecondition, {"another recipe"}));
  CHECK(StateOf(stream, *trainer) == later);
}

TEST_CASE("A checkpoint of another recipe or dataset says what differs, there and here") {
  const auto photos = std::make_shared<io::PhotoSet>(*Blob());
  const TrainingSpec spec = Busy(*photos);
  Stream stream = NewStream();
  const TempFolder folder;
  Ok(Get(Trainer::Make(stream, spec, photos))->SaveCheckpoint(stream, folder / "a.ckpt"));
  const auto says = [&](const std::function<void(TrainingSpec&)>& change, std::initializer_list<const char*> words) {
    TrainingSpec other = spec;
    change(other);
    return Refused(Trainer::RestoreCheckpoint(stream, folder / "a.ckpt", other, photos).status(),
                   StatusCode::kFailedPrecondition, words);
  };
  CHECK(says([](auto& s) { s.seed = 9; }, {"seed = 9, and 3 in the checkpoint"}));
  CHECK(says([](auto& s) { s.optimizer.color_rate = 0.02 + 1e-17 + 1e-10; },
             {"optimizer.color_rate = 0.0200000001", ", and 0.02 in the checkpoint"}));
  CHECK(says([](auto& s) { s.optimizer.kind = "adamw"; }, {"optimizer.kind = adamw, and adam in"}));
  CHECK(says([](auto& s) { s.stages[1].rays = 301; }, {"stages[1].rays = 301, and 300 in"}));
  CHECK(says([](auto& s) { s.stages.pop_back(); }, {"number of stages = 1, and 2 in"}));
  CHECK(says([](auto& s) { s.field.box.max[1] += 0.25; }, {"field.box.max = (1, 1.25, 1), and (1, 1, 1) in"}));
  CHECK(says([](auto& s) { s.cameras.poses = true; }, {"cameras.poses = true, and false in"}));
  CHECK(says(
      [](auto& s) {
        s.seed = 9;
        s.steps = 50;
        s.early_stop = 0;
        s.loss.kind = "l1";
      },
      {"steps = 50, and 40", "seed = 9", "early_stop = 0, and 0.0005", "and 1 more"}));
  auto other = std::make_shared<io::PhotoSet>(*photos);
  other->photos[3].values[1000] ^= 1;
  const std::string name = "photograph 3, " + other->photos[3].name;
  CHECK(Refused(Trainer::RestoreCheckpoint(stream, folder / "a.ckpt", spec, other).status(),
                StatusCode::kFailedPrecondition, {name.c_str(), "other pixels or another camera"}));
  other->photos.pop_back();
  CHECK(Refused(Trainer::RestoreCheckpoint(stream, folder / "a.ckpt", spec, other).status(),
                StatusCode::kFailedPrecondition, {"of 24 photographs, and this one has 23"}));
}

}  // namespace dvren::test
