// What becomes a field, and what is refused with which words.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>

#include "support/render_fixture.h"

namespace dvren::test {
namespace {

using Catch::Matchers::Contains;

io::DenseVolume Small() {
  return Constant(1, Box{{0, 0, 0}, {1, 2, 3}});
}
io::DenseVolume Grid(std::int64_t nz, std::int64_t ny, std::int64_t nx, std::int64_t channels) {
  return Dense({nz, ny, nx, channels}, Box{}, [](double, double, double, int) { return 0.5; });
}
float* ValuesOf(io::DenseVolume& volume) {
  return reinterpret_cast<float*>(volume.values.data());
}

// The message with which the volume is refused.
std::string Refusal(const io::Volume& volume) {
  Stream stream = Get(Cpu()->CreateStream());
  const absl::Status status = CreateField(stream, volume).status();
  CHECK(status.code() == absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

TEST_CASE("The builtin fields are registered, and an unknown type lists them") {
  CHECK(BuiltinFields().Names() == std::vector<std::string>{"dense_grid", "nanovdb"});
  CHECK(FieldTypeOf(Small()) == "dense_grid");
  CHECK(FieldTypeOf(io::NanoVdbVolume{}) == "nanovdb");
  const absl::Status status = BuiltinFields().Find("hash").status();
  CHECK(status.code() == absl::StatusCode::kNotFound);
  CHECK_THAT(std::string(status.message()), Contains("dense_grid, nanovdb"));
}

TEST_CASE("A factory refuses the other kind of volume") {
  Stream stream = Get(Cpu()->CreateStream());
  const FieldFactory dense = Get(BuiltinFields().Find("dense_grid")), sparse = Get(BuiltinFields().Find("nanovdb"));
  CHECK(dense(stream, io::NanoVdbVolume{}).status().code() == absl::StatusCode::kInvalidArgument);
  CHECK(sparse(stream, Small()).status().code() == absl::StatusCode::kInvalidArgument);
}

TEST_CASE("A field tells what it is") {
  io::DenseVolume volume =
      Dense({4, 5, 10, 4}, Box{{-1, 0, 0}, {1, 2, 8}}, [](double, double, double, int) { return 1; });
  volume.local_to_world.m = {0, -2, 0, 10, 2, 0, 0, 20, 0, 0, 2, 30};  // a quarter turn about z, twice the size
  Stream stream = Get(Cpu()->CreateStream());
  const auto field = Get(CreateField(stream, volume));
  const FieldInfo& info = field->info();
  CHECK(info.type == "dense_grid");
  CHECK_FALSE(info.batched);
  CHECK(info.channels == 4);
  CHECK(info.sh_degree == -1);
  CHECK(info.storage_dtype == DType::kF32);
  CHECK(info.box == volume.box);
  CHECK(info.local_to_world == volume.local_to_world);
  CHECK(info.world_box == Box{{6, 18, 30}, {10, 22, 46}});
  CHECK(info.min_voxel_world == Approx(2 * 0.2));
  CHECK_FALSE(info.unbounded);
  CHECK(info.parameter_count == 4 * 5 * 10 * 4);
  CHECK(field->version() == 1);
}

TEST_CASE("Spherical harmonics are told by their channels, and clamp by being unbounded") {
  Stream stream = Get(Cpu()->CreateStream());
  CHECK(Get(CreateField(stream, Grid(1, 1, 2, 13)))->info().sh_degree == 1);
  CHECK(Get(CreateField(stream, Grid(1, 1, 2, 28)))->info().sh_degree == 2);
  CHECK(Get(CreateField(stream, Grid(1, 1, 2, 49)))->info().sh_degree == 3);
  io::DenseVolume clamped = Small();
  clamped.border = io::Border::kClamp;
  CHECK(Get(CreateField(stream, clamped))->info().unbounded);
}

TEST_CASE("Shapes and payloads that do not fit are refused") {
  io::DenseVolume volume = Small();
  volume.shape = {1, 0, 1, 1};
  CHECK_THAT(Refusal(volume), Contains("0") && Contains("ny"));
  CHECK_THAT(Refusal(Grid(2, 2, 2, 3)), Contains("channels") && Contains("3"));
  volume = Small();
  volume.shape = {1, 1, 2, 1};
  CHECK_THAT(Refusal(volume), Contains("bytes of values = 4") && Contains("needs 8"));
  // The product wraps to 0 in 64 bits.
  volume.shape = {std::int64_t{1} << 32, std::int64_t{1} << 16, std::int64_t{1} << 16, 1};
  Refusal(volume);
  volume = Small();
  volume.dtype = DType::kI32;
  CHECK_THAT(Refusal(volume), Contains("dtype") && Contains("f32") && Contains("f16"));
}

TEST_CASE("Boxes and transforms that enclose nothing are refused") {
  io::DenseVolume volume = Small();
  volume.box.max[1] = volume.box.min[1];
  CHECK_THAT(Refusal(volume), Contains("box"));
  volume = Small();
  volume.box.min[2] = std::nan("");
  CHECK_THAT(Refusal(volume), Contains("box") && Contains("finite"));
  volume = Small();
  volume.local_to_world.m[3] = std::numeric_limits<double>::infinity();
  CHECK_THAT(Refusal(volume), Contains("local_to_world") && Contains("finite"));
  volume = Small();
  volume.local_to_world.m = {1, 2, 0, 0, 2, 4, 0, 0, 0, 0, 1, 0};
  CHECK_THAT(Refusal(volume), Contains("local_to_world") && Contains("invertible"));
}

TEST_CASE("A tiny or huge scale is still an invertible transform") {
  Stream stream = Get(Cpu()->CreateStream());
  for (double scale : {1e-6, 1e6}) {
    io::DenseVolume volume = Small();
    for (int i : {0, 5, 10}) volume.local_to_world.m[i] = scale;
    CHECK(CreateField(stream, volume).ok());
  }
}

TEST_CASE("Bad densities are refused with their count and the first voxel") {
  const float bad = GENERATE(-0.5f, std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity());
  io::DenseVolume volume = Grid(3, 4, 5, 4);
  const auto at = [&](int z, int y, int x) -> float& { return ValuesOf(volume)[((z * 4 + y) * 5 + x) * 4 + 3]; };
  at(1, 2, 3) = bad;
  at(2, 0, 0) = bad;
  at(2, 3, 4) = bad;
  CHECK_THAT(Refusal(volume), Contains("in 3 of 60 voxels, first at (x, y, z) = (3, 2, 1)"));
}

TEST_CASE("Bad halves are found as bad floats are") {
  io::DenseVolume volume;
  volume.shape = {1, 2, 2, 1};
  volume.dtype = DType::kF16;
  std::uint16_t halves[4] = {0x3c00, 0x8000, 0x0001, 0x7bff};  // 1, -0, smallest, largest: all good
  volume.values = io::Blob(sizeof(halves));
  Stream stream = Get(Cpu()->CreateStream());
  std::memcpy(volume.values.data(), halves, sizeof(halves));
  CHECK(CreateField(stream, volume).ok());
  const std::uint16_t bad = GENERATE(0xbc00, 0x8001, 0x7c00, 0x7e00);  // -1, smallest negative, infinity, NaN
  halves[2] = bad;
  std::memcpy(volume.values.data(), halves, sizeof(halves));
  CHECK_THAT(Refusal(volume), Contains("in 1 of 4 voxels, first at (x, y, z) = (0, 1, 0)"));
}

TEST_CASE("Negative colour is fine, but not NaN") {
  io::DenseVolume volume = Grid(1, 1, 2, 4);
  ValuesOf(volume)[1] = -3;
  Stream stream = Get(Cpu()->CreateStream());
  CHECK(CreateField(stream, volume).ok());
  ValuesOf(volume)[6] = std::nanf("");
  CHECK_THAT(Refusal(volume), Contains("colour"));
}

TEST_CASE("An empty NanoVDB buffer is refused") {
  Stream stream = Get(Cpu()->CreateStream());
  CHECK(CreateField(stream, io::NanoVdbVolume{}).status().code() == absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace dvren::test
