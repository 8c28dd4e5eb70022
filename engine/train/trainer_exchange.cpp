// What goes into a Trainer and out of it besides steps: gradients of a step, values, cameras.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "train/trainer_state.h"

namespace dvren {
namespace {

using Clock = std::chrono::steady_clock;
double Since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

constexpr std::uint8_t kSeen = 128;  // in a cell of the mask (hp_mask_desc)

absl::Status CheckRequest(const GradientRequest& request, std::int64_t rays) {
  if (request.dtype != DType::kF32 && request.dtype != DType::kF64) {
    return InvalidField("dtype", static_cast<int>(request.dtype), "must be f32 or f64");
  }
  if (request.world_size < 1 || request.world_size > kMaxStepRays / rays) {
    return InvalidField(
        "world_size", request.world_size,
        absl::StrCat("must be 1 to ", kMaxStepRays / rays, ": a step of all ranks has at most 2^24 rays"));
  }
  if (request.rank < 0 || request.rank >= request.world_size) {
    return InvalidField("rank", request.rank, absl::StrCat("must be 0 to world_size - 1 = ", request.world_size - 1));
  }
  return absl::OkStatus();
}

std::string ShapeText(const std::array<std::int64_t, 4>& s) {
  return absl::StrCat("(", s[0], ", ", s[1], ", ", s[2], ", ", s[3], ")");
}

std::size_t CellsOf(const std::array<std::int64_t, 4>& shape) {
  return static_cast<std::size_t>(shape[0] * shape[1] * shape[2]);
}

}  // namespace

absl::StatusOr<StepGradient> Trainer::Gradient(Stream& stream, const GradientRequest& request) {
  State& s = *state_;
  const auto start = Clock::now();
  DVREN_RETURN_IF_ERROR(s.CheckUnfinished());
  DVREN_RETURN_IF_ERROR(s.Prepare(stream));
  DVREN_RETURN_IF_ERROR(CheckRequest(request, std::max<std::int64_t>(s.RaysOf(request.batch), 1)));
  if (request.batch == nullptr && s.source && s.source->errors()) {
    return absl::FailedPreconditionError(
        "rays.error_map = true: ranks would draw by maps of their own; train without it where gradients are exchanged");
  }
  StepGradient out;
  // What the rays see is told, and forgotten: it counts once it is applied.
  DVREN_ASSIGN_OR_RETURN(const std::vector<std::uint8_t> before, s.writer->ReadMask(stream));
  absl::Status differentiated;
  do {  // The values leave as floating point: the scale is nobody else's matter, and nothing need be skipped.
    out.report = StepReport();
    differentiated = s.Differentiate(stream, request.batch, request.rank, out.report);
  } while (absl::IsOutOfRange(differentiated) && s.loss_scale.Halve());
  DVREN_ASSIGN_OR_RETURN(out.seen, s.writer->ReadMask(stream));
  DVREN_RETURN_IF_ERROR(s.writer->SetMask(stream, before, s.spec.occupancy.weight_threshold));
  DVREN_RETURN_IF_ERROR(differentiated);
  for (std::uint8_t& cell : out.seen) cell = (cell & kSeen) != 0 ? 1 : 0;
  out.step = s.step;
  out.dtype = request.dtype;
  out.shape = s.shape.shape;
  out.values = io::Blob(static_cast<std::size_t>(s.gradient->size()) * DTypeSize(request.dtype));
  DVREN_RETURN_IF_ERROR(s.gradient->Read(stream, request.dtype, out.values.data()));
  if (s.refinement->Wanted(s.step) && !s.cameras.empty()) {
    out.cameras = std::move(s.camera_gradient);
    out.cameras.resize(s.cameras.size() * CameraRefinement::kColumns, 0.0);  // rays of the caller's move none
  }
  out.report.step = s.step;
  out.report.wall_seconds = Since(start);
  s.measured = out.report;
  return out;
}

absl::StatusOr<StepReport> Trainer::Apply(Stream& stream, const StepGradient& gradient) {
  State& s = *state_;
  const auto start = Clock::now();
  DVREN_RETURN_IF_ERROR(s.CheckUnfinished());
  if (gradient.step != s.step) {
    return absl::AbortedError(
        absl::StrCat("gradient.step = ", gradient.step, ": ", s.step, " steps have been done; make it again"));
  }
  DVREN_RETURN_IF_ERROR(s.Prepare(stream));
  if (gradient.shape != s.shape.shape) {
    return InvalidField("gradient.shape", ShapeText(gradient.shape), "must be " + ShapeText(s.shape.shape));
  }
  if (gradient.values.size() != static_cast<std::size_t>(s.gradient->size()) * DTypeSize(gradient.dtype)) {
    return InvalidField("gradient.values", absl::StrCat(gradient.values.size(), " bytes"),
                        absl::StrCat("shape and dtype need ",
                                     static_cast<std::size_t>(s.gradient->size()) * DTypeSize(gradient.dtype)));
  }
  if (gradient.seen.size() != CellsOf(s.shape.shape)) {
    return InvalidField("gradient.seen", absl::StrCat(gradient.seen.size(), " cells"),
                        absl::StrCat("must be ", CellsOf(s.shape.shape)));
  }
  const bool refines = s.refinement->Wanted(s.step) && !s.cameras.empty();
  const std::size_t numbers = refines ? s.cameras.size() * CameraRefinement::kColumns : 0;
  if (gradient.cameras.size() != numbers) {
    return InvalidField("gradient.cameras", absl::StrCat(gradient.cameras.size(), " numbers"),
                        absl::StrCat("must be ", numbers, refines ? ", 13 per photograph" : ": cameras stay"));
  }
  for (std::size_t i = 0; i < numbers; ++i) {
    if (!std::isfinite(gradient.cameras[i])) {
      return InvalidField(absl::StrCat("gradient.cameras[", i, "]"), gradient.cameras[i], "must be finite");
    }
  }
  DVREN_ASSIGN_OR_RETURN(std::vector<std::uint8_t> cells, s.writer->ReadMask(stream));
  DVREN_RETURN_IF_ERROR(s.gradient->Write(stream, gradient.dtype, gradient.values.data()));
  StepReport report = s.measured.value_or(StepReport{});
  s.camera_gradient = gradient.cameras;
  DVREN_RETURN_IF_ERROR(s.Update(stream, report));
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (cells[i] != 0 && gradient.seen[i] != 0) cells[i] |= kSeen;
  }
  DVREN_RETURN_IF_ERROR(s.writer->SetMask(stream, cells, s.spec.occupancy.weight_threshold));
  s.Advance(report);
  report.wall_seconds += Since(start);
  return report;
}

