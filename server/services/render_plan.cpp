#include "server/services/render_plan.h"

#include <algorithm>
#include <utility>

#include "dvren/render/renderer.h"
#include "server/codec/camera_codec.h"
#include "server/codec/geometry_codec.h"
#include "server/codec/sampling_codec.h"
#include "server/codec/tensor_codec.h"
#include "server/services/session_lease.h"

namespace dvren::server {
namespace {

// A slice of work is one tile: a few milliseconds, and a message of some 200 KiB.
constexpr int kDefaultEdge = 128, kDefaultEdgeF64 = 64;
constexpr int kMinEdge = 16, kMaxEdge = 1024;
constexpr std::uint64_t kMessageOverhead = 4096;  // of a tile's message around its elements

absl::StatusOr<int> TileEdge(int asked, const PlanSpec& spec, std::uint64_t max_message_bytes) {
  const std::uint64_t per_pixel = BytesPerPixel(spec.aovs, spec.precision);
  const auto fits = [&](int edge) {
    return static_cast<std::uint64_t>(edge) * static_cast<std::uint64_t>(edge) * per_pixel + kMessageOverhead <=
           max_message_bytes;
  };
  int largest = kMaxEdge;
  while (largest > kMinEdge && !fits(largest)) largest /= 2;
  if (asked == 0) return std::min(largest, spec.precision == Precision::kF64 ? kDefaultEdgeF64 : kDefaultEdge);
  if (asked < kMinEdge || asked > kMaxEdge || !fits(asked)) {
    return InvalidField(
        "tile", asked,
        absl::StrCat("must be ", kMinEdge, " to ", largest, " pixels for these images, or 0 for ", kDefaultEdge));
  }
  return asked;
}

void AddInstance(const InstanceSpec& instance, FieldLease field, SceneLease& lease) {
  lease.scene.instances.push_back(instance.instance);
  lease.scene.instances.back().field = std::move(field.field);
  lease.field = FieldKey::Of(field.description);
}

}  // namespace

absl::StatusOr<RenderSpec> DecodeRenderRequest(const v1::RenderRequest& request, int max_image_edge) {
  RenderSpec spec;
  DVREN_ASSIGN_OR_RETURN(spec.scene, DecodeScene(request.scene()));
  if (request.has_camera()) {
    DVREN_ASSIGN_OR_RETURN(spec.plan.camera, DecodeCamera(request.camera(), max_image_edge));
  }
  DVREN_ASSIGN_OR_RETURN(spec.plan.sampling, DecodeSampling(request.sampling()));
  DVREN_ASSIGN_OR_RETURN(spec.plan.aovs, DecodeAovs(request.aovs()));
  DVREN_ASSIGN_OR_RETURN(spec.plan.precision, DecodePrecision(request.precision()));
  spec.plan.background = spec.scene.background;
  if (request.has_roi()) spec.roi = request.roi();
  spec.tile = request.tile();
  return spec;
}

absl::StatusOr<SceneLease> AcquireScene(FieldRegistry& fields, Stream& stream, const std::string& tenant,
                                        const SceneSpec& spec, SessionRegistry* sessions) {
  SceneLease lease;
  for (const InstanceSpec& instance : spec.instances) {
    if (sessions != nullptr && IsSessionName(instance.field)) {
      DVREN_ASSIGN_OR_RETURN(SessionLease session,
                             AcquireSession(*sessions, stream, tenant, instance.field, instance.field_version));
      lease.scene.instances.push_back(instance.instance);
      lease.scene.instances.back().field = std::move(session.field);
      lease.field = std::move(session.key);
      lease.hold = std::move(session.hold);
      continue;
    }
    DVREN_ASSIGN_OR_RETURN(FieldLease field, fields.Acquire(stream, tenant, instance.field, instance.field_version));
    AddInstance(instance, std::move(field), lease);
  }
  return lease;
}

absl::StatusOr<RenderPlan> RenderPlan::Make(FieldRegistry& fields, Stream& stream, const std::string& tenant,
                                            const RenderSpec& spec, std::uint64_t max_message_bytes,
                                            SessionRegistry* sessions) {
  DVREN_ASSIGN_OR_RETURN(SceneLease lease, AcquireScene(fields, stream, tenant, spec.scene, sessions));
  return Make(std::move(lease), spec, max_message_bytes);
}

absl::StatusOr<RenderPlan> RenderPlan::Make(const FieldSource& fields, Stream& stream, const RenderSpec& spec,
                                            std::uint64_t max_message_bytes) {
  SceneLease lease;
  for (const InstanceSpec& instance : spec.scene.instances) {
    DVREN_ASSIGN_OR_RETURN(FieldLease field, fields(stream, instance));
    AddInstance(instance, std::move(field), lease);
  }
  return Make(std::move(lease), spec, max_message_bytes);
}

absl::StatusOr<RenderPlan> RenderPlan::Make(SceneLease lease, const RenderSpec& spec, std::uint64_t max_message_bytes) {
  RenderPlan plan;
  plan.lease_ = std::move(lease);
  plan.spec_ = spec.plan;
  DVREN_RETURN_IF_ERROR(ValidateScene(plan.lease_.scene));
  if (!plan.spec_.camera) plan.spec_.camera = DefaultCamera(SceneWorldBox(plan.lease_.scene));
  if (plan.spec_.sampling.dt == 0) plan.spec_.sampling.dt = DefaultStep(plan.lease_.scene);
  const Camera& camera = *plan.spec_.camera;
  plan.spec_.roi = Roi{0, 0, camera.width, camera.height};
  if (spec.roi) {
    DVREN_ASSIGN_OR_RETURN(plan.spec_.roi, DecodeRoi(*spec.roi, camera.width, camera.height, "roi"));
  }
  DVREN_ASSIGN_OR_RETURN(plan.edge_, TileEdge(spec.tile, plan.spec_, max_message_bytes));
  plan.spec_.tile = plan.edge_;
  plan.columns_ = (std::int64_t{plan.spec_.roi->width} + plan.edge_ - 1) / plan.edge_;
  plan.rows_ = (std::int64_t{plan.spec_.roi->height} + plan.edge_ - 1) / plan.edge_;
  return plan;
}

void RenderPlan::EncodeHeader(v1::RenderHeader* header) const {
  EncodeRoi(*spec_.roi, header->mutable_roi());
  EncodeCamera(*spec_.camera, header->mutable_camera());
  EncodeSampling(spec_.sampling, header->mutable_sampling());
  header->set_tiles(static_cast<std::int32_t>(tiles()));
}

Roi RenderPlan::TileRoi(std::int64_t index) const {
  const Roi& whole = *spec_.roi;
  const int x = static_cast<int>(index % columns_) * edge_;
  const int y = static_cast<int>(index / columns_) * edge_;
  return {whole.x + x, whole.y + y, std::min(edge_, whole.width - x), std::min(edge_, whole.height - y)};
}

absl::Status RenderPlan::RenderTile(Stream& stream, std::int64_t index, v1::RenderTile* tile,
                                    RenderStats& stats) const {
  PlanSpec spec = spec_;
  spec.roi = TileRoi(index);
  DVREN_ASSIGN_OR_RETURN(const std::shared_ptr<const Plan> plan, Planner::Make(stream.device(), spec));
  const Renderer renderer;
  DVREN_ASSIGN_OR_RETURN(Frame frame, renderer.MakeFrame(stream, *plan));
  DVREN_RETURN_IF_ERROR(renderer.RenderTile(stream, *plan, lease_.scene, 0, frame));
  stats += frame.stats;
  EncodeRoi(*spec.roi, tile->mutable_roi());
  for (const AovChannel& channel : ChannelsOf(spec.aovs)) {
    std::string* elements =
        AddImage(channel, spec.precision, {spec.roi->height, spec.roi->width}, tile->mutable_images());
    DVREN_RETURN_IF_ERROR((frame.*channel.image).CopyToHost(stream, elements->data()));
  }
  return absl::OkStatus();
}

}  // namespace dvren::server
