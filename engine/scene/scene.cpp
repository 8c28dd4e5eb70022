#include "dvren/scene/scene.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <string>
#include <variant>

#include "dvren/io/check.h"

namespace dvren {
namespace {

absl::Status CheckColor(const std::string& field, const std::array<double, 3>& rgb) {
  for (int i = 0; i < 3; ++i) {
    if (!std::isfinite(rgb[i])) return InvalidField(absl::StrCat(field, "[", i, "]"), rgb[i], "must be finite");
  }
  return absl::OkStatus();
}

absl::Status CheckTransfer(const std::string& field, const TransferFunction& transfer) {
  const std::size_t knots = transfer.density.size();
  if (knots < 1 || knots > HP_MAX_TRANSFER_KNOTS) {
    return InvalidField(absl::StrCat(field, ".density"), absl::StrCat(knots, " knots"),
                        absl::StrCat("must be 1 to ", HP_MAX_TRANSFER_KNOTS));
  }
  if (transfer.rgb.size() != knots) {
    return InvalidField(absl::StrCat(field, ".rgb"), absl::StrCat(transfer.rgb.size(), " colours"),
                        absl::StrCat("must be one per density, ", knots));
  }
  for (std::size_t i = 0; i < knots; ++i) {
    const std::string knot = absl::StrCat(field, ".density[", i, "]");
    if (!std::isfinite(transfer.density[i])) return InvalidField(knot, transfer.density[i], "must be finite");
    if (i > 0 && !(transfer.density[i] > transfer.density[i - 1])) {
      return InvalidField(knot, transfer.density[i],
                          absl::StrCat("must be above the one before, ", transfer.density[i - 1]));
    }
    DVREN_RETURN_IF_ERROR(CheckColor(absl::StrCat(field, ".rgb[", i, "]"), transfer.rgb[i]));
  }
  return absl::OkStatus();
}

// Fields with colours of their own would not show another one: say so instead of dropping it.
absl::Status CheckInstanceColor(const std::string& name, const Instance& instance) {
  const bool own_color = instance.field->info().channels != 1 || instance.field->info().batched;
  const std::string remedy =
      absl::StrCat("the field has colours of its own (", instance.field->info().channels, " channels); leave it out");
  if (const auto* transfer = std::get_if<TransferFunction>(&instance.color)) {
    DVREN_RETURN_IF_ERROR(CheckTransfer(absl::StrCat(name, ".transfer"), *transfer));
    if (own_color) {
      return InvalidField(absl::StrCat(name, ".transfer"), absl::StrCat(transfer->density.size(), " knots"), remedy);
    }
    return absl::OkStatus();
  }
  const auto& rgb = std::get<std::array<double, 3>>(instance.color);
  DVREN_RETURN_IF_ERROR(CheckColor(absl::StrCat(name, ".color"), rgb));
  if (own_color && rgb != std::array<double, 3>{1, 1, 1}) {
    return InvalidField(absl::StrCat(name, ".color"), absl::StrCat("(", rgb[0], ", ", rgb[1], ", ", rgb[2], ")"),
                        remedy);
  }
  return absl::OkStatus();
}

// Smallest singular value of the linear part: how much the map shrinks the direction that it shrinks most. From the
// eigenvalues of M'M in closed form (the trigonometric solution of the cubic for symmetric 3x3 matrices).
double SmallestStretch(const Affine& map) {
  double s[3][3];
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) {
      s[i][j] = 0;
      for (int k = 0; k < 3; ++k) s[i][j] += map.m[4 * k + i] * map.m[4 * k + j];
    }
  }
  const double off = s[0][1] * s[0][1] + s[0][2] * s[0][2] + s[1][2] * s[1][2];
  if (off == 0) return std::sqrt(std::min({s[0][0], s[1][1], s[2][2]}));
  const double q = (s[0][0] + s[1][1] + s[2][2]) / 3;
  const double p = std::sqrt(
      ((s[0][0] - q) * (s[0][0] - q) + (s[1][1] - q) * (s[1][1] - q) + (s[2][2] - q) * (s[2][2] - q) + 2 * off) / 6);
  const double a = (s[0][0] - q) / p, b = (s[1][1] - q) / p, c = (s[2][2] - q) / p;
  const double d = s[0][1] / p, e = s[0][2] / p, f = s[1][2] / p;
  const double half_det = 0.5 * (a * (b * c - f * f) - d * (d * c - f * e) + e * (d * f - b * e));
  const double phi = std::acos(std::clamp(half_det, -1.0, 1.0)) / 3;
  return std::sqrt(std::max(0.0, q + 2 * p * std::cos(phi + 2 * std::numbers::pi / 3)));
}

}  // namespace

absl::Status ValidateScene(const Scene& scene) {
  if (scene.instances.empty()) return InvalidField("scene.instances", "none", "must be one");
  if (scene.instances.size() > 1) {
    return absl::UnimplementedError(absl::StrCat("scene.instances = ", scene.instances.size(),
                                                 ": several instances are not implemented; give one"));
  }
  const Instance& instance = scene.instances.front();
  const std::string name = "scene.instances[0]";
  if (instance.field == nullptr) return InvalidField(absl::StrCat(name, ".field"), "none", "must name a field");
  DVREN_RETURN_IF_ERROR(io::CheckTransform(instance.object_to_world, absl::StrCat(name, ".object_to_world")));
  if (!std::isfinite(instance.sigma_scale) || instance.sigma_scale < 0) {
    return InvalidField(absl::StrCat(name, ".sigma_scale"), instance.sigma_scale, "must be finite and >= 0");
  }
  return CheckInstanceColor(name, instance);
}

Box SceneWorldBox(const Scene& scene) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  Box all{{kInfinity, kInfinity, kInfinity}, {-kInfinity, -kInfinity, -kInfinity}};
  for (const Instance& instance : scene.instances) {
    if (instance.field == nullptr) continue;
    const FieldInfo& info = instance.field->info();
    const Box box = BoundsOf(info.box, instance.object_to_world.After(info.local_to_world));
    for (int i = 0; i < 3; ++i) {
      all.min[i] = std::min(all.min[i], box.min[i]);
      all.max[i] = std::max(all.max[i], box.max[i]);
    }
  }
  return all;
}

double DefaultStep(const Scene& scene) {
  double voxel = std::numeric_limits<double>::infinity();
  for (const Instance& instance : scene.instances) {
    if (instance.field == nullptr) continue;
    voxel = std::min(voxel, instance.field->info().min_voxel_world * SmallestStretch(instance.object_to_world));
  }
  return 0.5 * voxel;
}

}  // namespace dvren
