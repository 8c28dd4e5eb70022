// Scenes on the wire: first what a request says (names of fields), then, with the fields at hand, an engine scene.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "dvren/scene/scene.h"
#include "dvren/v1/scene.pb.h"

namespace dvren::server {

struct InstanceSpec {
  std::string field;                // "fields/{id}" or a display name
  std::uint64_t field_version = 0;  // 0: the current one
  Instance instance;                // all but the field
};

struct SceneSpec {
  std::vector<InstanceSpec> instances;
  std::array<double, 3> background{0, 0, 0};
};

// INVALID_ARGUMENT `scene.… = value: remedy`; UNIMPLEMENTED for more than one instance.
[[nodiscard]] absl::StatusOr<SceneSpec> DecodeScene(const v1::Scene& message);

}  // namespace dvren::server
