// A contact sheet: photographs beside renders of the same views and where they differ, as one picture.
#pragma once

#include <span>
#include <string>

#include "dvren/core/status.h"
#include "dvren/io/image.h"

namespace dvren::io {

// One view. Both images are RGB of the same size with values as stored, 0 … 1 (written by WritePng as they are).
struct SheetRow {
  std::string caption;  // shown above, printable ASCII: a name, a PSNR
  Image truth, render;
};

// Rows of three pictures, truth, render and error, whose longest edge is `thumb` pixels (32 … 4096). The error is the
// mean over channels of |truth - render| before it is made smaller, from black (0) over red and yellow to white (0.25
// and more). RGB, 0 … 1. INVALID_ARGUMENT for no rows, sizes that do not fit, and a sheet above 65535 pixels on an edge
// or 256 Mi pixels.
[[nodiscard]] absl::StatusOr<Image> ContactSheet(std::span<const SheetRow> rows, int thumb);

}  // namespace dvren::io
