// Options of `dvrenctl render`, as they were typed, and the requests that they mean.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dvren/core/status.h"
#include "dvren/v1/field_service.pb.h"
#include "dvren/v1/render_service.pb.h"

namespace dvren::ctl {

// Absent options stay unset in the request: the daemon's defaults hold.
struct RenderOptions {
  std::string field, out;
  std::optional<int> width, height, orbit_frames, bits;
  std::optional<std::string> color_space;  // of the field's colours, for a PNG
  std::string camera, orbit, roi;
  std::optional<double> fov, step, early_stop, sigma_scale;
  std::optional<std::int64_t> max_steps;
  std::optional<std::uint64_t> seed;
  std::string sampling, background, color, transfer, aov, precision, device;
};

// Whether the camera is an orbit, so that the field's box must be known before the request can be made.
[[nodiscard]] bool NeedsBox(const RenderOptions& options);

// RGB first, then what --aov names. INVALID_ARGUMENT for an unknown name.
[[nodiscard]] absl::StatusOr<std::vector<v1::Aov>> ParseAovs(const std::string& text);

// The request of every frame: one, or --orbit-frames of a turn of 360 degrees. `field` is needed where NeedsBox says
// so; the frames of a turn then ask for that version of it.
[[nodiscard]] absl::StatusOr<std::vector<v1::RenderRequest>> MakeRequests(const RenderOptions& options,
                                                                          const v1::Field& field);

// All that can be found wrong without the daemon.
[[nodiscard]] absl::Status CheckRenderOptions(const RenderOptions& options);

}  // namespace dvren::ctl
