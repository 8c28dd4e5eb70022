// Letters for pictures, printable ASCII: 5 x 7 dots and two more below the line, 6 apart. Internal to dvren::io.
#pragma once

#include <array>

#include "absl/strings/string_view.h"
#include "dvren/io/image.h"

namespace dvren::io {

using Color = std::array<float, 3>;

inline constexpr int kGlyphAdvance = 6, kGlyphHeight = 7;

// Pixels of a line of text at `scale` pixels to a dot.
[[nodiscard]] int TextWidth(absl::string_view text, int scale);

// Draws into an RGB image with the upper left corner at (x, y); what falls outside is left out, other characters than
// printable ASCII are drawn as '?'. `upward`: turned by 90 degrees, to be read from below, (x, y) the lower left
// corner.
void DrawText(Image& image, int x, int y, absl::string_view text, const Color& color, int scale, bool upward = false);

}  // namespace dvren::io
