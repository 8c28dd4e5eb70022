#include "dvren/train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <utility>

#include "dvren/diff/backward.h"
#include "dvren/io/to_half.h"
#include "dvren/render/renderer.h"
#include "dvren/scene/pixel_ray.h"
#include "train/grid_growth.h"
#include "train/trainer_state.h"

namespace dvren {
namespace {

using Clock = std::chrono::steady_clock;
double Since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

constexpr double kSparsityFloor = 1e-2;  // of the transmittance in -log: opaque rays have no slope to speak of

absl::Status CheckNumbers(absl::string_view name, const float* values, std::size_t count, float least) {
  for (std::size_t i = 0; i < count; ++i) {
    if (std::isfinite(values[i]) && values[i] >= least) continue;
    return InvalidField(absl::StrCat(name, "[", i, "]"), values[i],
                        least == 0 ? "must be finite and >= 0" : "must be finite");
  }
  return absl::OkStatus();
}

// The caller's rays in the place of the photographs'; nothing says which photograph they are of.
absl::Status CopyBatch(const TrainingBatch& batch, std::int64_t step, std::int64_t rank, TrainingRays& out) {
  const std::int64_t n = batch.rays.count;
  if (n < 1 || n > kMaxBatchRays) return InvalidField("rays", n, absl::StrCat("must be 1 to ", kMaxBatchRays));
  if (batch.target == nullptr || batch.rays.origins == nullptr || batch.rays.directions == nullptr) {
    return InvalidField("rays", "origins, directions or target absent", "all three are required");
  }
  const auto count = static_cast<std::size_t>(n);
  constexpr float kAny = std::numeric_limits<float>::lowest();
  DVREN_RETURN_IF_ERROR(CheckNumbers("target", batch.target, 3 * count, kAny));
  if (batch.background) DVREN_RETURN_IF_ERROR(CheckNumbers("background", batch.background, 3 * count, kAny));
  if (batch.weights) DVREN_RETURN_IF_ERROR(CheckNumbers("weights", batch.weights, count, 0));
  const auto copy = [](const void* from, std::size_t size, std::vector<float>& to) {
    const auto* values = static_cast<const float*>(from);
    values ? to.assign(values, values + size) : to.clear();
  };
  copy(batch.rays.origins, 3 * count, out.origins);
  copy(batch.rays.directions, 3 * count, out.directions);
  copy(batch.rays.t_near, count, out.t_near);
  copy(batch.rays.t_far, count, out.t_far);
  copy(batch.target, 3 * count, out.target);
  copy(batch.background, 3 * count, out.background);
  out.background.resize(3 * count, 0.0f);
  copy(batch.weights, count, out.weights);
  out.weights.resize(count, 1.0f);
  out.ids.resize(count);
  for (std::int64_t i = 0; i < n; ++i) {
    out.ids[static_cast<std::size_t>(i)] = batch.rays.ids ? batch.rays.ids[i] : RayIdOf(step, rank * n + i);
  }
  out.photo.clear();
  return absl::OkStatus();
}

}  // namespace

// The grid becomes the field that is trained, with moments and a gradient of its own.
absl::Status Trainer::State::Adopt(Stream& stream, io::DenseVolume grid, const std::vector<std::uint8_t>& cells) {
  std::shared_ptr<Field> made;
  if (spec.field.dtype == "f16") {
    DVREN_ASSIGN_OR_RETURN(const io::DenseVolume stored, io::ToHalf(grid));
    DVREN_ASSIGN_OR_RETURN(made, CreateField(stream, stored));
  } else {
    DVREN_ASSIGN_OR_RETURN(made, CreateField(stream, grid));
  }
  DVREN_ASSIGN_OR_RETURN(FieldWriter of, FieldWriter::Make(made));
  DVREN_ASSIGN_OR_RETURN(std::shared_ptr<GradientTensor> sums, GradientTensor::Make(stream, made));
  DVREN_ASSIGN_OR_RETURN(std::unique_ptr<Moments> fresh, Moments::Make(stream, *made, optimizer->rule()));
  masked = !cells.empty();
  if (masked) DVREN_RETURN_IF_ERROR(of.SetMask(stream, cells, spec.occupancy.weight_threshold));
  grid.values = {};
  shape = std::move(grid);
  moments = std::move(fresh);
  gradient = std::move(sums);
  writer = std::make_unique<FieldWriter>(std::move(of));
  return absl::OkStatus();
}

absl::Status Trainer::State::Begin(Stream& stream) {
  DVREN_ASSIGN_OR_RETURN(io::DenseVolume grid,
                         InitialGrid(spec.field, spec.stages.front().resolution, spec.ShDegree(0)));
  const std::vector<std::uint8_t> all(static_cast<std::size_t>(grid.shape[0] * grid.shape[1] * grid.shape[2]), 1);
  return Adopt(stream, std::move(grid), all);
}

absl::Status Trainer::State::Grow(Stream& stream) {
  io::DenseVolume coarse = shape;
  coarse.values = io::Blob(field()->info().parameter_count * sizeof(float));
  auto* values = reinterpret_cast<float*>(coarse.values.data());
  DVREN_RETURN_IF_ERROR(writer->ReadValues(stream, {values, field()->info().parameter_count}));
  DVREN_ASSIGN_OR_RETURN(const std::vector<std::uint8_t> coarse_cells, writer->ReadMask(stream));
  DVREN_ASSIGN_OR_RETURN(io::DenseVolume fine,
                         InitialGrid(spec.field, spec.stages[stage].resolution, spec.ShDegree(stage)));
  // Outside the cells that are there nothing is left of what was there before.
  std::vector<std::uint8_t> cells;
  GrowGrid(coarse, coarse_cells, fine, cells);
  return Adopt(stream, std::move(fine), cells);
}

absl::Status Trainer::State::Refine(Stream& stream) {
  // A cell of this density makes a segment one voxel long as opaque as the threshold.
  const double density = -std::log1p(-spec.occupancy.alpha_threshold) / field()->info().min_voxel_world;
  return writer->RefineMask(stream, density, spec.occupancy.seen_window).status();
}

absl::Status Trainer::State::Prepare(Stream& stream) {
  if (prepared) return absl::OkStatus();
  if (stage + 1 < spec.stages.size() && step >= spec.stages[stage + 1].from_step) {
    if (step >= spec.occupancy.from_step) DVREN_RETURN_IF_ERROR(Refine(stream));
    ++stage;
    DVREN_RETURN_IF_ERROR(Grow(stream));
  } else if (step >= spec.occupancy.from_step && step > 0 && step % spec.occupancy.every_steps == 0) {
    DVREN_RETURN_IF_ERROR(Refine(stream));
  }
  prepared = true;
  return absl::OkStatus();
}

absl::Status Trainer::State::Differentiate(Stream& stream, const TrainingBatch* batch, int rank, StepReport& report) {
  if (batch == nullptr && !source) {
    return absl::FailedPreconditionError("training: there are no photographs to draw rays from; give rays and targets");
  }
  const std::int64_t parts = batch ? 1 : spec.optimizer.accumulate_steps;
  DVREN_RETURN_IF_ERROR(gradient->Zero(stream));
  camera_gradient.clear();
  if (source && source->errors()) source->errors()->Begin();
  report.loss_scale = std::ldexp(1.0, loss_scale.exponent());
  double squares = 0;
  absl::Status status;
  std::int64_t part = 0;
  while (status.ok() && part < parts) {
    DVREN_RETURN_IF_ERROR(Draw(batch, rank * parts + part++, report));
    status = AddBatch(stream, parts, squares, report);
  }
  // Of the batches that there were before an overflow.
  report.loss *= static_cast<double>(parts) / static_cast<double>(part);
  report.psnr = -10 * std::log10(std::max(squares / static_cast<double>(3 * report.rays), 1e-12));
  return status;
}

absl::Status Trainer::State::Draw(const TrainingBatch* batch, std::int64_t part, StepReport& report) {
  const auto start = Clock::now();
  if (batch != nullptr) {
    DVREN_RETURN_IF_ERROR(CopyBatch(*batch, step, part, rays));
  } else {
    const std::int64_t n = spec.stages[stage].rays;
    source->Draw(step, part * n, n, cameras, rays);
  }
  report.rays += static_cast<std::int64_t>(rays.ids.size());
  report.ray_seconds += Since(start);
  return absl::OkStatus();
}

absl::Status Trainer::State::AddBatch(Stream& stream, std::int64_t parts, double& squares, StepReport& report) {
  const auto forward_start = Clock::now();
  const auto n = static_cast<std::int64_t>(rays.ids.size());
  PlanSpec plan_spec = plan();
  plan_spec.aovs = kAovRgb | kAovTransmittance;
  if (spec.regularisers.distortion > 0) plan_spec.aovs |= kAovDistortion;
  plan_spec.sampling.note_seen = true;
  const std::shared_ptr<Device>& device = stream.device();
  DVREN_ASSIGN_OR_RETURN(const std::shared_ptr<const Plan> made, device->plans().Get(device, plan_spec));
  RayBatch batch;
  batch.count = n;
  batch.origins = rays.origins.data();
  batch.directions = rays.directions.data();
  if (!rays.t_near.empty()) batch.t_near = rays.t_near.data();
  if (!rays.t_far.empty()) batch.t_far = rays.t_far.data();
  batch.ids = rays.ids.data();
  Frame frame;
  const Renderer renderer;
  DVREN_ASSIGN_OR_RETURN(Tape forward, renderer.ForwardRays(stream, made, scene(), batch, frame));
  const auto tape = std::make_shared<const Tape>(std::move(forward));
  const auto count = static_cast<std::size_t>(n);
  for (auto* v : {&rgb, &prediction, &d_prediction}) v->resize(3 * count);
  for (auto* v : {&transmittance, &d_transmittance}) v->resize(count);
  DVREN_RETURN_IF_ERROR(frame.rgb.CopyToHost(stream, rgb.data()));
  DVREN_RETURN_IF_ERROR(frame.transmittance.CopyToHost(stream, transmittance.data()));
  report.forward_seconds += Since(forward_start);

  const auto backward_start = Clock::now();
  ErrorMap* const errors = source && !rays.photo.empty() ? source->errors() : nullptr;
  for (std::size_t i = 0; i < count; ++i) {
    double error = 0;
    for (std::size_t c = 0; c < 3; ++c) {
      const float value = rgb[3 * i + c] + transmittance[i] * rays.background[3 * i + c];
      prediction[3 * i + c] = value;
      const double e = rays.weights[i] * (value - rays.target[3 * i + c]);
      error += e * e;
    }
    squares += error;
    if (errors && rays.weights[i] > 0) errors->Add(rays.photo[i], rays.x[i], rays.y[i], error / 3);
  }
  const double scale = 1.0 / static_cast<double>(3 * n * parts);
  report.loss += loss->Evaluate(prediction, rays.target, rays.weights, 3, scale, d_prediction);
  const double sparsity = spec.regularisers.sparsity / static_cast<double>(n * parts);
  for (std::size_t i = 0; i < count; ++i) {
    float d = 0;
    for (std::size_t c = 0; c < 3; ++c) d += d_prediction[3 * i + c] * rays.background[3 * i + c];
    d_transmittance[i] = d - static_cast<float>(sparsity / (transmittance[i] + kSparsityFloor));
  }
  HostImageAdjoint adjoint;
  adjoint.rgb = d_prediction.data();
  adjoint.transmittance = d_transmittance.data();
  d_distortion.clear();
  if (spec.regularisers.distortion > 0) {
    d_distortion.assign(count, static_cast<float>(spec.regularisers.distortion / static_cast<double>(n * parts)));
    adjoint.distortion = d_distortion.data();
  }
  DVREN_ASSIGN_OR_RETURN(ImageAdjoint uploaded, UploadAdjoint(stream, *tape, adjoint));
  // The quantum is that of the step's first batch.
  if (loss_scale.exponent() != 0 && !gradient->exponent()) {
    float largest = 0;
    for (const auto* adjoints : {&d_prediction, &d_transmittance, &d_distortion}) {
      for (const float d : *adjoints) largest = std::max(largest, std::abs(d));
    }
    const int exponent = hp_gradient_default_exponent(largest, plan_spec.sampling.dt, HP_PRECISION_F32);
    DVREN_RETURN_IF_ERROR(gradient->Zero(
        stream, std::clamp(exponent - loss_scale.exponent(), kMinGradientExponent, kMaxGradientExponent)));
  }
  BackwardRequest request;
  request.values = gradient;
  request.rays = refinement->Wanted(step) && !rays.photo.empty();
  DVREN_ASSIGN_OR_RETURN(const Gradients gradients, Backward(stream, tape, std::move(uploaded), request));
  if (request.rays) {
    d_origins.resize(3 * count);
    d_directions.resize(3 * count);
    DVREN_RETURN_IF_ERROR(gradients.rays.origins.CopyToHost(stream, d_origins.data()));
    DVREN_RETURN_IF_ERROR(gradients.rays.directions.CopyToHost(stream, d_directions.data()));
    const std::vector<double> sums = refinement->Gradient(rays, d_origins, d_directions, cameras);
    camera_gradient.resize(sums.size(), 0.0);
    for (std::size_t i = 0; i < sums.size(); ++i) camera_gradient[i] += sums[i];
  }
  report.samples += frame.stats.samples;
  report.backward_seconds += Since(backward_start);
  return absl::OkStatus();
}

absl::Status Trainer::State::Update(Stream& stream, StepReport& report) {
  const auto optimizer_start = Clock::now();
  const int channels = field()->info().channels;
  const RegulariserSpec& regularisers = spec.regularisers;
  const bool smooth = regularisers.tv_density > 0 || regularisers.tv_color > 0;
  if (smooth && step % regularisers.tv_every_steps == 0) {
    const double times = regularisers.tv_every_steps;
    std::vector<double> weights(static_cast<std::size_t>(channels), times * regularisers.tv_color);
    weights.back() = times * regularisers.tv_density;
    DVREN_RETURN_IF_ERROR(writer->Smooth(stream, *gradient, weights));
  }
  const double factor = schedule->Factor(step, spec.steps);
  const std::int64_t since = step - spec.stages[stage].from_step + 1;
  hp_update_desc update = optimizer->At(since, factor, channels);
  if (spec.optimizer.clip_norm > 0) {
    DVREN_ASSIGN_OR_RETURN(const double norm, gradient->Norm(stream));
    if (norm > spec.optimizer.clip_norm) update.gradient_scale = spec.optimizer.clip_norm / norm;
  }
  DVREN_RETURN_IF_ERROR(writer->Update(stream, *gradient, *moments, update).status());
  if (!camera_gradient.empty()) {
    DVREN_RETURN_IF_ERROR(refinement->Step(stream, factor, camera_gradient, cameras));
  }
  report.optimizer_seconds = Since(optimizer_start);
  return absl::OkStatus();
}

void Trainer::State::Advance(StepReport& report) {
  report.step = ++step;
  prepared = false;
  measured.reset();
}

Trainer::Trainer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Trainer::~Trainer() = default;

absl::StatusOr<std::unique_ptr<Trainer::State>> Trainer::State::Make(const TrainingSpec& spec,
                                                                     std::shared_ptr<const io::PhotoSet> photos) {
  DVREN_RETURN_IF_ERROR(ValidateTrainingSpec(spec));
  auto state = std::make_unique<State>();
  state->spec = spec;
  state->photos = photos ? photos : std::make_shared<const io::PhotoSet>();
  DVREN_ASSIGN_OR_RETURN(state->loss, MakeLoss(spec.loss));
  DVREN_ASSIGN_OR_RETURN(state->schedule, MakeSchedule(spec.schedule));
  DVREN_ASSIGN_OR_RETURN(state->optimizer, MakeOptimizer(spec.optimizer));
  if (photos) {
    DVREN_ASSIGN_OR_RETURN(RaySource source, RaySource::Make(std::move(photos), spec.rays, spec.seed));
    state->source = std::make_unique<RaySource>(std::move(source));
  }
  for (const io::Photo& photo : state->photos->photos) state->cameras.push_back(photo.camera);
  DVREN_ASSIGN_OR_RETURN(CameraRefinement refinement, CameraRefinement::Make(spec.cameras, state->cameras.size()));
  state->refinement = std::make_unique<CameraRefinement>(std::move(refinement));
  DVREN_ASSIGN_OR_RETURN(state->loss_scale, LossScale::Make(spec.optimizer));
  return state;
}

absl::StatusOr<std::unique_ptr<Trainer>> Trainer::Make(Stream& stream, const TrainingSpec& spec,
                                                       std::shared_ptr<const io::PhotoSet> photos) {
  DVREN_ASSIGN_OR_RETURN(std::unique_ptr<State> state, State::Make(spec, std::move(photos)));
  DVREN_RETURN_IF_ERROR(state->Begin(stream));
  return std::unique_ptr<Trainer>(new Trainer(std::move(state)));
}

const TrainingSpec& Trainer::spec() const {
  return state_->spec;
}
std::int64_t Trainer::steps_done() const {
  return state_->step;
}
bool Trainer::finished() const {
  return state_->step >= state_->spec.steps;
}

absl::StatusOr<StepReport> Trainer::State::Step(Stream& stream, const TrainingBatch* batch) {
  const auto start = Clock::now();
  StepReport report;
  DVREN_RETURN_IF_ERROR(CheckUnfinished());
  DVREN_RETURN_IF_ERROR(Prepare(stream));
  absl::Status status = Differentiate(stream, batch, 0, report);
  if (status.ok()) status = Update(stream, report);
  if (status.ok()) {
    loss_scale.Succeed();
  } else if (absl::IsOutOfRange(status) && loss_scale.Halve()) {
    report.skipped = true;
  } else if (absl::IsOutOfRange(status) && !loss_scale.dynamic() && loss_scale.exponent() > 0) {
    return absl::OutOfRangeError(
        absl::StrCat("optimizer.loss_scale = ", spec.optimizer.loss_scale,
                     ": gradients leave the range of their sums; choose a smaller one, or dynamic"));
  } else {
    return status;
  }
  if (source && source->errors()) source->errors()->End();
  Advance(report);
  report.wall_seconds = Since(start);
  return report;
}

absl::Status Trainer::State::CheckUnfinished() const {
  if (step < spec.steps) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("training: all ", spec.steps, " steps are done; raise steps to go on"));
}

