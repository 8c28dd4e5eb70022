#include "dvren/io/chart.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <set>

#include "bitmap_font.h"

namespace dvren::io {
namespace {

constexpr int kTextScale = 2, kTextHeight = kGlyphHeight * kTextScale, kTick = 6, kPad = 12;
constexpr Color kPaper{1, 1, 1}, kInk{0.13F, 0.14F, 0.17F}, kSoft{0.38F, 0.40F, 0.44F}, kGrid{0.90F, 0.91F, 0.92F};
// Okabe and Ito's colours, which the colour-blind can tell apart.
constexpr std::array<Color, 8> kColors{
    Color{0, 0.45F, 0.70F}, Color{0.84F, 0.37F, 0},     Color{0, 0.62F, 0.45F},     Color{0.80F, 0.47F, 0.65F},
    Color{0.90F, 0.62F, 0}, Color{0.34F, 0.71F, 0.91F}, Color{0.25F, 0.25F, 0.25F}, Color{0.58F, 0.40F, 0.74F}};
constexpr double kLineWidth = 2.4, kDotRadius = 3.2;

// From `low` to `high` in steps of 1, 2 or 5 times a power of ten.
struct Axis {
  double low = 0, high = 1, step = 1;

  [[nodiscard]] std::vector<double> Ticks() const {
    std::vector<double> ticks;
    const double first = std::ceil(low / step - 1e-9), last = std::floor(high / step + 1e-9);
    for (double k = first; k <= last; ++k) ticks.push_back(k * step);
    return ticks;
  }
  [[nodiscard]] std::string Label(double value) const {
    const double decimals = std::max(0.0, -std::floor(std::log10(step) + 1e-9));
    std::array<char, 48> text{};
    const bool plain = decimals <= 6 && std::max(std::abs(low), std::abs(high)) < 1e7;
    std::snprintf(text.data(), text.size(), plain ? "%.*f" : "%.*g", plain ? static_cast<int>(decimals) : 6,
                  value == 0 ? 0.0 : value);
    return text.data();
  }
};

double NiceStep(double range, double most_ticks) {
  const double raw = range / most_ticks, power = std::pow(10, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= raw * (1 - 1e-9)) return factor * power;
  }
  return 10 * power;
}

// Room is made around a single value, as much as rounding cannot swallow.
Axis MakeAxis(double low, double high, double most_ticks, bool whole_steps) {
  if (!(high - low > 1e-9 * std::max(std::abs(low), std::abs(high)))) {
    const double room = std::max(0.5, 0.05 * std::abs(low));
    low -= room;
    high += room;
  }
  Axis axis{low, high, NiceStep(high - low, most_ticks)};
  if (whole_steps) {
    axis.low = std::floor(low / axis.step + 1e-9) * axis.step;
    axis.high = std::ceil(high / axis.step - 1e-9) * axis.step;
  }
  return axis;
}

struct Frame {
  int left = 0, top = 0, right = 0, bottom = 0;  // pixels of the plot; right and bottom are its last ones
  Axis x, y;

  [[nodiscard]] double X(double value) const { return left + (value - x.low) / (x.high - x.low) * (right - left); }
  [[nodiscard]] double Y(double value) const { return bottom - (value - y.low) / (y.high - y.low) * (bottom - top); }
};

void Blend(Image& image, int x, int y, const Color& color, float amount) {
  if (x < 0 || y < 0 || x >= image.width || y >= image.height) return;
  const std::size_t at =
      3 * (static_cast<std::size_t>(y) * static_cast<std::size_t>(image.width) + static_cast<std::size_t>(x));
  for (std::size_t c = 0; c < 3; ++c) image.values[at + c] += amount * (color[c] - image.values[at + c]);
}

void Fill(Image& image, int left, int top, int right, int bottom, const Color& color, float amount = 1) {
  for (int y = top; y <= bottom; ++y) {
    for (int x = left; x <= right; ++x) Blend(image, x, y, color, amount);
  }
}

// How much of each pixel a line covers, from the distance of its centre. A line's segments are united, not added, so
// that joints are as dark as the rest.
class Coverage {
 public:
  Coverage(int width, int height)
      : width_(width), height_(height), values_(static_cast<std::size_t>(width) * static_cast<std::size_t>(height)) {}