absl::StatusOr<std::vector<std::uint8_t>> Trainer::Cells(Stream& stream) const {
  return state_->writer->ReadMask(stream);
}

absl::Status Trainer::SetValues(Stream& stream, std::span<const float> values, std::span<const std::uint8_t> cells) {
  State& s = *state_;
  const std::size_t count = s.field()->info().parameter_count, voxels = CellsOf(s.shape.shape);
  if (values.size() != count) {
    return InvalidField("values", absl::StrCat(values.size(), " numbers"),
                        absl::StrCat("must be ", count, ", ", ShapeText(s.shape.shape)));
  }
  if (!cells.empty() && cells.size() != voxels) {
    return InvalidField("cells", cells.size(), absl::StrCat("must be ", voxels, ", one per voxel"));
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (!std::isfinite(values[i])) return InvalidField(absl::StrCat("values[", i, "]"), values[i], "must be finite");
  }
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (cells[i] == kSeen) return InvalidField(absl::StrCat("cells[", i, "]"), +cells[i], "is seen, and not there");
  }
  DVREN_ASSIGN_OR_RETURN(const Moments::Stored moments, s.moments->Read(stream));
  io::DenseVolume grid = s.shape;
  grid.values = io::Blob::Copy(values.data(), values.size_bytes());
  std::vector<std::uint8_t> there(cells.begin(), cells.end());
  if (there.empty()) there.assign(voxels, 1);
  DVREN_RETURN_IF_ERROR(s.Adopt(stream, std::move(grid), there));
  return s.moments->Write(stream, moments);
}

absl::Status Trainer::SetCameras(std::vector<io::PhotoCamera> cameras) {
  State& s = *state_;
  if (cameras.size() != s.cameras.size()) {
    return InvalidField("cameras", cameras.size(), absl::StrCat("there are ", s.cameras.size(), " photographs"));
  }
  for (std::size_t i = 0; i < cameras.size(); ++i) {
    const io::PhotoCamera &mine = s.cameras[i], &other = cameras[i];
    if (other.model != mine.model || other.width != mine.width || other.height != mine.height) {
      return InvalidField(
          absl::StrCat("cameras[", i, "]"), absl::StrCat(other.width, " x ", other.height),
          absl::StrCat("must have the model and the size of its photograph, ", mine.width, " x ", mine.height));
    }
  }
  s.cameras = std::move(cameras);
  return absl::OkStatus();
}

absl::Status Trainer::Restore(Stream& stream, const std::string& path) {
  const std::shared_ptr<const io::PhotoSet> photos = state_->source ? state_->photos : nullptr;
  DVREN_ASSIGN_OR_RETURN(const std::unique_ptr<Trainer> other, RestoreCheckpoint(stream, path, state_->spec, photos));
  state_ = std::move(other->state_);
  return absl::OkStatus();
}

}  // namespace dvren
