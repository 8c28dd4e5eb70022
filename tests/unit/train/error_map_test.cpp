// Where rays go when they go where renders were wrong.
#include "train/error_map.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>
#include <set>

#include "train/ray_source.h"
#include "unit/io/io_fixture.h"

namespace dvren::test {
namespace {

using io::test::Get;
using io::test::Ok;

// Photographs of 70 x 40 and 33 x 10 pixels: with cells of 32, 3 x 2 and 2 x 1.
std::shared_ptr<const io::PhotoSet> TwoPhotos() {
  auto set = std::make_shared<io::PhotoSet>();
  for (const auto& [width, height] : {std::pair{70, 40}, std::pair{33, 10}}) {
    io::Photo photo;
    photo.camera.width = width;
    photo.camera.height = height;
    photo.camera.fx = photo.camera.fy = width;
    photo.channels = 3;
    photo.values.assign(static_cast<std::size_t>(width * height * 3), 0);
    set->photos.push_back(photo);
  }
  return set;
}
const std::vector<double> kPixels{32 * 32, 32 * 32, 6 * 32, 32 * 8, 32 * 8, 6 * 8, 32 * 10, 1 * 10};

std::vector<double> ChancesOf(const ErrorMap& map) {
  std::vector<double> all = map.Chances(0);
  REQUIRE(all.size() == 6);
  const std::vector<double> second = map.Chances(1);
  all.insert(all.end(), second.begin(), second.end());
  return all;
}

void CheckChances(const ErrorMap& map, std::vector<double> error) {
  for (std::size_t i = 0; i < error.size(); ++i) error[i] *= kPixels[i];
  const double total = std::accumulate(error.begin(), error.end(), 0.0);
  const std::vector<double> chances = ChancesOf(map);
  REQUIRE(chances.size() == error.size());
  for (std::size_t i = 0; i < error.size(); ++i) {
    CAPTURE(i);
    CHECK(chances[i] == Approx(error[i] / total).margin(1e-15));
  }
}

}  // namespace

TEST_CASE("A cell's chance is its pixels times the moving average of its error") {
  RaySpec spec;
  spec.error_decay = 0.75;
  ErrorMap map(*TwoPhotos(), spec);
  CheckChances(map, std::vector<double>(8, 1.0));  // nothing is known
  map.Begin();
  map.Add(0, 0.5, 0.5, 0.2);
  map.Add(0, 31.5, 31.5, 0.4);  // the same cell
  map.Add(0, 69.5, 39.5, 0.1);  // the last one of the first photograph
  map.Add(1, 32.5, 9.5, 0.6);   // of the second
  map.End();
  const double mean = (0.3 + 0.1 + 0.6) / 3;  // what is unknown counts as what is known
  CheckChances(map, {0.3, mean, mean, mean, mean, 0.1, mean, 0.6});
  map.Begin();
  map.Add(0, 33, 3, 9.0);
  map.Begin();  // forgotten
  map.Add(0, 3, 3, 0.7);
  map.Add(1, 3, 3, 0.0);
  map.End();
  const double first = 0.75 * 0.3 + 0.25 * 0.7, later = (first + 0.1 + 0.0 + 0.6) / 4;
  CheckChances(map, {first, later, later, later, later, 0.1, 0.0, 0.6});

  ByteSink sink;
  map.Save(sink);
  ErrorMap other(*TwoPhotos(), spec);
  ByteSource source(sink.bytes(), "map");
  Ok(other.Restore(source));
  CHECK(ChancesOf(other) == ChancesOf(map));
  RaySpec coarse = spec;
  coarse.error_cell = 64;
  ErrorMap of_another_size(*TwoPhotos(), coarse);
  ByteSource again(sink.bytes(), "map");
  CHECK(of_another_size.Restore(again).code() == absl::StatusCode::kDataLoss);
}

TEST_CASE("Without any error all pixels are alike") {
  ErrorMap map(*TwoPhotos(), RaySpec());
  map.Add(0, 1, 1, 0.0);
  map.End();
  CheckChances(map, std::vector<double>(8, 1.0));
}

TEST_CASE("Every pixel of a cell can be drawn, each as often") {
  const ErrorMap map(*TwoPhotos(), RaySpec());
  const std::vector<double> chances = ChancesOf(map);
  std::set<std::uint64_t> drawn;
  double below = 0;
  for (std::size_t i = 0; i < chances.size(); ++i) {
    for (int k = 0; k < kPixels[i]; ++k) drawn.insert(map.Draw(below + chances[i] / 2, (k + 0.5) / kPixels[i]));
    below += chances[i];
  }
  CHECK(drawn.size() == 70 * 40 + 33 * 10);
  CHECK(*drawn.rbegin() == 70 * 40 + 33 * 10 - 1);
  CHECK(map.Draw(0, 0) == 0);
  CHECK(map.Draw(std::nextafter(1.0, 0), std::nextafter(1.0, 0)) == 70 * 40 + 33 * 10 - 1);
}

TEST_CASE("A part of the rays goes where the error is, the others everywhere") {
  const auto photos = TwoPhotos();
  RaySpec spec;
  spec.background = "white";
  spec.error_map = true;
  spec.error_fraction = 0.25;
  RaySource source = Get(RaySource::Make(photos, spec, 7));
  REQUIRE(source.errors() != nullptr);
  for (std::size_t photo = 0; photo < 2; ++photo) {  // all cells are known, and one is wrong
    for (int y = 0; y < photos->photos[photo].camera.height; y += 4) {
      for (int x = 0; x < photos->photos[photo].camera.width; ++x) {
        source.errors()->Add(photo, x + 0.5, y + 0.5, photo == 0 && x >= 64 && y >= 32 ? 0.5 : 0.0);
      }
    }
  }
  source.errors()->End();
  std::vector<io::PhotoCamera> cameras{photos->photos[0].camera, photos->photos[1].camera};
  TrainingRays rays;
  constexpr int kRays = 40'000;
  source.Draw(3, 0, kRays, cameras, rays);
  int wrong = 0;
  for (std::size_t i = 0; i < kRays; ++i) wrong += rays.photo[i] == 0 && rays.x[i] > 64 && rays.y[i] > 32;
  const double expected = 0.25 + 0.75 * 48 / 3130;
  CHECK(wrong / double{kRays} == Approx(expected).margin(5 * std::sqrt(expected / kRays)));
  TrainingRays again;
  source.Draw(3, 1000, 10, cameras, again);
  for (std::size_t i = 0; i < 10; ++i) CHECK(again.x[i] == rays.x[1000 + i]);
  CHECK(Get(RaySource::Make(photos, RaySpec(), 7)).errors() == nullptr);
}

}  // namespace dvren::test
