// What a trainer does with gradients before the optimizer sees them: batches that add up, clipping, quanta that follow
// the loss scale; and rays drawn by errors.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "dvren/core/device.h"
#include "dvren/core/stream.h"
#include "dvren/train/synthetic_photos.h"
#include "dvren/train/trainer.h"
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

// Plain descent, so that a step is the gradient times the rate.
TrainingSpec Descent(const io::PhotoSet& photos) {
  TrainingSpec spec;
  spec.steps = 30;
  spec.seed = 5;
  spec.field.box = photos.bounds;
  spec.field.initial_density = -1.5;
  spec.stages = {{0, 12, 256}};
  spec.optimizer.kind = "sgd";
  spec.optimizer.density_rate = 20;
  spec.optimizer.color_rate = 10;
  spec.schedule.kind = "constant";
  spec.regularisers.tv_density = 1e-4;
  spec.regularisers.sparsity = 1e-4;
  spec.regularisers.distortion = 1e-3;
  return spec;
}

std::vector<float> ValuesOf(Stream& stream, const Trainer& trainer) {
  const io::DenseVolume grid = Get(trainer.Snapshot(stream));
  const auto* values = reinterpret_cast<const float*>(grid.values.data());
  return {values, values + grid.values.size() / sizeof(float)};
}

std::vector<double> GradientOf(Stream& stream, Trainer& trainer) {
  GradientRequest request;
  request.dtype = DType::kF64;
  const StepGradient gradient = Get(trainer.Gradient(stream, request));
  const auto* values = reinterpret_cast<const double*>(gradient.values.data());
  return {values, values + gradient.values.size() / sizeof(double)};
}

template <class T>
double LargestDifference(const std::vector<T>& a, const std::vector<T>& b) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(double{a[i]} - double{b[i]}));
  return largest;
}

double LargestOf(const std::vector<double>& a) {
  return LargestDifference(a, std::vector<double>(a.size(), 0.0));
}

}  // namespace

TEST_CASE("Batches that add up train as one batch of all their rays does") {
  const Photos photos = Blob();
  TrainingSpec whole = Descent(*photos), parts = whole;
  whole.cameras.poses = parts.cameras.poses = true;
  parts.stages[0].rays = 64;
  parts.optimizer.accumulate_steps = 4;
  Stream stream = NewStream();
  const auto one = Get(Trainer::Make(stream, whole, photos)), four = Get(Trainer::Make(stream, parts, photos));
  const std::vector<double> gradient = GradientOf(stream, *one);
  CHECK(LargestDifference(gradient, GradientOf(stream, *four)) < 1e-9 * LargestOf(gradient));
  while (!one->finished()) {
    const StepReport a = Get(one->Step(stream)), b = Get(four->Step(stream));
    CHECK(b.rays == 256);
    CHECK(b.loss == Approx(a.loss).epsilon(1e-5));
    CHECK(b.psnr == Approx(a.psnr).epsilon(1e-5));
    if (a.step == 1) CHECK(b.samples == a.samples);
  }
  CHECK(LargestDifference(ValuesOf(stream, *one), ValuesOf(stream, *four)) < 1e-4);
  // Ranks go on where those before them end.
  GradientRequest second{nullptr, 1, 2, DType::kF64};
  const auto early = Get(Trainer::Make(stream, whole, photos)), other = Get(Trainer::Make(stream, parts, photos));
  const StepGradient a = Get(early->Gradient(stream, second)), b = Get(other->Gradient(stream, second));
  CHECK(a.report.samples == b.report.samples);
  second.world_size = 1 << 16;
  CHECK(Get(early->Gradient(stream, second)).report.rays == 256);
  second.world_size = (1 << 16) + 1;
  CHECK(Refused(other->Gradient(stream, second).status(), StatusCode::kInvalidArgument, {"world_size = 65537"}));
}

