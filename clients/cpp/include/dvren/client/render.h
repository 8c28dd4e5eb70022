// What goes into and comes out of renders. Cameras, scenes and samplings are the messages of dvren.v1.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "dvren/client/image.h"
#include "dvren/client/options.h"
#include "dvren/v1/render_service.pb.h"

namespace dvren::client {

// Channels of an AOV: 3 for RGB, else 1.
[[nodiscard]] int AovChannels(v1::Aov aov);
// "rgb", "opacity", "transmittance", "depth", "hit".
[[nodiscard]] std::string AovName(v1::Aov aov);

// A caller's memory for one AOV: ROI height x ROI width x channels, C order. Values of another precision are converted.
struct AovBuffer {
  v1::Aov aov = v1::AOV_RGB;
  std::variant<std::span<float>, std::span<double>> pixels;
};

// What the daemon said about a render, before and after the tiles.
struct RenderReport {
  v1::RenderHeader header;    // camera and sampling as rendered, ROI, request id
  v1::RenderSummary summary;  // statistics, warnings, field version
};

struct RenderedFrame {
  RenderReport report;
  std::map<v1::Aov, Image> images;  // those that were asked for; RGB when none were
};

// Rays in world space. `directions` have unit length. Empty spans take the defaults.
struct RaysView {
  std::span<const float> origins;     // (N, 3)
  std::span<const float> directions;  // (N, 3)
  std::span<const float> t_near;      // (N); empty: 0
  std::span<const float> t_far;       // (N); empty: infinity
  std::span<const std::int64_t> ids;  // (N), keys of stratified sampling; empty: the index
};

struct RenderedRays {
  std::map<v1::Aov, std::vector<float>> values;  // rgb (N, 3), others (N)
  v1::RenderStats stats;                         // sums over the requests that N took
  std::vector<std::string> warnings;
};

}  // namespace dvren::client
