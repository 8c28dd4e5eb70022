#include "dvren/diff/backward.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "diff/adjoint_check.h"
#include "render/kernel_inputs.h"
#include "render/render_steps.h"

namespace dvren {
namespace {

hp_tensor Part(const Tensor& image, std::int64_t x, std::int64_t y, std::int64_t width, std::int64_t height) {
  return Narrow(Narrow(image.view(), 0, y, height), 1, x, width);
}

absl::StatusOr<Tensor> Zeros(Stream& stream, DType dtype, std::span<const std::int64_t> shape) {
  DVREN_ASSIGN_OR_RETURN(Tensor tensor, Tensor::Allocate(stream, dtype, shape));
  const std::vector<std::byte> zeros(tensor.bytes());
  DVREN_RETURN_IF_ERROR(tensor.CopyFromHost(stream, zeros.data()));
  return tensor;
}

std::array<double, 3> Cross(const double a[3], const double b[3]) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}

// R <- exp(omega) R turns column j of R by omega x R_j: dL/d(omega) = sum_j R_j x dL/dR_j.
void SetTangent(const Affine& pose, CameraGradient& g) {
  for (std::size_t j = 0; j < 3; ++j) {
    const double column[3] = {pose.m[j], pose.m[4 + j], pose.m[8 + j]};
    const double d_column[3] = {g.camera_to_world[j], g.camera_to_world[4 + j], g.camera_to_world[8 + j]};
    const std::array<double, 3> turn = Cross(column, d_column);
    for (std::size_t i = 0; i < 3; ++i) g.omega[i] += turn[i];
  }
  for (std::size_t i = 0; i < 3; ++i) g.v[i] = g.camera_to_world[4 * i + 3];
}

}  // namespace

absl::StatusOr<BackwardPass> BackwardPass::Make(Stream& stream, std::shared_ptr<const Tape> tape, ImageAdjoint adjoint,
                                                BackwardRequest request) {
  if (tape->stale()) {
    return absl::AbortedError(absl::StrCat("tape: the field has version ",
                                           tape->scene().instances.front().field->version(),
                                           " and the forward saw version ", tape->field_version(), "; run it again"));
  }
  if (stream.device().get() != tape->plan()->device()) {
    return InvalidField("stream.device", stream.device()->info().id, "must be the tape's device");
  }
  if (request.camera && tape->has_rays()) {
    return InvalidField("request.camera", "true", "the tape is of given rays; ask for rays");
  }
  if (request.rays && !tape->has_rays()) {
    return InvalidField("request.rays", "true", "the tape is of a camera's image; ask for camera");
  }
  if (request.values && request.values->field() != tape->scene().instances.front().field) {
    return InvalidField("request.values", "a gradient tensor of another field", "must be of the tape's field");
  }
  if (!tape->radiance().defined()) return InvalidField("tape", "empty", "render its tiles first");
  DVREN_RETURN_IF_ERROR(internal::CheckAdjointShapes(*tape, adjoint));
  DVREN_ASSIGN_OR_RETURN(const double largest, internal::LargestOf(stream, adjoint));
  const PlanSpec& spec = tape->plan()->spec();
  const DType dtype = internal::DTypeOf(spec.precision);
  if (request.values) {
    const auto precision = spec.precision == Precision::kF64 ? HP_PRECISION_F64 : HP_PRECISION_F32;
    DVREN_RETURN_IF_ERROR(
        request.values->Settle(stream, hp_gradient_default_exponent(largest, spec.sampling.dt, precision)));
  }
  BackwardPass pass;
  if (request.camera || request.scene || request.step) {
    DVREN_ASSIGN_OR_RETURN(pass.sums_, Zeros(stream, DType::kI64, std::array<std::int64_t, 2>{HP_SUM_COUNT, 2}));
  }
  if (request.rays) {
    const std::array<std::int64_t, 2> vectors{tape->width(), 3};
    const std::array<std::int64_t, 1> scalars{tape->width()};
    RayGradient& rays = pass.result_.rays;
    DVREN_ASSIGN_OR_RETURN(rays.origins, Zeros(stream, dtype, vectors));
    DVREN_ASSIGN_OR_RETURN(rays.directions, Zeros(stream, dtype, vectors));
    DVREN_ASSIGN_OR_RETURN(rays.t_near, Zeros(stream, dtype, scalars));
    DVREN_ASSIGN_OR_RETURN(rays.t_far, Zeros(stream, dtype, scalars));
  }
  pass.tape_ = std::move(tape);
  pass.adjoint_ = std::move(adjoint);
  pass.request_ = std::move(request);
  return pass;
}

