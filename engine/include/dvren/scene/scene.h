// Scene: placed fields. One static instance is rendered for now; more are refused with UNIMPLEMENTED.
#pragma once

#include <array>
#include <memory>
#include <variant>
#include <vector>

#include "dvren/core/geometry.h"
#include "dvren/core/status.h"
#include "dvren/fields/field.h"

namespace dvren {

// Piecewise linear colour over raw density (before sigma_scale), constant beyond the ends. Densities ascend.
struct TransferFunction {
  std::vector<double> density;
  std::vector<std::array<double, 3>> rgb;
};

struct Instance {
  std::shared_ptr<const Field> field;
  Affine object_to_world;
  double sigma_scale = 1;
  std::variant<std::array<double, 3>, TransferFunction> color = std::array<double, 3>{1, 1, 1};  // of scalar fields
};

struct Scene {
  std::vector<Instance> instances;
};

[[nodiscard]] absl::Status ValidateScene(const Scene& scene);

// Bounds of all instances in world space.
[[nodiscard]] Box SceneWorldBox(const Scene& scene);

// The largest sample spacing that misses nothing: half the smallest voxel of the scene.
[[nodiscard]] double DefaultStep(const Scene& scene);

}  // namespace dvren