TEST_CASE("A step follows the gradient as it is clipped, by norm and then by value") {
  const Photos photos = Blob();
  Stream stream = NewStream();
  TrainingSpec spec = Descent(*photos);
  spec.regularisers.tv_density = 0;  // which an exported gradient does not hold
  const auto free_run = Get(Trainer::Make(stream, spec, photos));
  const std::vector<double> gradient = GradientOf(stream, *free_run);
  double squares = 0;
  for (const double g : gradient) squares += g * g;
  const double norm = std::sqrt(squares), largest = LargestOf(gradient);
  const auto channels = static_cast<std::size_t>(Get(free_run->Snapshot(stream)).shape[3]);
  for (const double clip_norm : {0.0, 0.3 * norm, 2 * norm}) {
    for (const double clip_value : {0.0, 0.1 * largest}) {
      CAPTURE(clip_norm, clip_value, norm, largest);
      spec.optimizer.clip_norm = clip_norm;
      spec.optimizer.clip_value = clip_value;
      const auto trainer = Get(Trainer::Make(stream, spec, photos));
      const std::vector<float> before = ValuesOf(stream, *trainer);
      Ok(trainer->Step(stream).status());
      const std::vector<float> after = ValuesOf(stream, *trainer);
      const double factor = clip_norm > 0 ? std::min(1.0, clip_norm / norm) : 1.0;
      double worst = 0;
      for (std::size_t i = 0; i < gradient.size(); ++i) {
        double g = gradient[i] * factor;
        if (clip_value > 0) g = std::clamp(g, -clip_value, clip_value);
        const double rate = i % channels + 1 == channels ? 20 : 10;
        worst = std::max(worst, std::abs(after[i] - (before[i] - rate * g)));
      }
      CHECK(worst < 1e-6);  // of values about 1 in f32
    }
  }
}

TEST_CASE("A finer quantum changes a gradient by less than the coarser one") {
  const Photos photos = Blob();
  Stream stream = NewStream();
  TrainingSpec spec = Descent(*photos);
  const std::vector<double> plain = GradientOf(stream, *Get(Trainer::Make(stream, spec, photos)));
  const auto difference = [&](const char* scale) {
    spec.optimizer.loss_scale = scale;
    return LargestDifference(GradientOf(stream, *Get(Trainer::Make(stream, spec, photos))), plain) / LargestOf(plain);
  };
  const double finer = difference("256"), coarser = difference("0.00006103515625");  // 2^-14
  CAPTURE(finer, coarser);
  CHECK(finer > 0);
  CHECK(finer < 1e-6);
  CHECK(coarser < 1e-2);
  CHECK(coarser > 100 * finer);
}

TEST_CASE("A fixed loss scale that is too large is an error, and the trainer stays as it was") {
  const Photos photos = Blob();
  Stream stream = NewStream();
  TrainingSpec spec = Descent(*photos);
  spec.optimizer.loss_scale = "1073741824";
  const auto trainer = Get(Trainer::Make(stream, spec, photos));
  const std::vector<float> before = ValuesOf(stream, *trainer);
  CHECK(Refused(trainer->Step(stream).status(), StatusCode::kOutOfRange,
                {"optimizer.loss_scale = 1073741824", "choose a smaller one, or dynamic"}));
  CHECK(trainer->Gradient(stream, {}).status().code() == StatusCode::kOutOfRange);
  CHECK(ValuesOf(stream, *trainer) == before);
  CHECK(trainer->steps_done() == 0);
}

TEST_CASE("A dynamic loss scale halves with every overflow, whose step is skipped, and doubles after good ones") {
  const Photos photos = Blob();
  Stream stream = NewStream();
  TrainingSpec spec = Descent(*photos);
  spec.steps = 60;
  spec.optimizer.loss_scale = "dynamic";
  for (const int window : {1, 2}) {
    spec.optimizer.loss_scale_window = window;
    const auto trainer = Get(Trainer::Make(stream, spec, photos));
    double scale = 1;
    int good = 0, skipped = 0;
    std::vector<float> before = ValuesOf(stream, *trainer);
    while (!trainer->finished()) {
      const StepReport report = Get(trainer->Step(stream));
      CAPTURE(window, report.step);
      CHECK(report.step == trainer->steps_done());
      CHECK(report.loss_scale == scale);
      std::vector<float> after = ValuesOf(stream, *trainer);
      CHECK((after == before) == report.skipped);
      before = std::move(after);
      if (report.skipped) {
        scale /= 2;
        good = 0;
        ++skipped;
      } else if (++good == window) {
        scale *= 2;
        good = 0;
      }
    }
    CHECK(scale > 256);
    CHECK(skipped > 2);
    CHECK(skipped < 30);
  }
}

