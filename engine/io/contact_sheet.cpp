#include "dvren/io/contact_sheet.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "bitmap_font.h"

namespace dvren::io {
namespace {

constexpr float kTop = 0.25F;  // the error that is white
constexpr int kGap = 4, kMargin = 12, kTextScale = 2, kLine = (kGlyphHeight + 4) * kTextScale;
constexpr Color kPaper{0.10F, 0.10F, 0.12F}, kInk{0.88F, 0.88F, 0.90F}, kFaint{0.60F, 0.60F, 0.64F};

// Black-body colours: lightness grows all the way, so that it can be read in grey as well.
Color Heat(float error) {
  static constexpr std::array<Color, 6> kStops{Color{0, 0, 0},
                                               Color{0.25F, 0.03F, 0.28F},
                                               Color{0.72F, 0.12F, 0.15F},
                                               Color{0.96F, 0.45F, 0.05F},
                                               Color{1.0F, 0.85F, 0.25F},
                                               Color{1, 1, 1}};
  const float place = std::clamp(error / kTop, 0.0F, 1.0F) * (kStops.size() - 1);
  const auto stop = std::min<std::size_t>(static_cast<std::size_t>(place), kStops.size() - 2);
  const float part = place - static_cast<float>(stop);
  Color color{};
  for (std::size_t c = 0; c < 3; ++c) color[c] = kStops[stop][c] + part * (kStops[stop + 1][c] - kStops[stop][c]);
  return color;
}

Image Blank(int width, int height, const Color& color) {
  Image image{width, height, 3, {}};
  image.values.resize(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3);
  for (std::size_t i = 0; i < image.values.size(); ++i) image.values[i] = color[i % 3];
  return image;
}

// Which pixels of an edge of `from` make pixel `i` of `to`, and how much of each; the weights sum to 1.
std::vector<std::pair<int, float>> Overlaps(int i, int from, int to) {
  const double begin = static_cast<double>(i) * from / to, end = static_cast<double>(i + 1) * from / to;
  std::vector<std::pair<int, float>> overlaps;
  for (int p = static_cast<int>(begin); p < from && p < end; ++p) {
    const double length = std::min(end, p + 1.0) - std::max(begin, static_cast<double>(p));
    if (length > 0) overlaps.emplace_back(p, static_cast<float>(length / (end - begin)));
  }
  return overlaps;
}

// Means over the area that each pixel covers.
Image Resize(const Image& image, int width, int height) {
  std::vector<std::vector<std::pair<int, float>>> columns;
  for (int x = 0; x < width; ++x) columns.push_back(Overlaps(x, image.width, width));
  Image result = Blank(width, height, {0, 0, 0});
  float* to = result.values.data();
  for (int y = 0; y < height; ++y) {
    const auto rows = Overlaps(y, image.height, height);
    for (const auto& column : columns) {
      Color sum{};
      for (const auto& [q, row_weight] : rows) {
        for (const auto& [p, weight] : column) {
          const float* from = &image.values[3 * (static_cast<std::size_t>(q) * static_cast<std::size_t>(image.width) +
                                                 static_cast<std::size_t>(p))];
          for (std::size_t c = 0; c < 3; ++c) sum[c] += row_weight * weight * from[c];
        }
      }
      to = std::copy(sum.begin(), sum.end(), to);
    }
  }
  return result;
}

// The error in every channel alike, made small by Resize, then coloured.
Image ErrorOf(const SheetRow& row, int width, int height) {
  Image error = row.truth;
  for (std::size_t i = 0; i < error.values.size(); i += 3) {
    float sum = 0;
    for (std::size_t c = 0; c < 3; ++c) sum += std::abs(row.truth.values[i + c] - row.render.values[i + c]);
    for (std::size_t c = 0; c < 3; ++c) error.values[i + c] = sum / 3;
  }
  error = Resize(error, width, height);
  for (std::size_t i = 0; i < error.values.size(); i += 3) {
    const Color color = Heat(error.values[i]);
    std::copy(color.begin(), color.end(), error.values.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return error;
}

void Paste(const Image& image, int x, int y, Image& onto) {
  const auto row = static_cast<std::ptrdiff_t>(image.width) * 3;
  for (int j = 0; j < image.height; ++j) {
    std::copy_n(image.values.begin() + j * row, row,
                onto.values.begin() + (static_cast<std::ptrdiff_t>(y + j) * onto.width + x) * 3);
  }
}

// As much of a caption as `width` pixels hold.
std::string Fit(const std::string& text, int width) {
  const std::size_t most = static_cast<std::size_t>(std::max(0, width / (kGlyphAdvance * kTextScale)));
  return text.size() <= most ? text : text.substr(0, most < 2 ? 0 : most - 2) + "..";
}

// The scale of the error: its colours, from 0 to kTop.
void DrawScale(int x, int y, int width, Image& sheet) {
  DrawText(sheet, x, y, "0", kFaint, kTextScale);
  const char* end = "0.25";
  const int left = x + TextWidth("0", kTextScale) + 8, right = x + width - TextWidth(end, kTextScale) - 8;
  for (int i = left; i < right; ++i) {
    const Color color = Heat(kTop * static_cast<float>(i - left) / static_cast<float>(std::max(1, right - left - 1)));
    for (int j = y; j < y + kGlyphHeight * kTextScale; ++j) {
      std::copy(color.begin(), color.end(),
                sheet.values.begin() + (static_cast<std::ptrdiff_t>(j) * sheet.width + i) * 3);
    }
  }
  DrawText(sheet, x + width - TextWidth(end, kTextScale), y, end, kFaint, kTextScale);
}

absl::Status CheckRow(const Image& image, const char* which, std::size_t row, const Image& truth) {
  const std::string name = absl::StrCat("rows[", row, "].", which);
  if (image.channels != 3) return InvalidField(name + ".channels", image.channels, "must be 3");
  if (image.width < 1 || image.height < 1 || image.width != truth.width || image.height != truth.height ||
      image.values.size() != static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height) * 3) {
    return InvalidField(name, absl::StrCat(image.width, "x", image.height, ", ", image.values.size(), " values"),
                        "must have as many values as pixels times 3, and the size of truth");
  }
  for (const float value : image.values) {
    if (!std::isfinite(value)) return InvalidField(name, value, "must be finite");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Image> ContactSheet(std::span<const SheetRow> rows, int thumb) {
  if (rows.empty()) return InvalidField("rows", 0, "must be at least one");
  if (thumb < 32 || thumb > 4096) return InvalidField("thumb", thumb, "must be 32 … 4096 pixels");
  std::vector<std::pair<int, int>> sizes;
  int column = 0;
  std::int64_t height = 2 * kMargin + kLine;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Image& truth = rows[i].truth;
    DVREN_RETURN_IF_ERROR(CheckRow(truth, "truth", i, truth));
    DVREN_RETURN_IF_ERROR(CheckRow(rows[i].render, "render", i, truth));
    const double scale = static_cast<double>(thumb) / std::max(truth.width, truth.height);
    const auto edge = [&](int pixels) { return std::max(1, static_cast<int>(std::lround(scale * pixels))); };
    sizes.emplace_back(edge(truth.width), edge(truth.height));
    column = std::max(column, sizes.back().first);
    height += sizes.back().second + kLine + kGap;
  }
  const int width = 3 * column + 2 * kGap + 2 * kMargin;
  if (height > 65535 || height * width > std::int64_t{1} << 28) {
    return InvalidField("rows", rows.size(), "too many for one picture of this thumb");
  }
  Image sheet = Blank(width, static_cast<int>(height), kPaper);
  const auto left = [&](int n) { return kMargin + n * (column + kGap); };
  int y = kMargin;
  DrawText(sheet, left(0), y, Fit("photograph", column), kFaint, kTextScale);
  DrawText(sheet, left(1), y, Fit("render", column), kFaint, kTextScale);
  // Its name where there is room for it, and its scale.
  const int name = TextWidth("error", kTextScale) + 16;
  if (column >= name + 120) {
    DrawText(sheet, left(2), y, "error", kFaint, kTextScale);
    DrawScale(left(2) + name, y, column - name, sheet);
  } else {
    DrawText(sheet, left(2), y, Fit("error", column), kFaint, kTextScale);
  }
  y += kLine;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto [w, h] = sizes[i];
    DrawText(sheet, left(0), y + kTextScale, Fit(rows[i].caption, width - 2 * kMargin), kInk, kTextScale);
    y += kLine;
    Paste(Resize(rows[i].truth, w, h), left(0) + (column - w) / 2, y, sheet);
    Paste(Resize(rows[i].render, w, h), left(1) + (column - w) / 2, y, sheet);
    Paste(ErrorOf(rows[i], w, h), left(2) + (column - w) / 2, y, sheet);
    y += h + kGap;
  }
  // Photographs may hold values a little outside of what a picture shows.
  for (float& value : sheet.values) value = std::clamp(value, 0.0F, 1.0F);
  return sheet;
}

}  // namespace dvren::io