  // From (ax, ay) to (bx, by) with round ends; a dot where they are the same.
  void Add(double ax, double ay, double bx, double by, double radius) {
    const double dx = bx - ax, dy = by - ay, square = dx * dx + dy * dy, reach = radius + 1;
    const auto pixel = [](double at, int most) { return static_cast<int>(std::clamp(at, 0.0, most - 1.0)); };
    const int x0 = pixel(std::min(ax, bx) - reach, width_), x1 = pixel(std::max(ax, bx) + reach, width_);
    const int y0 = pixel(std::min(ay, by) - reach, height_), y1 = pixel(std::max(ay, by) + reach, height_);
    for (int y = y0; y <= y1; ++y) {
      for (int x = x0; x <= x1; ++x) {
        const double px = x - ax, py = y - ay;
        const double t = square > 0 ? std::clamp((px * dx + py * dy) / square, 0.0, 1.0) : 0.0;
        const double distance = std::hypot(px - t * dx, py - t * dy);
        float& value =
            values_[static_cast<std::size_t>(y) * static_cast<std::size_t>(width_) + static_cast<std::size_t>(x)];
        value = std::max(value, static_cast<float>(std::clamp(radius + 0.5 - distance, 0.0, 1.0)));
      }
    }
  }
  void Paint(const Color& color, Image& image) const {
    for (std::size_t i = 0; i < values_.size(); ++i) {
      if (values_[i] == 0) continue;
      for (std::size_t c = 0; c < 3; ++c) image.values[3 * i + c] += values_[i] * (color[c] - image.values[3 * i + c]);
    }
  }

