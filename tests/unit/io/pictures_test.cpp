// Contact sheets and charts: what must be where. How they look is for eyes: DVREN_PICTURES names a folder that keeps
// them.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "dvren/io/chart.h"
#include "dvren/io/contact_sheet.h"
#include "dvren/io/png.h"
#include "io_fixture.h"

namespace dvren::io::test {
namespace {

using absl::StatusCode;
using Rgb = std::array<float, 3>;

Image Flat(int width, int height, const Rgb& color) {
  Image image{width, height, 3, {}};
  for (int i = 0; i < width * height; ++i) image.values.insert(image.values.end(), color.begin(), color.end());
  return image;
}

int Count(const Image& image, const Rgb& color) {
  int count = 0;
  for (std::size_t i = 0; i < image.values.size(); i += 3) {
    bool same = true;
    for (std::size_t c = 0; c < 3; ++c) same = same && std::abs(image.values[i + c] - color[c]) < 1e-5F;
    count += same ? 1 : 0;
  }
  return count;
}

void Keep(const Image& image, const char* name) {
  for (const float value : image.values) CHECK_FALSE((value < 0 || value > 1));
  if (const char* folder = std::getenv("DVREN_PICTURES")) {
    Ok(WritePng(std::string(folder) + "/" + name, image.width, image.height, 3, 8, image.values, false));
  }
}

ChartSpec Curves() {
  ChartSpec spec;
  spec.title = "Lego, 400 x 400, test views";
  spec.x_label = "seconds";
  spec.y_label = "PSNR, dB";
  for (int n = 0; n < 3; ++n) {
    ChartSeries series;
    series.name = n == 0 ? "dvren, 1 GPU" : n == 1 ? "dvren, 16 threads" : "instant-ngp";
    for (int i = 0; i < (n == 0 ? 300 : 25); ++i) {
      series.x.push_back(2.0 + i * (n == 0 ? 1 : 12));
      series.y.push_back(33.5 - n - 14 * std::exp(-series.x.back() / (30.0 + 40 * n)) +
                         (n == 0 ? 0.15 * std::sin(i) : 0));
    }
    spec.series.push_back(series);
  }
  return spec;
}

}  // namespace

TEST_CASE("A contact sheet has truth, render and error side by side, in their sizes") {
  const Rgb red{0.8F, 0.2F, 0.1F}, blue{0.8F, 0.2F, 0.4F};
  const std::vector<SheetRow> rows{{"view 0   31.25 dB", Flat(40, 20, red), Flat(40, 20, red)},
                                   {"view 1", Flat(60, 60, red), Flat(60, 60, blue)}};
  const Image sheet = Get(ContactSheet(rows, 120));
  CHECK(Count(sheet, red) == 2 * 120 * 60 + 120 * 120);  // truth and render of the first, truth of the second
  CHECK(Count(sheet, blue) == 120 * 120);
  CHECK(Count(sheet, {0, 0, 0}) >= 120 * 60);  // no error is black
  CHECK(sheet.width > 360);
  CHECK(sheet.width < 420);
}

TEST_CASE("A thumbnail is the mean over the pixels it covers") {
  Image checks = Flat(64, 64, {0, 0, 0});
  for (int i = 0; i < 64 * 64; ++i) {
    if ((i % 64 + i / 64) % 2 == 0) checks.values[3 * static_cast<std::size_t>(i) + 1] = 1;
  }
  const Image sheet = Get(ContactSheet(std::vector<SheetRow>{{"", checks, checks}}, 32));
  CHECK(Count(sheet, {0, 0.5F, 0}) == 2 * 32 * 32);
}

TEST_CASE("Rows of a contact sheet that do not fit are refused by name") {
  const Image image = Flat(8, 8, {0, 0, 0}), other = Flat(8, 9, {0, 0, 0});
  Image bad = image;
  bad.values[5] = std::numeric_limits<float>::quiet_NaN();
  const auto sheet = [](const Image& truth, const Image& render, int thumb) {
    return ContactSheet(std::vector<SheetRow>{{"", truth, render}}, thumb).status();
  };
  CHECK(Refused(ContactSheet({}, 64).status(), StatusCode::kInvalidArgument, {"rows = 0"}));
  CHECK(Refused(sheet(image, other, 64), StatusCode::kInvalidArgument, {"rows[0].render = 8x9"}));
  CHECK(Refused(sheet(image, bad, 64), StatusCode::kInvalidArgument, {"rows[0].render", "nan", "finite"}));
  CHECK(Refused(sheet(image, image, 8), StatusCode::kInvalidArgument, {"thumb = 8"}));
}

TEST_CASE("A contact sheet of a picture and its error can be looked at") {
  Image truth = Flat(320, 240, {0.2F, 0.4F, 0.7F}), render = truth;
  for (int y = 0; y < 240; ++y) {
    for (int x = 0; x < 320; ++x) {
      const std::size_t at = 3 * static_cast<std::size_t>(y * 320 + x);
      const double r = std::hypot(x - 160, y - 120);
      for (std::size_t c = 0; c < 3; ++c) {
        if (r < 90) truth.values[at + c] = static_cast<float>(0.9 - 0.005 * r * static_cast<double>(c + 1) / 2);
        render.values[at + c] = truth.values[at + c] + (r < 96 ? static_cast<float>(0.0025 * r * (r / 96)) : 0.01F);
      }
    }
  }
  Keep(Get(ContactSheet(std::vector<SheetRow>{{"test/r_0.png   PSNR 24.31 dB   SSIM 0.913", truth, render},
                                              {"test/r_8.png   PSNR 25.02 dB   SSIM 0.921", truth, render}},
                        256)),
       "sheet.png");
}

TEST_CASE("A chart's line passes through its points") {
  ChartSpec spec;
  spec.series = {{"a", {0, 10}, {0, 10}}};
  const Image image = Get(Chart(spec));
  CHECK((image.width == 960 && image.height == 540 && image.channels == 3));
  // A straight line from corner to corner: every column between has the series' colour (0, 0.45, 0.7) once, and lower
  // columns have it lower.
  int columns = 0, last = image.height;
  bool falls = true;
  for (int x = 100; x < 700; x += 20) {  // the legend is further right
    double sum = 0, weight = 0;
    for (int y = 0; y < image.height; ++y) {
      const float* p = &image.values[3 * static_cast<std::size_t>(y * image.width + x)];
      if (p[0] < 0.01F && std::abs(p[1] - 0.45F) < 0.01F && std::abs(p[2] - 0.70F) < 0.01F) sum += y, ++weight;
    }
    if (weight == 0) continue;
    ++columns;
    falls = falls && sum / weight < last;
    last = static_cast<int>(sum / weight);
  }
  CHECK(columns == 30);
  CHECK(falls);
}

TEST_CASE("Charts that cannot be drawn are refused by name") {
  ChartSpec spec;
  CHECK(Refused(Chart(spec).status(), StatusCode::kInvalidArgument, {"series = 0"}));
  spec.series = {{"a", {0, 1}, {0}}};
  CHECK(Refused(Chart(spec).status(), StatusCode::kInvalidArgument, {"series a = 2 x, 1 y"}));
  spec.series = {{"a", {0, 1}, {0, std::numeric_limits<double>::infinity()}}};
  CHECK(Refused(Chart(spec).status(), StatusCode::kInvalidArgument, {"series a, point 1", "finite"}));
  spec.series = {{"a", {0}, {0}}, {"a", {0}, {0}}};
  CHECK(Refused(Chart(spec).status(), StatusCode::kInvalidArgument, {"series = a", "twice"}));
  spec.series = {{"a", {0}, {0}}};
  spec.width = 100;
  CHECK(Refused(Chart(spec).status(), StatusCode::kInvalidArgument, {"width = 100"}));
}

TEST_CASE("Learning curves, a single point and equal values have charts") {
  Keep(Get(Chart(Curves())), "chart.png");
  ChartSpec spec;
  spec.series = {{"one point", {5}, {1e-12}}, {"flat", {0, 10000}, {1e-12, 1e-12}}};
  spec.width = 400;
  spec.height = 300;
  Keep(Get(Chart(spec)), "chart_flat.png");
  spec.series = {{"huge", {-1e299, 1e299}, {-1e299, 1e299}}};
  Keep(Get(Chart(spec)), "chart_huge.png");
}

}  // namespace dvren::io::test
