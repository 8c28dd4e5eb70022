#include "server/services/job_render.h"

#include <cstring>
#include <optional>
#include <utility>

#include "server/metrics/metrics.h"

namespace dvren::server {
namespace {

// Copies a tile to its place in the image.
void Place(const v1::RenderTile& tile, const Roi& whole, RenderedImage& image) {
  const auto width = static_cast<std::size_t>(tile.roi().width()),
             height = static_cast<std::size_t>(tile.roi().height());
  const auto left = static_cast<std::size_t>(tile.roi().x() - whole.x),
             top = static_cast<std::size_t>(tile.roi().y() - whole.y);
  const auto full = static_cast<std::size_t>(image.width);
  for (const v1::AovTensor& aov : tile.images()) {
    const std::size_t channels = aov.aov() == v1::AOV_RGB ? 3 : 1;
    std::vector<float>& to = image.images[aov.aov()];
    to.resize(full * static_cast<std::size_t>(image.height) * channels);
    const char* from = aov.tensor().payload().inline_().data();
    const std::size_t row = width * channels * sizeof(float);
    for (std::size_t y = 0; y < height; ++y) {
      std::memcpy(to.data() + ((top + y) * full + left) * channels, from + y * row, row);
    }
  }
}

}  // namespace

absl::StatusOr<RenderSpec> CheckJobRender(const v1::RenderRequest& request, int max_image_edge,
                                          const std::string& path) {
  absl::StatusOr<RenderSpec> spec = DecodeRenderRequest(request, max_image_edge);
  if (!spec.ok()) {
    return absl::Status(spec.status().code(), absl::StrCat(path, ".", spec.status().message()));
  }
  if (spec->plan.precision != Precision::kF32) {
    return InvalidField(path + ".precision", "f64", "must be f32: files hold 32-bit floats");
  }
  return spec;
}

std::vector<std::string> FieldsOf(const v1::RenderRequest& request) {
  std::vector<std::string> names;
  for (const v1::Instance& instance : request.scene().instances()) names.push_back(instance.field());
  return names;
}

absl::StatusOr<RenderedImage> RenderOnDevice(const JobEnvironment& environment, JobRun& run,
                                             const v1::RenderRequest& request) {
  ServiceContext& context = environment.context;
  DVREN_ASSIGN_OR_RETURN(const RenderSpec spec,
                         CheckJobRender(request, context.config.limits.max_image_edge, "render"));
  DVREN_ASSIGN_OR_RETURN(const JobInputs* const inputs, run.Inputs(FieldsOf(request)));
  const FieldSource from_inputs = [&](Stream& stream, const InstanceSpec& instance) {
    return inputs->Acquire(environment, stream, instance);
  };
  RenderedImage image;
  std::optional<RenderPlan> plan;
  std::int64_t next = 0;
  const auto slice = [&](Stream& stream) -> absl::StatusOr<bool> {
    if (!plan) {
      const std::uint64_t message = context.config.limits.max_message_bytes;
      DVREN_ASSIGN_OR_RETURN(plan, inputs != nullptr
                                       ? RenderPlan::Make(from_inputs, stream, spec, message)
                                       : RenderPlan::Make(context.fields, stream, run.job().owner, spec, message));
      image.width = plan->spec().roi->width;
      image.height = plan->spec().roi->height;
      image.field_version = plan->field_version();
      return true;
    }
    v1::RenderTile tile;
    RenderStats stats;
    DVREN_RETURN_IF_ERROR(plan->RenderTile(stream, next, &tile, stats));
    context.metrics.Kernel("render", stream.device()->info().id, static_cast<double>(stats.rays),
                           static_cast<double>(stats.samples), stats.wall_seconds);
    image.stats += stats;
    Place(tile, *plan->spec().roi, image);
    return ++next < plan->tiles();
  };
  DVREN_RETURN_IF_ERROR(run.OnDevice(request.device(), slice));
  return image;
}

}  // namespace dvren::server