std::size_t BackwardPass::slices() const {
  return tape_->has_rays() ? 1 : tape_->plan()->tiles().size();
}

absl::Status BackwardPass::RunSlice(Stream& stream, std::size_t index) {
  if (index >= slices()) {
    return InvalidField("slice", index, absl::StrCat("the pass has ", slices(), " slices"));
  }
  const Plan& plan = *tape_->plan();
  const bool given = tape_->has_rays();
  const Roi tile = given ? Roi{} : plan.tiles()[index];
  const std::int64_t x = given ? 0 : tile.x - plan.roi().x, y = given ? 0 : tile.y - plan.roi().y;
  const std::int64_t width = given ? tape_->width() : tile.width, height = given ? 1 : tile.height;

  hp_img_t forward{};
  HP_INIT(forward);
  internal::TapeOf(*tape_, x, y, width, height, &forward);
  hp_grads_t gradients{};
  HP_INIT(gradients);
  gradients.d_rgb = Part(adjoint_.rgb, x, y, width, height);
  gradients.d_opacity = Part(adjoint_.opacity, x, y, width, height);
  gradients.d_transmittance = Part(adjoint_.transmittance, x, y, width, height);
  gradients.d_depth = Part(adjoint_.depth, x, y, width, height);
  gradients.d_distortion = Part(adjoint_.distortion, x, y, width, height);
  gradients.values = request_.values ? request_.values->gradient_ : nullptr;
  if (request_.scene) gradients.wanted |= HP_WANT_SCENE;
  if (request_.camera) gradients.wanted |= HP_WANT_CAMERA;
  if (request_.step) gradients.wanted |= HP_WANT_STEP;
  gradients.sums = sums_.view();
  gradients.d_origins = result_.rays.origins.view();
  gradients.d_directions = result_.rays.directions.view();
  gradients.d_t_near = result_.rays.t_near.view();
  gradients.d_t_far = result_.rays.t_far.view();

  const hp_instance instance = internal::ToHp(tape_->scene().instances.front());
  hp_rays_t rays{};
  if (given) rays = tape_->rays_->view(0, width);
  std::size_t bytes = 0;
  const hp_roi roi{tile.x, tile.y, tile.width, tile.height};
  DVREN_RETURN_IF_ERROR(FromHp(hp_samp_int_fused_backward_workspace_size(plan.hp(), roi, given ? width : 0, &bytes)));
  DVREN_ASSIGN_OR_RETURN(const Buffer workspace, Buffer::Allocate(stream, bytes));
  std::int64_t overflowed = 0;
  DVREN_RETURN_IF_ERROR(internal::Measure(stream, result_.stats, &overflowed, [&](hp_tensor counters) {
    return FromHp(hp_samp_int_fused_backward(stream.hp(), plan.hp(), &instance, 1, given ? &rays : nullptr, roi,
                                             &forward, &gradients, counters,
                                             hp_workspace{workspace.data(), workspace.size()}));
  }));
  overflowed_ += overflowed;
  return absl::OkStatus();
}