 private:
  int width_, height_;
  std::vector<float> values_;
};

void DrawSeries(const Frame& frame, const ChartSeries& series, const Color& color, Image& image) {
  Coverage coverage(image.width, image.height);
  const auto x = [&](std::size_t i) { return frame.X(series.x[i]); };
  const auto y = [&](std::size_t i) { return frame.Y(series.y[i]); };
  for (std::size_t i = 1; i < series.x.size(); ++i) coverage.Add(x(i - 1), y(i - 1), x(i), y(i), kLineWidth / 2);
  // Dots where there are few measurements say where they are.
  const std::size_t last = series.x.size() - 1;
  for (std::size_t i = 0; i <= last; ++i) {
    if (last < 40 || i == last) coverage.Add(x(i), y(i), x(i), y(i), kDotRadius);
  }
  coverage.Paint(color, image);
}

void DrawAxes(const ChartSpec& spec, const Frame& frame, Image& image) {
  for (const double tick : frame.y.Ticks()) {
    const int y = static_cast<int>(std::lround(frame.Y(tick)));
    Fill(image, frame.left, y, frame.right, y, kGrid);
    const std::string label = frame.y.Label(tick);
    DrawText(image, frame.left - kTick - 4 - TextWidth(label, kTextScale), y - kTextHeight / 2, label, kSoft,
             kTextScale);
  }
  for (const double tick : frame.x.Ticks()) {
    const int x = static_cast<int>(std::lround(frame.X(tick)));
    Fill(image, x, frame.top, x, frame.bottom, kGrid);
    Fill(image, x, frame.bottom, x, frame.bottom + kTick, kSoft);
    const std::string label = frame.x.Label(tick);
    const int half = TextWidth(label, kTextScale) / 2, middle_of_label = std::min(x, image.width - 4 - half);
    DrawText(image, middle_of_label - half, frame.bottom + kTick + 6, label, kSoft, kTextScale);
  }
  Fill(image, frame.left, frame.top, frame.left, frame.bottom, kSoft);
  Fill(image, frame.left, frame.bottom, frame.right, frame.bottom, kSoft);
  const int middle = (frame.left + frame.right) / 2;
  DrawText(image, middle - TextWidth(spec.x_label, kTextScale) / 2, image.height - kPad - kTextHeight, spec.x_label,
           kInk, kTextScale);
  DrawText(image, kPad, (frame.top + frame.bottom + TextWidth(spec.y_label, kTextScale)) / 2, spec.y_label, kInk,
           kTextScale, true);
  DrawText(image, frame.left, kPad, spec.title, kInk, kTextScale);
}

// Where curves that rise leave room: below, on the right.
void DrawLegend(const ChartSpec& spec, const Frame& frame, Image& image) {
  constexpr int kSample = 28, kRow = kTextHeight + 10;
  int text = 0;
  for (const ChartSeries& series : spec.series) text = std::max(text, TextWidth(series.name, kTextScale));
  const int width = kPad + kSample + 10 + text + kPad;
  const int height = static_cast<int>(spec.series.size()) * kRow + 10;
  const int left = frame.right - kPad - width, top = frame.bottom - kPad - height;
  Fill(image, left, top, left + width, top + height, kPaper, 0.85F);
  for (std::size_t i = 0; i < spec.series.size(); ++i) {
    const int y = top + 10 + static_cast<int>(i) * kRow;
    Coverage coverage(image.width, image.height);
    const double middle = y + 0.5 * (kTextHeight - 1);
    coverage.Add(left + kPad, middle, left + kPad + kSample, middle, kLineWidth / 2);
    coverage.Add(left + kPad + 0.5 * kSample, middle, left + kPad + 0.5 * kSample, middle, kDotRadius);
    coverage.Paint(kColors[i], image);
    DrawText(image, left + kPad + kSample + 10, y, spec.series[i].name, kInk, kTextScale);
  }
}

absl::Status Check(const ChartSpec& spec) {
  if (spec.width < 320 || spec.width > 4096) return InvalidField("width", spec.width, "must be 320 … 4096");
  if (spec.height < 240 || spec.height > 4096) return InvalidField("height", spec.height, "must be 240 … 4096");
  if (spec.series.empty() || spec.series.size() > kColors.size()) {
    return InvalidField("series", spec.series.size(), absl::StrCat("must be 1 … ", kColors.size()));
  }
  std::set<std::string> names;
  for (const ChartSeries& series : spec.series) {
    if (!names.insert(series.name).second) return InvalidField("series", series.name, "is there twice");
    if (series.x.empty() || series.x.size() != series.y.size()) {
      return InvalidField(absl::StrCat("series ", series.name),
                          absl::StrCat(series.x.size(), " x, ", series.y.size(), " y"),
                          "must be equally many, at least one");
    }
    for (std::size_t i = 0; i < series.x.size(); ++i) {
      // Beyond this, differences are no longer finite.
      if (!(std::abs(series.x[i]) < 1e300 && std::abs(series.y[i]) < 1e300)) {
        return InvalidField(absl::StrCat("series ", series.name, ", point ", i),
                            absl::StrCat(series.x[i], ", ", series.y[i]), "must be finite");
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Image> Chart(const ChartSpec& spec) {
  DVREN_RETURN_IF_ERROR(Check(spec));
  double x_low = spec.series[0].x[0], x_high = x_low, y_low = spec.series[0].y[0], y_high = y_low;
  for (const ChartSeries& series : spec.series) {
    for (const double x : series.x) x_low = std::min(x_low, x), x_high = std::max(x_high, x);
    for (const double y : series.y) y_low = std::min(y_low, y), y_high = std::max(y_high, y);
  }
  if (x_low > 0 && x_low < 0.25 * x_high) x_low = 0;
  Frame frame;
  frame.top = kPad + (spec.title.empty() ? 4 : kTextHeight + 12);
  frame.bottom = spec.height - kPad - kTextHeight - kTick - 10 - (spec.x_label.empty() ? 0 : kTextHeight + 10);
  frame.y = MakeAxis(y_low, y_high, std::clamp((frame.bottom - frame.top) / 50.0, 2.0, 10.0), true);
  int label = 0;
  for (const double tick : frame.y.Ticks()) label = std::max(label, TextWidth(frame.y.Label(tick), kTextScale));
  frame.left = kPad + (spec.y_label.empty() ? 0 : kTextHeight + 12) + label + kTick + 4;
  frame.right = spec.width - 1 - 3 * kPad;
  frame.x = MakeAxis(x_low, x_high, std::clamp((frame.right - frame.left) / 110.0, 2.0, 10.0), false);
  Image image{spec.width, spec.height, 3, {}};
  image.values.assign(static_cast<std::size_t>(spec.width) * static_cast<std::size_t>(spec.height) * 3, 1.0F);
  DrawAxes(spec, frame, image);
  // The first series is what matters most: on top.
  for (std::size_t i = spec.series.size(); i-- > 0;) DrawSeries(frame, spec.series[i], kColors[i], image);
  DrawLegend(spec, frame, image);
  return image;
}

}  // namespace dvren::io
