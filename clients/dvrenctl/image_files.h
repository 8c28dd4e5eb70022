// Renders as files. The extension chooses the format: .png, .exr, .npy, .npz.
#pragma once

#include <string>
#include <vector>

#include "dvren/client/render.h"
#include "dvren/core/status.h"

namespace dvren::ctl {

// Whether a file of this name can hold these AOVs (RGB is always held); INVALID_ARGUMENT says which format can.
// `bits` (0: not given; 8 or 16) and `color_space` ("": not given; linear or srgb) go with .png alone.
[[nodiscard]] absl::Status CheckImageFile(const std::string& path, const std::vector<v1::Aov>& aovs, int bits,
                                          const std::string& color_space = "");

// PNG: linear RGB, clamped and sRGB-encoded once, 8 bits (or 16); with `color_space` "srgb" RGB that is encoded as it
// is, clamped. EXR: channels R, G, B and, as rendered, A (opacity),
// Z (depth), T (transmittance), hit, linear. NPY: rgb (H, W, 3). NPZ: arrays of the AOVs' names, f32.
// The file appears whole or not at all.
[[nodiscard]] absl::Status WriteImageFile(const std::string& path, const client::RenderedFrame& frame, int bits,
                                          const std::string& color_space = "");

}  // namespace dvren::ctl
