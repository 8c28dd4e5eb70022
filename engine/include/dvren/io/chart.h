// A chart of lines as a picture: learning curves.
#pragma once

#include <string>
#include <vector>

#include "dvren/core/status.h"
#include "dvren/io/image.h"

namespace dvren::io {

struct ChartSeries {
  std::string name;          // in the legend; printable ASCII, as all text of a chart
  std::vector<double> x, y;  // equally many, at least one, finite; joined in this order
};

struct ChartSpec {
  std::string title, x_label, y_label;  // each may be empty
  std::vector<ChartSeries> series;      // 1 … 8, of different names
  int width = 960, height = 540;        // pixels, 320 … 4096 by 240 … 4096
};

// RGB, 0 … 1, values as stored (written by WritePng as they are). Axes hold all points; an x axis whose values are not
// negative and begin near 0 begins at 0. INVALID_ARGUMENT names what does not do.
[[nodiscard]] absl::StatusOr<Image> Chart(const ChartSpec& spec);

}  // namespace dvren::io
