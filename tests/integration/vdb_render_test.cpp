// One cloud as an array, as a NanoVDB grid and as a dense import of the same file: three fields that must look alike,
// which they do only where index transforms, voxel centres and clip boxes are what the conventions say.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "dvren/io/procedural.h"
#include "dvren/io/vdb.h"
#include "support/render_fixture.h"
#include "support/temp_folder.h"

namespace dvren::test {
namespace {

PlanSpec SpecFor(const Scene& scene) {
  PlanSpec spec;
  spec.camera = OrbitCamera(SceneWorldBox(scene), 30, 20, 0, 40, 96, 80);
  spec.sampling.dt = DefaultStep(scene);
  spec.sampling.early_stop = 0;
  spec.aovs = kEveryAov;
  return spec;
}

Frame Render(Stream& stream, const Scene& scene, const PlanSpec& spec, RenderPath path = RenderPath::kFused) {
  return Get(Renderer(path).Render(stream, *Get(Planner::Make(stream.device(), spec)), scene));
}

double LargestDifference(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    REQUIRE(std::isfinite(a[i]));
    largest = std::max(largest, std::abs(a[i] - b[i]));
  }
  return largest;
}

TEST_CASE("An array, its NanoVDB grid and the dense import of its file render alike") {
  const TempFolder folder;
  const std::string path = folder / "cloud.vdb";
  const io::DenseVolume cloud = io::MakeCloud(40, 7);
  Check(io::WriteVdb(path, cloud));
  Stream stream = Get(Cpu()->CreateStream());
  const Scene array = SceneOf(stream, cloud);
  const Scene sparse = SceneOf(stream, Get(io::VdbToNanoVdb(path)));
  const Scene dense = SceneOf(stream, Get(io::VdbToDense(path)));
  CHECK(DefaultStep(sparse) == Approx(0.25).epsilon(1e-6));  // 40 voxels over 20 world units
  CHECK(DefaultStep(dense) == Approx(0.25).epsilon(1e-6));
  PlanSpec spec = SpecFor(array);
  spec.sampling.dt /= 8;  // the boxes differ, and with them the end segments, whose error falls with the square of dt
  const std::vector<double> a = Values(stream, Render(stream, array, spec).opacity),
                            b = Values(stream, Render(stream, sparse, spec).opacity),
                            c = Values(stream, Render(stream, dense, spec).opacity);
  CHECK(*std::max_element(a.begin(), a.end()) > 0.9);
  CHECK(std::count(a.begin(), a.end(), 0.0) > 100);
  CHECK(LargestDifference(a, c) < 1e-5);
  CHECK(LargestDifference(b, c) < 5e-5);
}

TEST_CASE("A sparse grid renders the same bits staged, tiled and without skipping, and skipping saves samples") {
  const TempFolder folder;
  const std::string path = folder / "cloud.vdb";
  Check(io::WriteVdb(path, io::MakeCloud(64, 3)));
  Stream stream = Get(Cpu()->CreateStream());
  const Scene scene = SceneOf(stream, Get(io::VdbToNanoVdb(path)));
  PlanSpec spec = SpecFor(scene);
  spec.sampling.mode = GENERATE(SamplingMode::kFixed, SamplingMode::kStratified);
  spec.precision = GENERATE(Precision::kF32, Precision::kF64);
  const Frame whole = Render(stream, scene, spec);
  const std::vector<std::uint8_t> bits = Bits(stream, whole);
  CHECK(Bits(stream, Render(stream, scene, spec, RenderPath::kStaged)) == bits);
  spec.tile = 11;
  CHECK(Bits(stream, Render(stream, scene, spec)) == bits);
  spec.sampling.skip_empty = false;
  const Frame unskipped = Render(stream, scene, spec);
  CHECK(Bits(stream, unskipped) == bits);
  CHECK(whole.stats.samples < unskipped.stats.samples);
}

TEST_CASE("The real fog volume renders alike as NanoVDB and as dense import") {
  const char* data = std::getenv("DVREN_DATA");
  const std::string path =
      std::string(data != nullptr && *data != '\0' ? data : DVREN_SOURCE_DIR "/../shared/data") + "/smoke.vdb";
  if (!std::filesystem::exists(path)) {
    WARN("SKIPPED: no " << path << "; set DVREN_DATA to the data folder");
    return;
  }
  Stream stream = Get(Cpu()->CreateStream());
  const Scene sparse = SceneOf(stream, Get(io::VdbToNanoVdb(path)));
  const Scene dense = SceneOf(stream, Get(io::VdbToDense(path)));
  PlanSpec spec = SpecFor(sparse);
  spec.sampling.dt = DefaultStep(sparse);
  const Frame a = Render(stream, sparse, spec), b = Render(stream, dense, spec);
  const std::vector<double> opacity = Values(stream, a.opacity);
  CHECK(*std::max_element(opacity.begin(), opacity.end()) > 0.5);
  CHECK(LargestDifference(opacity, Values(stream, b.opacity)) < 1e-4);
  CHECK(Bits(stream, Render(stream, sparse, spec, RenderPath::kStaged)) == Bits(stream, a));
}

}  // namespace
}  // namespace dvren::test
