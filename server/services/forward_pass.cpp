#include "server/services/forward_pass.h"

#include <algorithm>
#include <utility>

#include "dvren/render/renderer.h"
#include "server/codec/geometry_codec.h"
#include "server/codec/sampling_codec.h"

namespace dvren::server {
namespace {

constexpr std::int64_t kRaysPerTile = 16384;  // as many as an image's tile has

class ImageForward final : public ForwardPass {
 public:
  static absl::StatusOr<std::unique_ptr<ForwardPass>> Make(FieldRegistry& fields, TapeRegistry& tapes, Stream& stream,
                                                           const std::string& tenant, const RenderSpec& spec,
                                                           std::uint64_t max_message_bytes) {
    DVREN_ASSIGN_OR_RETURN(RenderPlan image, RenderPlan::Make(fields, stream, tenant, spec, max_message_bytes));
    std::unique_ptr<ImageForward> pass(new ImageForward(std::move(image)));
    const PlanSpec& complete = pass->image_.spec();
    DVREN_RETURN_IF_ERROR(pass->Reserve(tapes, complete, std::int64_t{complete.roi->width} * complete.roi->height));
    DVREN_ASSIGN_OR_RETURN(pass->plan_, stream.device()->plans().Get(stream.device(), complete));
    DVREN_RETURN_IF_ERROR(ValidatePlanForScene(*pass->plan_, pass->lease_.scene));
    const Renderer renderer;
    DVREN_ASSIGN_OR_RETURN(pass->frame_, renderer.MakeFrame(stream, *pass->plan_));
    DVREN_ASSIGN_OR_RETURN(pass->tape_, renderer.MakeTape(stream, pass->plan_, pass->lease_.scene));
    return pass;
  }

  [[nodiscard]] std::int64_t tiles() const override { return static_cast<std::int64_t>(plan_->tiles().size()); }

  void EncodeHeader(v1::RenderHeader* header) const override {
    image_.EncodeHeader(header);
    header->set_tiles(static_cast<std::int32_t>(tiles()));
  }

  absl::Status RunTile(Stream& stream, std::int64_t index, v1::RenderTile* tile, RenderStats& stats) override {
    frame_.stats = RenderStats{};
    DVREN_RETURN_IF_ERROR(Renderer().ForwardTile(stream, static_cast<std::size_t>(index), frame_, *tape_));
    stats += frame_.stats;
    return EncodeTile(stream, plan_->tiles()[static_cast<std::size_t>(index)], plan_->roi(), tile);
  }

 private:
  explicit ImageForward(RenderPlan image) : ForwardPass(image.lease()), image_(std::move(image)) {}
  const RenderPlan image_;
};

class RayForward final : public ForwardPass {
 public:
  static absl::StatusOr<std::unique_ptr<ForwardPass>> Make(FieldRegistry& fields, TapeRegistry& tapes, Stream& stream,
                                                           const std::string& tenant, const ForwardSpec& spec) {
    DVREN_ASSIGN_OR_RETURN(SceneLease lease, AcquireScene(fields, stream, tenant, spec.scene));
    DVREN_RETURN_IF_ERROR(ValidateScene(lease.scene));
    PlanSpec complete = spec.plan;
    if (complete.sampling.dt == 0) complete.sampling.dt = DefaultStep(lease.scene);
    std::unique_ptr<RayForward> pass(new RayForward(std::move(lease), spec.rays));
    DVREN_RETURN_IF_ERROR(pass->Reserve(tapes, complete, spec.rays.count));
    DVREN_ASSIGN_OR_RETURN(pass->plan_, stream.device()->plans().Get(stream.device(), complete));
    return pass;
  }

  [[nodiscard]] std::int64_t tiles() const override { return (rays_.count + kRaysPerTile - 1) / kRaysPerTile; }

  void EncodeHeader(v1::RenderHeader* header) const override {
    EncodeRoi(whole(), header->mutable_roi());
    EncodeSampling(spec().sampling, header->mutable_sampling());
    header->set_tiles(static_cast<std::int32_t>(tiles()));
  }