TEST_CASE("A gradient for others is exported whatever the dynamic loss scale has come to") {
  const Photos photos = Blob();
  Stream stream = NewStream();
  TrainingSpec spec = Descent(*photos);
  spec.steps = 60;
  spec.optimizer.loss_scale = "dynamic";
  spec.optimizer.loss_scale_window = 1;
  const auto trainer = Get(Trainer::Make(stream, spec, photos));
  int halved = 0;
  for (int i = 0; i < 40; ++i) {
    const StepGradient gradient = Get(trainer->Gradient(stream, {}));
    const StepReport report = Get(trainer->Step(stream));
    CHECK(!report.skipped);
    CHECK(report.loss_scale == gradient.report.loss_scale);
    CHECK(gradient.report.rays == 256);
    halved += gradient.report.loss_scale < std::ldexp(1.0, i) ? 1 : 0;
  }
  CHECK(halved > 0);
}

TEST_CASE("Error maps, accumulation, clipping and loss scales go on from a checkpoint, for any number of threads") {
  const Photos photos = Blob();
  TrainingSpec spec = Descent(*photos);
  spec.optimizer = OptimizerSpec();
  spec.optimizer.accumulate_steps = 2;
  spec.optimizer.clip_norm = 1e-3;
  spec.optimizer.clip_value = 1e-4;
  spec.optimizer.loss_scale = "dynamic";
  spec.optimizer.loss_scale_window = 1;
  spec.rays.error_map = true;
  spec.rays.error_cell = 4;
  const auto run = [&](const TrainingSpec& s, int threads, std::int64_t stop) {
    const TempFolder folder;
    Stream stream = NewStream(threads);
    std::unique_ptr<Trainer> trainer = Get(Trainer::Make(stream, s, photos));
    int skipped = 0;
    while (!trainer->finished()) {
      if (Get(trainer->Step(stream)).skipped) ++skipped;
      if (trainer->steps_done() != stop) continue;
      Ok(trainer->SaveCheckpoint(stream, folder / "a.ckpt"));
      trainer = Get(Trainer::RestoreCheckpoint(stream, folder / "a.ckpt", s, photos));
    }
    CHECK(skipped > 0);
    return ValuesOf(stream, *trainer);
  };
  const std::vector<float> whole = run(spec, 1, -1);
  CHECK(run(spec, 1, 17) == whole);
  CHECK(run(spec, 2, 20) == whole);
  using Change = void (*)(TrainingSpec&);
  const Change changes[] = {
      [](TrainingSpec& s) { s.rays.error_map = false; },         [](TrainingSpec& s) { s.rays.error_cell = 8; },
      [](TrainingSpec& s) { s.rays.error_decay = 0.5; },         [](TrainingSpec& s) { s.rays.error_fraction = 0.4; },
      [](TrainingSpec& s) { s.optimizer.accumulate_steps = 3; }, [](TrainingSpec& s) { s.optimizer.clip_norm = 1e-4; },
      [](TrainingSpec& s) { s.optimizer.clip_value = 1e-6; },
  };
  int index = 0;
  for (const Change change : changes) {
    TrainingSpec other = spec;
    change(other);
    CAPTURE(index++);
    CHECK(run(other, 1, -1) != whole);
  }
  Stream stream = NewStream();
  const auto trainer = Get(Trainer::Make(stream, spec, photos));
  CHECK(Refused(trainer->Gradient(stream, {}).status(), StatusCode::kFailedPrecondition, {"rays.error_map = true"}));
}

}  // namespace dvren::test
