#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>

#include "dvren/io/check.h"
#include "dvren/io/npy.h"
#include "dvren/io/nvdb.h"
#include "dvren/io/procedural.h"
#include "dvren/io/vdb.h"
#include "io_fixture.h"
#include "vdb_samples.h"

namespace dvren::io::test {
namespace {

using absl::StatusCode;

void SameDense(const DenseVolume& a, const DenseVolume& b) {
  REQUIRE(a.shape == b.shape);
  CHECK(a.box == b.box);
  CHECK(a.local_to_world == b.local_to_world);
  CHECK(std::memcmp(a.values.data(), b.values.data(), a.values.size()) == 0);
}

}  // namespace

TEST_CASE("A VDB becomes a dense grid one voxel wider, with the file's transform") {
  const TempFolder folder;
  WriteBlockVdb(folder / "a.vdb");
  const DenseVolume dense = Get(VdbToDense(folder / "a.vdb"));
  CHECK(dense.shape == std::array<std::int64_t, 4>{4, 5, 6, 1});  // (2, 3, 4) + 2
  CHECK(dense.box == Box{{8.5, -3.5, 3.5}, {14.5, 1.5, 7.5}});    // [min - 1.5, max + 1.5]
  const Vec3 world = dense.local_to_world.Apply({10, -2, 5});     // 0.5 · index + (1, 2, 3)
  CHECK(world == Vec3{6, 1, 5.5});
  bool right = true;
  for (int z = 0; z < 4; ++z) {
    for (int y = 0; y < 5; ++y) {
      for (int x = 0; x < 6; ++x) {
        const bool inside = x >= 1 && x <= 4 && y >= 1 && y <= 3 && z >= 1 && z <= 2;
        const float wanted = inside ? static_cast<float>((x - 1 + 10 * (y - 1) + 100 * (z - 1) + 1) / 1000.0) : 0.0f;
        right = right && At(dense, x, y, z) == wanted;
      }
    }
  }
  CHECK(right);
}

TEST_CASE("A VDB becomes a NanoVDB buffer that describes itself") {
  const TempFolder folder;
  WriteBlockVdb(folder / "a.vdb");
  const NanoVdbVolume volume = Get(VdbToNanoVdb(folder / "a.vdb"));
  CHECK(volume.grid_name == "density");
  CHECK(volume.active_voxels == 24);
  CHECK(volume.active_min == std::array<std::int64_t, 3>{10, -2, 5});
  CHECK(volume.active_max == std::array<std::int64_t, 3>{13, 0, 6});
  CHECK(volume.index_to_world.Apply({10, -2, 5}) == Vec3{6, 1, 5.5});
  Ok(CheckNanoVdb(volume.blob));
  // Imported twice, the same bytes.
  const NanoVdbVolume again = Get(VdbToNanoVdb(folder / "a.vdb"));
  REQUIRE(again.blob.size() == volume.blob.size());
  CHECK(std::memcmp(again.blob.data(), volume.blob.data(), volume.blob.size()) == 0);
  CHECK(reinterpret_cast<std::uintptr_t>(volume.blob.data()) % 64 == 0);
}

TEST_CASE("Dense by OpenVDB and dense by way of NanoVDB are the same, tiles and shears too") {
  const TempFolder folder;
  WriteBlockVdb(folder / "block.vdb");
  WriteTilesVdb(folder / "tiles.vdb");
  for (const std::string name : {"block.vdb", "tiles.vdb"}) {
    const DenseVolume direct = Get(VdbToDense(folder / name));
    SameDense(direct, Get(NanoVdbToDense(Get(VdbToNanoVdb(folder / name)))));
    if (name == "tiles.vdb") {
      CHECK(direct.local_to_world.Apply({1, 2, 4}) == Vec3{0.5 + 0.5 - 4, 4, 6});
      // min = (-8, 0, 0), so that index (x, y, z) lies at (x + 9, y + 1, z + 1).
      CHECK(At(direct, 3 + 9, 4 + 1, 5 + 1) == 1.0f);
      CHECK(At(direct, 3 + 9, 4 + 1, 6 + 1) == 0.125f);  // inactive voxels keep their value
      CHECK(At(direct, -8 + 9, 0 + 1, 8 + 1) == 0.25f);
      CHECK(At(direct, 23 + 9, 23 + 1, 23 + 1) == 0.75f);
      CHECK(At(direct, 200 + 9, 100 + 1, 100 + 1) == 0.5f);
      CHECK(At(direct, 256 + 9, 100 + 1, 100 + 1) == 0.0f);
    }
  }
}

TEST_CASE("Half-saved and double grids are read") {
  const TempFolder folder;
  WriteBlockVdb(folder / "full.vdb");
  WriteBlockVdb(folder / "half.vdb", "density", true);
  WriteDoubleVdb(folder / "double.vdb");
  const DenseVolume full = Get(VdbToDense(folder / "full.vdb")), half = Get(VdbToDense(folder / "half.vdb"));
  CHECK(half.shape == full.shape);
  CHECK(At(half, 4, 3, 2) == Approx(At(full, 4, 3, 2)).epsilon(1e-3));
  SameDense(Get(VdbToDense(folder / "double.vdb")), full);
  CHECK(Get(VdbToNanoVdb(folder / "double.vdb")).active_voxels == 24);
}

TEST_CASE("The grid is the one asked for, else density, else the only one") {
  const TempFolder folder;
  WriteSeveralVdb(folder / "several.vdb");
  WriteBlockVdb(folder / "only.vdb", "smoke");
  CHECK(Get(VdbToNanoVdb(folder / "only.vdb")).grid_name == "smoke");
  CHECK(Get(VdbToNanoVdb(folder / "several.vdb", {.grid = "b"})).grid_name == "b");
  CHECK(Refused(VdbToNanoVdb(folder / "several.vdb").status(), StatusCode::kInvalidArgument,
                {"several.vdb", "several grids", "a, b, v"}));
  CHECK(Refused(VdbToDense(folder / "several.vdb", {.grid = "c"}).status(), StatusCode::kInvalidArgument,
                {"grid = c", "there are a, b, v"}));
  CHECK(Refused(VdbToNanoVdb(folder / "several.vdb", {.grid = "v"}).status(), StatusCode::kInvalidArgument,
                {"grid v", "vec3s", "float"}));
  const std::vector<VdbGridInfo> grids = Get(ListVdbGrids(folder / "several.vdb"));
  REQUIRE(grids.size() == 3);
  CHECK((grids[0].name == "a" && grids[0].type == "float" && grids[0].grid_class == "fog volume"));
  CHECK((grids[2].name == "v" && grids[2].type == "vec3s"));
}

TEST_CASE("A level set is refused unless it is to be converted, and then is 1 inside and 0 outside") {
  const TempFolder folder;
  WriteLevelSetVdb(folder / "a.vdb", true);
  CHECK(Refused(VdbToNanoVdb(folder / "a.vdb").status(), StatusCode::kInvalidArgument, {"level set", "converted"}));
  CHECK(Refused(VdbToDense(folder / "a.vdb").status(), StatusCode::kInvalidArgument, {"level set"}));
  const DenseVolume fog = Get(VdbToDense(folder / "a.vdb", {.convert_level_set = true}));
  const auto value = [&](int x, int y, int z) {  // by index
    return At(fog, x - static_cast<int>(fog.box.min[0] + 0.5), y - static_cast<int>(fog.box.min[1] + 0.5),
              z - static_cast<int>(fog.box.min[2] + 0.5));
  };
  CHECK(value(0, 0, 0) == 1.0f);
  CHECK(value(6, 0, 0) == 1.0f);                          // 4 voxels deep, beyond the band of 3
  CHECK(value(8, 0, 0) == Approx(2.0 / 3).margin(0.02));  // 2 voxels deep
  CHECK(value(-10, 0, 0) == Approx(0.0).margin(0.02));
  const NanoVdbVolume nano = Get(VdbToNanoVdb(folder / "a.vdb", {.convert_level_set = true}));
  SameDense(fog, Get(NanoVdbToDense(nano)));
}

TEST_CASE("Negative, NaN and infinite density is refused with the count and the first voxel") {
  const TempFolder folder;
  for (const float bad : {-0.5f, std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    WriteBadVdb(folder / "a.vdb", bad);
    CHECK(Refused(VdbToDense(folder / "a.vdb").status(), StatusCode::kInvalidArgument,
                  {"in 2 of", "(12, -2, 6)", ">= 0"}));
    CHECK(
        Refused(VdbToNanoVdb(folder / "a.vdb").status(), StatusCode::kInvalidArgument, {"in 2 voxels", "(12, -2, 6)"}));
  }
}

TEST_CASE("Frustums, empty grids, strangers and missing files are refused by name") {
  const TempFolder folder;
  WriteFrustumVdb(folder / "frustum.vdb");
  WriteEmptyVdb(folder / "empty.vdb");
  WriteBytes(folder / "text.vdb", "not a volume at all");
  WriteBytes(folder / "nothing.vdb", "");
  const auto refused = [&](const char* file, StatusCode code, const char* what) {
    return Refused(VdbToNanoVdb(folder / file).status(), code, {file, what}) &&
           Refused(VdbToDense(folder / file).status(), code, {file, what});
  };
  CHECK(refused("frustum.vdb", StatusCode::kInvalidArgument, "frustum"));
  CHECK(refused("empty.vdb", StatusCode::kInvalidArgument, "no active voxels"));
  CHECK(refused("text.vdb", StatusCode::kInvalidArgument, "not a readable VDB"));
  CHECK(refused("nothing.vdb", StatusCode::kInvalidArgument, "not a readable VDB"));
  CHECK(refused("missing.vdb", StatusCode::kNotFound, "No such file"));
}

TEST_CASE("A tile of 4096 cubed is small as NanoVDB and refused as a dense grid") {
  const TempFolder folder;
  WriteHugeTileVdb(folder / "a.vdb");
  const NanoVdbVolume nano = Get(VdbToNanoVdb(folder / "a.vdb"));
  CHECK(nano.active_voxels == std::uint64_t{1} << 36);
  CHECK(nano.blob.size() < 4096);
  CHECK(Refused(VdbToDense(folder / "a.vdb", {.max_bytes = 1 << 30}).status(), StatusCode::kResourceExhausted,
                {"NanoVDB"}));
  CHECK(Refused(NanoVdbToDense(nano, 1 << 30).status(), StatusCode::kResourceExhausted, {"NanoVDB"}));
  CHECK(Refused(VdbToNanoVdb(folder / "a.vdb", {.max_bytes = 100}).status(), StatusCode::kResourceExhausted, {"100"}));
}

TEST_CASE("What WriteVdb writes comes back, dense and NanoVDB") {
  const TempFolder folder;
  WriteTilesVdb(folder / "tiles.vdb");
  const DenseVolume dense = Get(VdbToDense(folder / "tiles.vdb"));
  Ok(WriteVdb(folder / "dense.vdb", dense));
  // An earlier import keeps its indices: the active voxels lie where they lay. (Inactive ones that held a value are
  // active now; they were inside the box.)
  SameDense(Get(VdbToDense(folder / "dense.vdb")), dense);
  const NanoVdbVolume nano = Get(VdbToNanoVdb(folder / "tiles.vdb"));
  Ok(WriteVdb(folder / "nano.vdb", nano));
  const NanoVdbVolume back = Get(VdbToNanoVdb(folder / "nano.vdb"));
  CHECK(back.active_voxels == nano.active_voxels);
  SameDense(Get(NanoVdbToDense(back)), dense);
  CHECK(Refused(WriteVdb(folder / "nowhere/a.vdb", dense), StatusCode::kNotFound, {"nowhere/a.vdb"}));
}

TEST_CASE("A dense array written as VDB lies where its box says") {
  const TempFolder folder;
  DenseVolume volume =
      Dense(4, 3, 2, [](auto x, auto y, auto z) { return static_cast<double>(1 + x + 10 * y + 100 * z); });
  volume.box = {{-2, 0, 1}, {2, 6, 2}};
  volume.local_to_world.m = {2, 0, 0, 5, 0, 1, 0, 0, 0, 0, 1, 0};
  Ok(WriteVdb(folder / "a.vdb", volume));
  const DenseVolume back = Get(VdbToDense(folder / "a.vdb"));
  CHECK(back.shape == std::array<std::int64_t, 4>{4, 5, 6, 1});
  CHECK(At(back, 1, 1, 1) == 1.0f);
  CHECK(At(back, 4, 3, 2) == 124.0f);
  // Voxel (3, 2, 1): centre of the box's last voxel (1.5, 5, 1.75), in the world (8, 5, 1.75).
  CHECK(back.local_to_world.Apply({3, 2, 1}) == Vec3{8, 5, 1.75});
  DenseVolume color = volume;
  color.shape = {2, 2, 2, 3};  // neither a density nor colours and a density
  CHECK(Refused(WriteVdb(folder / "b.vdb", color), StatusCode::kInvalidArgument, {"channels = 3"}));
}

TEST_CASE("OpenVDB's own Python module reads what WriteVdb writes") {
  const TempFolder folder;
  DenseVolume volume =
      Dense(5, 4, 3, [](auto x, auto y, auto z) { return x == 0 ? 0.0 : static_cast<double>(x + 10 * y + 100 * z); });
  volume.box = {{0, 0, 0}, {5, 8, 12}};
  Ok(WriteVdb(folder / "a.vdb", volume));
  WriteBlockVdb(folder / "b.vdb");
  Ok(WriteVdb(folder / "c.vdb", Get(VdbToNanoVdb(folder / "b.vdb"))));
  Python("pyopenvdb", "d = '" + folder.path() + "/'\n" + R"(
g = pyopenvdb.read(d + 'a.vdb', 'density')
assert g.gridClass == 'fog volume' and g.activeVoxelCount() == 4 * 4 * 3, g.activeVoxelCount()
a = g.getConstAccessor()
assert a.getValue((4, 3, 2)) == 234 and a.getValue((0, 3, 2)) == 0 and not a.isValueOn((0, 3, 2))
assert g.transform.indexToWorld((0, 0, 0)) == (0.5, 1, 2), g.transform.indexToWorld((0, 0, 0))
assert g.transform.indexToWorld((1, 1, 1)) == (1.5, 3, 6)
b, c = (pyopenvdb.read(d + n, 'density') for n in ('b.vdb', 'c.vdb'))
assert b.evalActiveVoxelBoundingBox() == c.evalActiveVoxelBoundingBox() and b.activeVoxelCount() == c.activeVoxelCount()
assert b.transform.indexToWorld((3, 4, 5)) == c.transform.indexToWorld((3, 4, 5))
x, y = b.getConstAccessor(), c.getConstAccessor()
assert all(x.getValue((i, j, k)) == y.getValue((i, j, k)) for i in range(8, 16) for j in range(-4, 4) for k in range(3, 9))
)");
}

TEST_CASE("The sample smoke is imported as OpenVDB's own Python module reads it") {
  const std::string path = DataFile("smoke.vdb");
  if (path.empty()) return;
  const TempFolder folder;
  const NanoVdbVolume nano = Get(VdbToNanoVdb(path));
  CHECK(nano.active_voxels == 1049275);
  CHECK(nano.active_min == std::array<std::int64_t, 3>{1, 2, 1});
  CHECK(nano.active_max == std::array<std::int64_t, 3>{111, 223, 112});
  const DenseVolume dense = Get(VdbToDense(path));
  SameDense(dense, Get(NanoVdbToDense(nano)));
  Ok(WriteNpy(folder / "a.npy", {dense.dtype, std::span(dense.shape.data(), 3), dense.values.data()}));
  Python("numpy, sys", "sys.path.insert(0, '" DVREN_SOURCE_DIR
                       "/tests/support')\nfrom reference import vdb\nd = vdb.dense_from_sparse(vdb.load_vdb('" +
                           path + "'))\na = numpy.load('" + (folder / "a.npy") + R"(')
assert a.shape == d.values.shape[:3], (a.shape, d.values.shape)
assert (a == d.values[..., 0]).all()
)");
}

TEST_CASE("The procedural cloud is a sparse fog volume of densities 0 to 1, the same each time") {
  const TempFolder folder;
  const DenseVolume cloud = MakeCloud(64, 7);
  Ok(CheckDense(cloud, "cloud"));
  const auto* values = reinterpret_cast<const float*>(cloud.values.data());
  const std::size_t count = cloud.values.size() / sizeof(float);
  std::size_t empty = 0, solid = 0, edge = 0;
  float high = 0;
  for (std::size_t i = 0; i < count; ++i) {
    empty += values[i] == 0.0f;
    solid += values[i] > 0.5f;
    high = std::max(high, values[i]);
    const std::size_t x = i % 64, y = i / 64 % 64, z = i / 4096;
    const bool at_edge = std::min({x, y, z}) == 0 || std::max({x, y, z}) == 63;
    edge += at_edge && values[i] != 0.0f;
  }
  CHECK(high <= 1.0f);
  CHECK(high > 0.8f);
  CHECK(edge == 0);  // nothing is cut off by the box
  CHECK(static_cast<double>(empty) / static_cast<double>(count) > 0.6);
  CHECK(static_cast<double>(solid) / static_cast<double>(count) > 0.03);
  const DenseVolume again = MakeCloud(64, 7), other = MakeCloud(64, 8);
  CHECK(std::memcmp(again.values.data(), cloud.values.data(), cloud.values.size()) == 0);
  CHECK(std::memcmp(other.values.data(), cloud.values.data(), cloud.values.size()) != 0);
  Ok(WriteVdb(folder / "cloud.vdb", cloud));
  const NanoVdbVolume nano = Get(VdbToNanoVdb(folder / "cloud.vdb"));
  CHECK(nano.active_voxels == count - empty);
  CHECK(nano.index_to_world.Apply({0, 0, 0})[0] == Approx(-10 + 10.0 / 64));
}

}  // namespace dvren::io::test
