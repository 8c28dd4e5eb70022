// ForwardPass: the target of a Forward made definite: a render that leaves a tape behind, of a camera's image or of
// given rays, in tiles.
#pragma once

#include <memory>

#include "dvren/render/frame.h"
#include "dvren/render/tape.h"
#include "dvren/v1/render_service.pb.h"
#include "server/codec/tensor_codec.h"
#include "server/registries/field_registry.h"
#include "server/registries/tape_registry.h"
#include "server/services/render_plan.h"

namespace dvren::server {

class ForwardPass {
 public:
  virtual ~ForwardPass() = default;
  [[nodiscard]] virtual std::int64_t tiles() const = 0;
  virtual void EncodeHeader(v1::RenderHeader* header) const = 0;
  // Renders tile `index` and encodes it; each once, in order. Adds to `stats`.
  [[nodiscard]] virtual absl::Status RunTile(Stream& stream, std::int64_t index, v1::RenderTile* tile,
                                             RenderStats& stats) = 0;
  [[nodiscard]] const PlanSpec& spec() const { return plan_->spec(); }
  // After the last tile: the tape, charged for itself alone. The pass is spent.
  [[nodiscard]] absl::StatusOr<KeptTape> TakeTape();

 protected:
  explicit ForwardPass(SceneLease lease) : lease_(std::move(lease)) {}
  // Room for the tape of so many rays and, until it is taken, for the images of the forward.
  [[nodiscard]] absl::Status Reserve(TapeRegistry& tapes, const PlanSpec& spec, std::int64_t rays);
  [[nodiscard]] absl::Status EncodeTile(Stream& stream, const Roi& tile, const Roi& whole,
                                        v1::RenderTile* message) const;

  SceneLease lease_;
  ByteCharge charge_;
  std::shared_ptr<const Plan> plan_;
  Frame frame_;
  std::optional<Tape> tape_;
};

// What a Forward says, checked as far as that goes without its field.
struct ForwardSpec {
  std::optional<RenderSpec> image;  // or rays:
  SceneSpec scene;
  PlanSpec plan;
  RayBatch rays;  // into the request
  v1::AxisConvention convention = v1::AXIS_CONVENTION_OPENCV;
};
// `request` outlives the spec.
[[nodiscard]] absl::StatusOr<ForwardSpec> DecodeForwardRequest(const v1::ForwardRequest& request, int max_image_edge);

// On a device worker. RESOURCE_EXHAUSTED when the tape does not fit its budget: before anything is rendered.
[[nodiscard]] absl::StatusOr<std::unique_ptr<ForwardPass>> MakeForwardPass(FieldRegistry& fields, TapeRegistry& tapes,
                                                                           Stream& stream, const std::string& tenant,
                                                                           const ForwardSpec& spec,
                                                                           std::uint64_t max_message_bytes);

}  // namespace dvren::server