  // The first tile renders all: rays come in one message, which bounds them.
  absl::Status RunTile(Stream& stream, std::int64_t index, v1::RenderTile* tile, RenderStats& stats) override {
    if (!tape_) {
      DVREN_ASSIGN_OR_RETURN(tape_, Renderer().ForwardRays(stream, plan_, lease_.scene, rays_, frame_));
      stats += frame_.stats;
    }
    const auto first = static_cast<int>(index * kRaysPerTile);
    const int count = std::min(static_cast<int>(kRaysPerTile), static_cast<int>(rays_.count) - first);
    return EncodeTile(stream, Roi{first, 0, count, 1}, whole(), tile);
  }

 private:
  RayForward(SceneLease lease, const RayBatch& rays) : ForwardPass(std::move(lease)), rays_(rays) {}
  [[nodiscard]] Roi whole() const { return {0, 0, static_cast<int>(rays_.count), 1}; }
  const RayBatch rays_;
};

}  // namespace

absl::Status ForwardPass::Reserve(TapeRegistry& tapes, const PlanSpec& spec, std::int64_t rays) {
  const std::uint64_t images = static_cast<std::uint64_t>(rays) * BytesPerPixel(spec.aovs, spec.precision);
  DVREN_ASSIGN_OR_RETURN(charge_, tapes.Reserve(lease_.field.owner, Tape::BytesFor(spec, rays) + images));
  return absl::OkStatus();
}

absl::Status ForwardPass::EncodeTile(Stream& stream, const Roi& tile, const Roi& whole, v1::RenderTile* message) const {
  EncodeRoi(tile, message->mutable_roi());
  for (const AovChannel& channel : ChannelsOf(spec().aovs)) {
    std::string* elements = AddImage(channel, spec().precision, {tile.height, tile.width}, message->mutable_images());
    DVREN_RETURN_IF_ERROR(
        (frame_.*channel.image)
            .CopyRectToHost(stream, tile.y - whole.y, tile.x - whole.x, tile.height, tile.width, elements->data()));
  }
  return absl::OkStatus();
}

absl::StatusOr<KeptTape> ForwardPass::TakeTape() {
  frame_ = Frame{};
  DVREN_RETURN_IF_ERROR(charge_.Resize(tape_->bytes()));
  KeptTape kept{*std::move(tape_),    lease_.field.owner,         lease_.field.name,
                lease_.field.version, v1::AXIS_CONVENTION_OPENCV, std::move(charge_)};
  tape_.reset();
  return kept;
}

absl::StatusOr<ForwardSpec> DecodeForwardRequest(const v1::ForwardRequest& request, int max_image_edge) {
  ForwardSpec spec;
  switch (request.target_case()) {
    case v1::ForwardRequest::kImage: {
      DVREN_ASSIGN_OR_RETURN(spec.image, DecodeRenderRequest(request.image(), max_image_edge));
      spec.convention = request.image().camera().convention();
      return spec;
    }
    case v1::ForwardRequest::kRays: {
      const v1::RenderRaysRequest& rays = request.rays();
      DVREN_ASSIGN_OR_RETURN(spec.scene, DecodeScene(rays.scene()));
      DVREN_ASSIGN_OR_RETURN(spec.plan.sampling, DecodeSampling(rays.sampling()));
      DVREN_ASSIGN_OR_RETURN(spec.plan.aovs, DecodeAovs(rays.aovs()));
      DVREN_ASSIGN_OR_RETURN(spec.plan.precision, DecodePrecision(rays.precision()));
      spec.plan.background = spec.scene.background;
      DVREN_ASSIGN_OR_RETURN(spec.rays, DecodeRays(rays.rays(), spec.plan.precision));
      return spec;
    }
    case v1::ForwardRequest::TARGET_NOT_SET:
      break;
  }
  return InvalidField("target", "absent", "give image or rays");
}

absl::StatusOr<std::unique_ptr<ForwardPass>> MakeForwardPass(FieldRegistry& fields, TapeRegistry& tapes, Stream& stream,
                                                             const std::string& tenant, const ForwardSpec& spec,
                                                             std::uint64_t max_message_bytes) {
  if (spec.image) return ImageForward::Make(fields, tapes, stream, tenant, *spec.image, max_message_bytes);
  return RayForward::Make(fields, tapes, stream, tenant, spec);
}

}  // namespace dvren::server
