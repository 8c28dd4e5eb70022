// What goes into and comes out of Forward, Backward and the gradients of fields.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "dvren/client/image.h"
#include "dvren/v1/field_service.pb.h"
#include "dvren/v1/render_service.pb.h"

namespace dvren::client {

// A tape that the daemon keeps for a limited time, and the pixels that dL/d(image) must cover.
struct RecordedTape {
  v1::Tape info;
  v1::Roi roi;  // (0, 0, N, 1) for given rays
};

struct ForwardedFrame {
  v1::RenderHeader header;          // camera and sampling as rendered
  std::map<v1::Aov, Image> images;  // those that were asked for; RGB when none were. Given rays: 1 x N
  RecordedTape tape;
  v1::RenderStats stats;
  std::vector<std::string> warnings;
};

// dL/d(image) of one AOV: height x width x channels of the tape, C order, finite. Converted to the tape's precision.
struct AdjointBuffer {
  v1::Aov aov = v1::AOV_RGB;  // RGB, OPACITY, TRANSMITTANCE or DEPTH
  std::variant<std::span<const float>, std::span<const double>> values;
};

// dL/d(field values), of one pass or as a sum of several.
struct ValueGradient {
  std::vector<std::int64_t> shape;    // dense grid (nz, ny, nx, channels); NanoVDB (leaves, 8, 8, 8), z, y, x
  std::vector<std::int32_t> origins;  // NanoVDB: (leaves, 3), index coordinates x, y, z of each leaf's first voxel
  std::variant<std::vector<float>, std::vector<double>> values;  // as the dtype that was asked for
  int exponent = 0;                                              // quantum 2^exponent of its sums
  std::uint64_t field_version = 0;
};

struct BackwardResult {
  v1::Gradients gradients;  // those that were asked for
  std::optional<ValueGradient> values;
  v1::GradientStats value_stats;  // with values or accumulate
  v1::RenderStats stats;
};

}  // namespace dvren::client
