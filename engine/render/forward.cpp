// The renderer's forwards that backward can follow: the fused kernel, and what it writes kept on a tape.
#include <utility>

#include "dvren/render/renderer.h"
#include "render/kernel_inputs.h"
#include "render/render_checks.h"
#include "render/render_steps.h"

namespace dvren {
namespace {

absl::Status CheckFused(RenderPath path, const Scene& scene) {
  if (path == RenderPath::kFused && !scene.instances.front().field->info().batched) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "renderer: a tape is made by the fused path alone; render with RenderPath::kFused and a pointwise field");
}

// Copies the part [y, y + height) x [x, x + width) of an image, where the frame has it.
absl::Status CopyPart(Stream& stream, const Tensor& from, const Tensor& to, std::int64_t x, std::int64_t y,
                      std::int64_t width, std::int64_t height) {
  if (!to.defined()) return absl::OkStatus();
  const auto value = static_cast<std::int64_t>(DTypeSize(from.dtype()));
  for (std::int64_t row = y; row < y + height; ++row) {
    const std::int64_t offset = (row * from.shape()[1] + x) * value;
    DVREN_RETURN_IF_ERROR(FromHp(hp_memory_copy(stream.hp(), to.data() + offset, from.data() + offset,
                                                static_cast<std::size_t>(width * value), HP_COPY_DEVICE_TO_DEVICE)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Tape> Renderer::MakeTape(Stream& stream, std::shared_ptr<const Plan> plan, const Scene& scene) const {
  if (plan->spec().camera.has_value()) {
    DVREN_RETURN_IF_ERROR(ValidatePlanForScene(*plan, scene));
  } else {
    DVREN_RETURN_IF_ERROR(ValidateScene(scene));
  }
  DVREN_RETURN_IF_ERROR(internal::CheckDevices(stream, *plan, scene));
  DVREN_RETURN_IF_ERROR(CheckFused(path_, scene));
  Tape tape;
  tape.height_ = plan->roi().height;
  tape.width_ = plan->roi().width;
  tape.plan_ = std::move(plan);
  tape.scene_ = scene;
  tape.field_version_ = scene.instances.front().field->version();
  return tape;
}

absl::Status Tape::Allocate(Stream& stream) {
  const DType dtype = internal::DTypeOf(plan_->spec().precision);
  const std::int64_t color[3] = {height_, width_, 3}, scalar[2] = {height_, width_};
  DVREN_ASSIGN_OR_RETURN(radiance_, Tensor::Allocate(stream, dtype, color));
  DVREN_ASSIGN_OR_RETURN(transmittance_, Tensor::Allocate(stream, dtype, scalar));
  DVREN_ASSIGN_OR_RETURN(depth_, Tensor::Allocate(stream, dtype, scalar));
  if ((plan_->spec().aovs & kAovDistortion) != 0) {
    DVREN_ASSIGN_OR_RETURN(distortion_, Tensor::Allocate(stream, dtype, scalar));
  }
  return absl::OkStatus();
}

absl::Status Renderer::ForwardTile(Stream& stream, std::size_t tile_index, Frame& frame, Tape& tape) const {
  const Plan& plan = *tape.plan_;
  DVREN_RETURN_IF_ERROR(internal::CheckHasCamera(plan));
  DVREN_RETURN_IF_ERROR(internal::CheckDevices(stream, plan, tape.scene_));
  DVREN_RETURN_IF_ERROR(internal::CheckFrame(plan, frame));
  DVREN_RETURN_IF_ERROR(internal::CheckTile(plan, tile_index));
  if (!tape.radiance_.defined()) DVREN_RETURN_IF_ERROR(tape.Allocate(stream));
  const Roi& tile = plan.tiles()[tile_index];
  const std::int64_t x = tile.x - plan.roi().x, y = tile.y - plan.roi().y;
  const hp_instance instance = internal::ToHp(tape.scene_.instances.front());
  hp_img_t images = internal::ImagesOf(frame, x, y, tile.width, tile.height);
  internal::TapeOf(tape, x, y, tile.width, tile.height, &images);
  const auto kernels = [&](hp_tensor counters) -> absl::Status {
    DVREN_ASSIGN_OR_RETURN(const Buffer workspace, Buffer::Allocate(stream, plan.workspace_bytes()));
    return FromHp(hp_samp_int_fused(stream.hp(), plan.hp(), &instance, 1, /*rays=*/nullptr,
                                    hp_roi{tile.x, tile.y, tile.width, tile.height}, &images, counters,
                                    hp_workspace{workspace.data(), workspace.size()}));
  };
  DVREN_RETURN_IF_ERROR(internal::Measure(stream, frame.stats, kernels));
  DVREN_RETURN_IF_ERROR(CopyPart(stream, tape.transmittance_, frame.transmittance, x, y, tile.width, tile.height));
  DVREN_RETURN_IF_ERROR(CopyPart(stream, tape.depth_, frame.depth, x, y, tile.width, tile.height));
  return CopyPart(stream, tape.distortion_, frame.distortion, x, y, tile.width, tile.height);
}

absl::StatusOr<Tape> Renderer::ForwardRays(Stream& stream, std::shared_ptr<const Plan> plan, const Scene& scene,
                                           const RayBatch& rays, Frame& frame) const {
  DVREN_RETURN_IF_ERROR(internal::ValidateRayBatch(*plan, rays));
  DVREN_ASSIGN_OR_RETURN(Tape tape, MakeTape(stream, plan, scene));
  tape.height_ = 1;
  tape.width_ = rays.count;
  DVREN_RETURN_IF_ERROR(tape.Allocate(stream));
  DVREN_ASSIGN_OR_RETURN(frame, internal::AllocateFrame(stream, plan->spec(), 1, rays.count));
  DVREN_ASSIGN_OR_RETURN(internal::DeviceRays device_rays, internal::UploadRays(stream, plan->spec().precision, rays));
  tape.rays_ = std::make_unique<internal::DeviceRays>(std::move(device_rays));
  const hp_instance instance = internal::ToHp(tape.scene_.instances.front());
  hp_img_t images = internal::ImagesOf(frame, 0, 0, rays.count, 1);
  internal::TapeOf(tape, 0, 0, rays.count, 1, &images);
  const auto kernels = [&](hp_tensor counters) -> absl::Status {
    std::size_t bytes = 0;
    DVREN_RETURN_IF_ERROR(FromHp(hp_samp_int_fused_workspace_size(plan->hp(), hp_roi{}, rays.count, &bytes)));
    DVREN_ASSIGN_OR_RETURN(const Buffer workspace, Buffer::Allocate(stream, bytes));
    const hp_rays_t view = tape.rays_->view(0, rays.count);
    return FromHp(hp_samp_int_fused(stream.hp(), plan->hp(), &instance, 1, &view, hp_roi{}, &images, counters,
                                    hp_workspace{workspace.data(), workspace.size()}));
  };
  DVREN_RETURN_IF_ERROR(internal::Measure(stream, frame.stats, kernels));
  DVREN_RETURN_IF_ERROR(CopyPart(stream, tape.transmittance_, frame.transmittance, 0, 0, rays.count, 1));
  DVREN_RETURN_IF_ERROR(CopyPart(stream, tape.depth_, frame.depth, 0, 0, rays.count, 1));
  DVREN_RETURN_IF_ERROR(CopyPart(stream, tape.distortion_, frame.distortion, 0, 0, rays.count, 1));
  return tape;
}

absl::StatusOr<Tape> Renderer::Forward(Stream& stream, std::shared_ptr<const Plan> plan, const Scene& scene,
                                       Frame& frame) const {
  DVREN_ASSIGN_OR_RETURN(Tape tape, MakeTape(stream, plan, scene));
  DVREN_ASSIGN_OR_RETURN(frame, MakeFrame(stream, *plan));
  for (std::size_t i = 0; i < plan->tiles().size(); ++i) {
    DVREN_RETURN_IF_ERROR(ForwardTile(stream, i, frame, tape));
  }
  return tape;
}

}  // namespace dvren