absl::StatusOr<Gradients> BackwardPass::Finish(Stream& stream) {
  if (overflowed_ > 0) {
    const std::string exponent =
        request_.values ? absl::StrCat(" (quantum 2^", request_.values->exponent().value_or(0),
                                       "); zero the gradient with a larger exponent and run the pass again")
                        : std::string("; scale the loss down");
    return absl::OutOfRangeError(
        absl::StrCat("gradient: ", overflowed_, " contributions left the range of their fixed point", exponent));
  }
  if (!sums_.defined()) return std::move(result_);
  std::vector<std::int64_t> raw(static_cast<std::size_t>(sums_.size()));
  DVREN_RETURN_IF_ERROR(sums_.CopyToHost(stream, raw.data()));
  const auto sum = [&](std::size_t i) { return hp_sum_value(&raw[2 * i]); };
  if (request_.step) result_.dt = sum(HP_SUM_DT);
  if (request_.scene) {
    SceneGradient& scene = result_.scene;
    for (std::size_t c = 0; c < 3; ++c) {
      scene.background[c] = sum(HP_SUM_BACKGROUND + c);
      scene.color[c] = sum(HP_SUM_COLOR + c);
    }
    scene.sigma_scale = sum(HP_SUM_SIGMA_SCALE);
    if (const auto* transfer = std::get_if<TransferFunction>(&tape_->scene().instances.front().color)) {
      for (std::size_t i = 0; i < transfer->density.size(); ++i) {
        scene.knot_density.push_back(sum(HP_SUM_KNOT_DENSITY + i));
        scene.knot_rgb.push_back(
            {sum(HP_SUM_KNOT_RGB + 3 * i), sum(HP_SUM_KNOT_RGB + 3 * i + 1), sum(HP_SUM_KNOT_RGB + 3 * i + 2)});
      }
    }
  }
  if (request_.camera) {
    CameraGradient& camera = result_.camera;
    for (std::size_t i = 0; i < 12; ++i) camera.camera_to_world[i] = sum(HP_SUM_CAMERA_TO_WORLD + i);
    SetTangent(tape_->plan()->spec().camera->camera_to_world(), camera);
    camera.fx = sum(HP_SUM_INTRINSICS);
    camera.fy = sum(HP_SUM_INTRINSICS + 1);
    camera.cx = sum(HP_SUM_INTRINSICS + 2);
    camera.cy = sum(HP_SUM_INTRINSICS + 3);
    for (std::size_t i = 0; i < 5; ++i) camera.distortion[i] = sum(HP_SUM_DISTORTION + i);
    camera.ortho_scale = sum(HP_SUM_ORTHO_SCALE);
    camera.t_near = sum(HP_SUM_T_NEAR);
    camera.t_far = sum(HP_SUM_T_FAR);
  }
  return std::move(result_);
}

absl::StatusOr<ImageAdjoint> UploadAdjoint(Stream& stream, const Tape& tape, const HostImageAdjoint& adjoint) {
  const DType dtype = internal::DTypeOf(tape.plan()->spec().precision);
  ImageAdjoint out;
  const auto upload = [&](const void* from, std::int64_t channels, Tensor& to) -> absl::Status {
    if (from == nullptr) return absl::OkStatus();
    std::vector<std::int64_t> shape{tape.height(), tape.width()};
    if (channels > 1) shape.push_back(channels);
    DVREN_ASSIGN_OR_RETURN(to, Tensor::Allocate(stream, dtype, shape));
    return to.CopyFromHost(stream, from);
  };
  DVREN_RETURN_IF_ERROR(upload(adjoint.rgb, 3, out.rgb));
  DVREN_RETURN_IF_ERROR(upload(adjoint.opacity, 1, out.opacity));
  DVREN_RETURN_IF_ERROR(upload(adjoint.transmittance, 1, out.transmittance));
  DVREN_RETURN_IF_ERROR(upload(adjoint.depth, 1, out.depth));
  DVREN_RETURN_IF_ERROR(upload(adjoint.distortion, 1, out.distortion));
  return out;
}

absl::StatusOr<Gradients> Backward(Stream& stream, std::shared_ptr<const Tape> tape, ImageAdjoint adjoint,
                                   BackwardRequest request) {
  DVREN_ASSIGN_OR_RETURN(BackwardPass pass,
                         BackwardPass::Make(stream, std::move(tape), std::move(adjoint), std::move(request)));
  for (std::size_t i = 0; i < pass.slices(); ++i) DVREN_RETURN_IF_ERROR(pass.RunSlice(stream, i));
  return pass.Finish(stream);
}

}  // namespace dvren
