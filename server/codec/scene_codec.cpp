#include "server/codec/scene_codec.h"

#include <cmath>

#include "server/codec/geometry_codec.h"

namespace dvren::server {
namespace {

constexpr int kMaxKnots = 256;

absl::StatusOr<TransferFunction> DecodeTransfer(const v1::TransferFunction& message, const std::string& path) {
  TransferFunction transfer;
  if (message.density_size() < 1 || message.density_size() > kMaxKnots) {
    return InvalidField(path + ".density", absl::StrCat(message.density_size(), " knots"),
                        absl::StrCat("must hold 1 to ", kMaxKnots));
  }
  if (message.rgb_size() != message.density_size()) {
    return InvalidField(path + ".rgb", absl::StrCat(message.rgb_size(), " colours"),
                        absl::StrCat("must hold one per knot, ", message.density_size()));
  }
  for (int i = 0; i < message.density_size(); ++i) {
    const double density = message.density(i);
    if (!std::isfinite(density))
      return InvalidField(absl::StrCat(path, ".density[", i, "]"), density, "must be finite");
    if (i > 0 && !(density > transfer.density.back())) {
      return InvalidField(absl::StrCat(path, ".density[", i, "]"), density,
                          absl::StrCat("must be > the knot before, ", transfer.density.back()));
    }
    transfer.density.push_back(density);
    DVREN_ASSIGN_OR_RETURN(const Vec3 rgb, DecodeVec3(message.rgb(i), absl::StrCat(path, ".rgb[", i, "]")));
    transfer.rgb.push_back(rgb);
  }
  return transfer;
}

absl::StatusOr<InstanceSpec> DecodeInstance(const v1::Instance& message, const std::string& path) {
  InstanceSpec spec;
  if (message.field().empty()) return InvalidField(path + ".field", "\"\"", "give fields/{id} or a display name");
  spec.field = message.field();
  spec.field_version = message.field_version();
  if (message.has_object_to_world()) {
    DVREN_ASSIGN_OR_RETURN(spec.instance.object_to_world,
                           DecodeAffine(message.object_to_world(), path + ".object_to_world"));
  }
  if (message.has_sigma_scale()) spec.instance.sigma_scale = message.sigma_scale();
  if (!(std::isfinite(spec.instance.sigma_scale) && spec.instance.sigma_scale >= 0)) {
    return InvalidField(path + ".sigma_scale", spec.instance.sigma_scale, "must be >= 0 and finite");
  }
  switch (message.color_case()) {
    case v1::Instance::kConstant: {
      DVREN_ASSIGN_OR_RETURN(const Vec3 rgb, DecodeVec3(message.constant().rgb(), path + ".constant.rgb"));
      spec.instance.color = rgb;
      break;
    }
    case v1::Instance::kTransfer: {
      DVREN_ASSIGN_OR_RETURN(spec.instance.color, DecodeTransfer(message.transfer(), path + ".transfer"));
      break;
    }
    case v1::Instance::COLOR_NOT_SET:
      break;
  }
  return spec;
}

}  // namespace

absl::StatusOr<SceneSpec> DecodeScene(const v1::Scene& message) {
  SceneSpec scene;
  if (message.instances_size() == 0) return InvalidField("scene.instances", "none", "give one instance of a field");
  if (message.instances_size() > 1) {
    return absl::UnimplementedError(
        absl::StrCat("scene.instances = ", message.instances_size(), " instances: not implemented yet; give one"));
  }
  for (int i = 0; i < message.instances_size(); ++i) {
    DVREN_ASSIGN_OR_RETURN(InstanceSpec instance,
                           DecodeInstance(message.instances(i), absl::StrCat("scene.instances[", i, "]")));
    scene.instances.push_back(std::move(instance));
  }
  DVREN_ASSIGN_OR_RETURN(scene.background, DecodeVec3(message.background(), "scene.background"));
  return scene;
}

}  // namespace dvren::server