absl::StatusOr<StepReport> Trainer::Step(Stream& stream) {
  return state_->Step(stream, nullptr);
}
absl::StatusOr<StepReport> Trainer::Step(Stream& stream, const TrainingBatch& batch) {
  return state_->Step(stream, &batch);
}

std::shared_ptr<const Field> Trainer::field() const {
  return state_->field();
}

absl::StatusOr<io::DenseVolume> Trainer::Snapshot(Stream& stream) const {
  io::DenseVolume copy = state_->shape;
  const std::size_t n = state_->field()->info().parameter_count;
  copy.values = io::Blob(n * sizeof(float));
  DVREN_RETURN_IF_ERROR(state_->writer->ReadValues(stream, {reinterpret_cast<float*>(copy.values.data()), n}));
  return copy;
}

absl::StatusOr<io::PhotoCamera> Trainer::CameraOf(std::size_t view) const {
  if (view >= state_->cameras.size()) {
    return InvalidField("view", view, absl::StrCat("there are ", state_->cameras.size(), " photographs"));
  }
  return state_->cameras[view];
}

absl::StatusOr<std::vector<float>> Trainer::RenderView(Stream& stream, const io::PhotoCamera& camera,
                                                       const std::array<double, 3>& background) const {
  PlanSpec spec = state_->plan();
  spec.camera = CameraFor(camera);
  spec.background = background;
  spec.sampling.mode = SamplingMode::kFixed;
  const std::shared_ptr<Device>& device = stream.device();
  DVREN_ASSIGN_OR_RETURN(const std::shared_ptr<const Plan> plan, device->plans().Get(device, spec));
  const Renderer renderer;
  DVREN_ASSIGN_OR_RETURN(const Frame frame, renderer.Render(stream, *plan, state_->scene()));
  std::vector<float> rgb(static_cast<std::size_t>(frame.rgb.size()));
  DVREN_RETURN_IF_ERROR(frame.rgb.CopyToHost(stream, rgb.data()));
  return rgb;
}

}  // namespace dvren
