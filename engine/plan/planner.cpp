#include <algorithm>
#include <cmath>
#include <utility>
#include <variant>

#include "dvren/plan/plan.h"

namespace dvren {
namespace {

constexpr int kDefaultTile = 128;
constexpr int kDefaultTileF64 = 64;  // a slice of doubles takes several times as long
constexpr std::uint32_t kAllAovs = kAovRgb | kAovOpacity | kAovTransmittance | kAovDepth | kAovHit | kAovDistortion;

hp_sampling HpSampling(SamplingMode mode) {
  switch (mode) {
    case SamplingMode::kFixed:
      return HP_SAMPLING_FIXED;
    case SamplingMode::kStratified:
      return HP_SAMPLING_STRATIFIED;
    case SamplingMode::kUniformJitter:
      return HP_SAMPLING_UNIFORM_JITTER;
  }
  return HP_SAMPLING_FIXED;  // not reached
}

absl::Status ValidateSpec(const PlanSpec& spec) {
  const SamplingSpec& sampling = spec.sampling;
  if (!std::isfinite(sampling.dt) || !(sampling.dt > 0)) {
    return InvalidField("sampling.dt", sampling.dt, "must be finite and > 0 world units");
  }
  if (sampling.max_steps < 1 || sampling.max_steps > kMaxSteps) {
    return InvalidField("sampling.max_steps", sampling.max_steps, absl::StrCat("must be 1 to ", kMaxSteps));
  }
  if (!(sampling.early_stop >= 0 && sampling.early_stop < 1)) {
    return InvalidField("sampling.early_stop", sampling.early_stop, "must be in [0, 1); 0 turns it off");
  }
  for (int i = 0; i < 3; ++i) {
    if (!std::isfinite(spec.background[i])) {
      return InvalidField(absl::StrCat("background[", i, "]"), spec.background[i], "must be finite");
    }
  }
  if (spec.aovs == 0) return InvalidField("aovs", "none", "ask for at least one, such as rgb");
  if ((spec.aovs & ~kAllAovs) != 0) {
    return InvalidField("aovs", absl::StrCat("0x", absl::Hex(spec.aovs)),
                        absl::StrCat("bits outside 0x", absl::Hex(kAllAovs), " are unknown; leave them out"));
  }
  if (spec.tile < 0) return InvalidField("tile", spec.tile, "must be >= 0 pixels; 0 is the default");
  if (spec.kernel_tile < 0)
    return InvalidField("kernel_tile", spec.kernel_tile, "must be >= 0 pixels; 0 is the default");
  if (!spec.camera.has_value()) {
    if (spec.roi.has_value()) return InvalidField("roi", "given", "needs a camera; leave it out for given rays");
    return absl::OkStatus();
  }
  DVREN_RETURN_IF_ERROR(ValidateCamera(*spec.camera));
  if (!spec.roi.has_value()) return absl::OkStatus();
  const Roi& roi = *spec.roi;
  const std::string text = absl::StrCat("(", roi.x, ", ", roi.y, ", ", roi.width, ", ", roi.height, ")");
  if (roi.width < 1 || roi.height < 1) return InvalidField("roi", text, "width and height must be >= 1");
  if (roi.x < 0 || roi.y < 0 || std::int64_t{roi.x} + roi.width > spec.camera->width ||
      std::int64_t{roi.y} + roi.height > spec.camera->height) {
    return InvalidField("roi", text,
                        absl::StrCat("must lie inside the image of ", spec.camera->width, " x ", spec.camera->height));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Roi>> CutTiles(const Roi& roi, int edge) {
  const std::int64_t columns = (std::int64_t{roi.width} + edge - 1) / edge;
  const std::int64_t rows = (std::int64_t{roi.height} + edge - 1) / edge;
  if (columns * rows > kMaxTiles) {
    return InvalidField("tile", edge,
                        absl::StrCat("cuts the image into ", columns * rows, " tiles, more than ", kMaxTiles,
                                     "; use a larger one, or 0 for the default"));
  }
  std::vector<Roi> tiles;
  tiles.reserve(static_cast<std::size_t>(columns * rows));
  // Edges are at most kMaxImageEdge, but a tile may be as large as an int holds: count in 64 bits.
  for (std::int64_t y = 0; y < roi.height; y += edge) {
    for (std::int64_t x = 0; x < roi.width; x += edge) {
      tiles.push_back({static_cast<int>(roi.x + x), static_cast<int>(roi.y + y),
                       static_cast<int>(std::min<std::int64_t>(edge, roi.width - x)),
                       static_cast<int>(std::min<std::int64_t>(edge, roi.height - y))});
    }
  }
  return tiles;
}

// Fills the lens's part of an hp_camera.
struct LensToHp {
  hp_camera& out;
  void operator()(const PinholeModel& m) const {
    out.model = HP_CAMERA_PINHOLE;
    Intrinsics(m);
    const double distortion[5] = {m.k1, m.k2, m.p1, m.p2, m.k3};  // OpenCV's order
    std::copy_n(distortion, 5, out.distortion);
  }
  void operator()(const FisheyeModel& m) const {
    out.model = HP_CAMERA_FISHEYE;
    Intrinsics(m);
    const double distortion[4] = {m.k1, m.k2, m.k3, m.k4};
    std::copy_n(distortion, 4, out.distortion);
  }
  void operator()(const OrthographicModel& m) const {
    out.model = HP_CAMERA_ORTHOGRAPHIC;
    out.ortho_scale = m.ortho_scale;
  }
  template <class Lens>
  void Intrinsics(const Lens& m) const {
    out.fx = m.fx;
    out.fy = m.fy;
    out.cx = m.cx;
    out.cy = m.cy;
  }
};

hp_camera CameraToHp(const Camera& camera) {
  hp_camera out{};
  HP_INIT(out);
  out.width = camera.width;
  out.height = camera.height;
  std::visit(LensToHp{out}, camera.model);
  std::copy_n(camera.camera_to_world().m.begin(), 12, out.camera_to_world.m);
  out.t_near = camera.t_near;
  out.t_far = camera.t_far;
  return out;
}

// The workspace that suffices for every tile. Tiles come in at most four sizes: inner, last column, last row, corner.
absl::StatusOr<std::size_t> LargestWorkspace(const hp_plan* plan, const std::vector<Roi>& tiles) {
  std::vector<std::pair<int, int>> sizes;
  std::size_t largest = 0;
  for (const Roi& tile : tiles) {
    const std::pair<int, int> size{tile.width, tile.height};
    if (std::find(sizes.begin(), sizes.end(), size) != sizes.end()) continue;
    sizes.push_back(size);
    std::size_t bytes = 0;
    const hp_roi roi{tile.x, tile.y, tile.width, tile.height};
    DVREN_RETURN_IF_ERROR(FromHp(hp_samp_int_fused_workspace_size(plan, roi, /*rays=*/0, &bytes)));
    largest = std::max(largest, bytes);
  }
  return largest;
}

}  // namespace

Plan::~Plan() {
  hp_plan_destroy(plan_);
}

absl::StatusOr<std::shared_ptr<const Plan>> Planner::Make(const std::shared_ptr<Device>& device, const PlanSpec& spec) {
  DVREN_ASSIGN_OR_RETURN(std::shared_ptr<const Plan> plan, MakeUnowned(*device, spec));
  return KeepDevice(device, std::move(plan));
}

absl::StatusOr<std::shared_ptr<const Plan>> Planner::MakeUnowned(const Device& device, const PlanSpec& spec) {
  DVREN_RETURN_IF_ERROR(ValidateSpec(spec));
  std::shared_ptr<Plan> plan(new Plan());
  plan->spec_ = spec;
  plan->device_ = &device;
  hp_camera camera{};
  if (spec.camera.has_value()) {
    camera = CameraToHp(*spec.camera);
    plan->roi_ = spec.roi.value_or(Roi{0, 0, spec.camera->width, spec.camera->height});
    const int edge = spec.tile != 0 ? spec.tile : spec.precision == Precision::kF64 ? kDefaultTileF64 : kDefaultTile;
    DVREN_ASSIGN_OR_RETURN(plan->tiles_, CutTiles(plan->roi_, edge));
  }
  hp_plan_desc desc{};
  HP_INIT(desc);
  desc.camera = spec.camera.has_value() ? &camera : nullptr;
  desc.sampling = HpSampling(spec.sampling.mode);
  desc.dt = spec.sampling.dt;
  desc.max_steps = spec.sampling.max_steps;
  desc.seed = spec.sampling.seed;
  desc.early_stop = spec.sampling.early_stop;
  std::copy_n(spec.background.begin(), 3, desc.background);
  desc.precision = spec.precision == Precision::kF32 ? HP_PRECISION_F32 : HP_PRECISION_F64;
  desc.skip_empty = spec.sampling.skip_empty ? 1 : 0;
  desc.note_seen = spec.sampling.note_seen ? 1 : 0;
  desc.tile = spec.kernel_tile;
  DVREN_RETURN_IF_ERROR(FromHp(hp_plan_create(device.ctx(), &desc, &plan->plan_)));
  DVREN_ASSIGN_OR_RETURN(plan->workspace_bytes_, LargestWorkspace(plan->plan_, plan->tiles_));
  return std::shared_ptr<const Plan>(std::move(plan));
}

std::shared_ptr<const Plan> Planner::KeepDevice(const std::shared_ptr<Device>& device,
                                                std::shared_ptr<const Plan> plan) {
  struct Kept {
    std::shared_ptr<Device> device;  // declared first: destroyed after the plan
    std::shared_ptr<const Plan> plan;
  };
  const Plan* raw = plan.get();
  return {std::make_shared<Kept>(Kept{device, std::move(plan)}), raw};
}

}  // namespace dvren
