// RenderPlan: a Render request made definite: a scene with its fields at hand, defaults filled in, cut into tiles.
// Tiles are planned one by one, each as an image region of its own, so that memory does not grow with the image.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "dvren/plan/plan.h"
#include "dvren/render/frame.h"
#include "dvren/scene/scene.h"
#include "dvren/v1/render_service.pb.h"
#include "server/codec/scene_codec.h"
#include "server/registries/field_registry.h"
#include "server/registries/gradient_registry.h"

namespace dvren::server {

class SessionRegistry;

// What a request says, checked as far as that goes without its field.
struct RenderSpec {
  SceneSpec scene;
  PlanSpec plan;               // dt = 0 and no camera where they are left to the scene
  std::optional<v1::Roi> roi;  // checked once the camera is known
  int tile = 0;
};

[[nodiscard]] absl::StatusOr<RenderSpec> DecodeRenderRequest(const v1::RenderRequest& request, int max_image_edge);

// The fields of a scene, leased for one render.
struct SceneLease {
  std::shared_ptr<const void> hold;  // of a training session, which waits meanwhile; first, to be let go last
  Scene scene;
  FieldKey field;  // of the one instance there is
};
// With `sessions`, "sessions/{id}" names the field that the session trains, as it is; its version is the session's
// step.
[[nodiscard]] absl::StatusOr<SceneLease> AcquireScene(FieldRegistry& fields, Stream& stream, const std::string& tenant,
                                                      const SceneSpec& spec, SessionRegistry* sessions = nullptr);

// Gives an instance's field, on the stream's device.
using FieldSource = std::function<absl::StatusOr<FieldLease>(Stream& stream, const InstanceSpec& instance)>;

class RenderPlan {
 public:
  // On a device worker. `max_message_bytes` bounds what a tile may take.
  [[nodiscard]] static absl::StatusOr<RenderPlan> Make(FieldRegistry& fields, Stream& stream, const std::string& tenant,
                                                       const RenderSpec& spec, std::uint64_t max_message_bytes,
                                                       SessionRegistry* sessions = nullptr);
  [[nodiscard]] static absl::StatusOr<RenderPlan> Make(const FieldSource& fields, Stream& stream,
                                                       const RenderSpec& spec, std::uint64_t max_message_bytes);

  [[nodiscard]] std::int64_t tiles() const { return columns_ * rows_; }
  [[nodiscard]] const PlanSpec& spec() const { return spec_; }
  [[nodiscard]] std::uint64_t field_version() const { return lease_.field.version; }
  [[nodiscard]] const SceneLease& lease() const { return lease_; }
  void EncodeHeader(v1::RenderHeader* header) const;
  // Renders tile `index`, row by row, and encodes it; adds to `stats`.
  [[nodiscard]] absl::Status RenderTile(Stream& stream, std::int64_t index, v1::RenderTile* tile,
                                        RenderStats& stats) const;

 private:
  RenderPlan() = default;
  [[nodiscard]] static absl::StatusOr<RenderPlan> Make(SceneLease lease, const RenderSpec& spec,
                                                       std::uint64_t max_message_bytes);
  [[nodiscard]] Roi TileRoi(std::int64_t index) const;

  SceneLease lease_;
  PlanSpec spec_;  // complete; roi is the whole region
  int edge_ = 0;
  std::int64_t columns_ = 0, rows_ = 0;
};

}  // namespace dvren::server
