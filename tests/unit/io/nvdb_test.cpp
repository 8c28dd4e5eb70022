#define NANOVDB_USE_ZIP
#define NANOVDB_USE_BLOSC
#include <nanovdb/NanoVDB.h>
#include <nanovdb/util/GridBuilder.h>
#include <nanovdb/util/IO.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>

#include "dvren/io/nvdb.h"
#include "dvren/io/vdb.h"
#include "io_fixture.h"
#include "vdb_samples.h"

namespace dvren::io::test {
namespace {

using absl::StatusCode;
using nanovdb::Coord;
using Tree = nanovdb::TreeData<3>;

// Two leaves in two upper nodes, far apart, by NanoVDB's own builder.
nanovdb::GridHandle<> Handle(const std::string& name = "density",
                             nanovdb::GridClass grid_class = nanovdb::GridClass::FogVolume, float background = 0.0f) {
  nanovdb::GridBuilder<float> builder(background, grid_class);
  auto accessor = builder.getAccessor();
  for (int i = 0; i < 8; ++i) accessor.setValue(Coord(i, 2 * i, 3 * i), 0.1f * static_cast<float>(i + 1));
  accessor.setValue(Coord(-5000, 17, 9000), 2.0f);
  return builder.getHandle<>(0.25, nanovdb::Vec3d(1, 2, 3), name);
}

Blob BlobOf(const nanovdb::GridHandle<>& handle) {
  return Blob::Copy(handle.data(), handle.size());
}

Blob Copied(const Blob& blob) {
  return Blob::Copy(blob.data(), blob.size());
}

nanovdb::GridData* GridOf(Blob& blob) {
  return reinterpret_cast<nanovdb::GridData*>(blob.data());
}
Tree* TreeOf(Blob& blob) {
  return reinterpret_cast<Tree*>(blob.data() + sizeof(nanovdb::GridData));
}
template <class T>
T* NodeOf(Blob& blob, int level, int n = 0) {
  return reinterpret_cast<T*>(reinterpret_cast<std::byte*>(TreeOf(blob)) + TreeOf(blob)->mNodeOffset[level]) + n;
}
using Leaf = nanovdb::NanoLeaf<float>::DataType;
using Upper = nanovdb::NanoUpper<float>::DataType;
using Root = nanovdb::NanoRoot<float>::DataType;

}  // namespace

TEST_CASE("A grid of NanoVDB's own builder passes, and is described as it says") {
  const NanoVdbVolume volume = Get(NanoVdbFromBlob(BlobOf(Handle()), "a"));
  CHECK(volume.grid_name == "density");
  CHECK(volume.active_voxels == 9);
  CHECK(volume.active_min == std::array<std::int64_t, 3>{-5000, 0, 0});
  CHECK(volume.active_max == std::array<std::int64_t, 3>{7, 17, 9000});
  CHECK(volume.index_to_world.Apply({4, 8, 12}) == Vec3{2, 4, 6});
}

TEST_CASE("A NVDB file comes back by every codec, with several grids, ours and NanoVDB's own") {
  const TempFolder folder;
  std::vector<nanovdb::GridHandle<>> handles;
  handles.push_back(Handle("first"));
  handles.push_back(Handle("density"));
  const std::vector<NanoVdbVolume> volumes = {Get(NanoVdbFromBlob(BlobOf(handles[0]), "a")),
                                              Get(NanoVdbFromBlob(BlobOf(handles[1]), "b"))};
  for (const auto codec : {NvdbCodec::kNone, NvdbCodec::kZip, NvdbCodec::kBlosc}) {
    const auto theirs = static_cast<nanovdb::io::Codec>(codec);
    nanovdb::io::writeGrids(folder / "theirs.nvdb", handles, theirs);
    Ok(WriteNvdb(folder / "ours.nvdb", volumes, codec));
    for (const std::string name : {"theirs.nvdb", "ours.nvdb"}) {
      const std::vector<NvdbGridInfo> grids = Get(ListNvdbGrids(folder / name));
      REQUIRE(grids.size() == 2);
      CHECK((grids[0].name == "first" && grids[1].name == "density" && grids[0].type == "float"));
      CHECK((grids[0].grid_class == "fog volume" && grids[0].bytes == handles[0].size()));
      CHECK(Get(ReadNvdb(folder / name)).grid_name == "density");
      const NanoVdbVolume read = Get(ReadNvdb(folder / name, {.grid = "first"}));
      REQUIRE(read.blob.size() == handles[0].size());
      CHECK(std::memcmp(read.blob.data(), handles[0].data(), read.blob.size()) == 0);
    }
    const auto back = nanovdb::io::readGrid(folder / "ours.nvdb", std::string("first"));
    REQUIRE(back.size() == handles[0].size());
    CHECK(back.grid<float>()->tree().getValue(Coord(-5000, 17, 9000)) == 2.0f);
  }
}

TEST_CASE("A missing grid, a wrong type, a level set, a budget: each refused by name") {
  const TempFolder folder;
  nanovdb::io::writeGrid(folder / "fog.nvdb", Handle("smoke"));
  nanovdb::io::writeGrid(folder / "level.nvdb", Handle("density", nanovdb::GridClass::LevelSet));
  nanovdb::GridBuilder<double> wide(0.0, nanovdb::GridClass::FogVolume);
  wide.getAccessor().setValue(Coord(1, 2, 3), 1.0);
  nanovdb::io::writeGrid(folder / "double.nvdb", wide.getHandle<>(1.0, nanovdb::Vec3d(0), "density"));
  CHECK(Get(ReadNvdb(folder / "fog.nvdb")).grid_name == "smoke");
  const auto refused = [&](const char* file, NvdbOptions options, StatusCode code,
                           std::initializer_list<const char*> parts) {
    return Refused(ReadNvdb(folder / file, options).status(), code, parts);
  };
  CHECK(refused("fog.nvdb", {.grid = "fire"}, StatusCode::kInvalidArgument, {"grid = fire", "there are smoke"}));
  CHECK(refused("double.nvdb", {}, StatusCode::kInvalidArgument, {"double", "float"}));
  CHECK(refused("level.nvdb", {}, StatusCode::kInvalidArgument, {"level set"}));
  CHECK(refused("fog.nvdb", {.max_bytes = 1000}, StatusCode::kResourceExhausted, {"1000"}));
  CHECK(refused("missing.nvdb", {}, StatusCode::kNotFound, {"missing.nvdb"}));
  WriteBytes(folder / "text.nvdb", "hello, this is not a volume");
  CHECK(refused("text.nvdb", {}, StatusCode::kInvalidArgument, {"not a readable NVDB"}));
  WriteBytes(folder / "nothing.nvdb", "");
  CHECK(refused("nothing.nvdb", {}, StatusCode::kInvalidArgument, {"nothing.nvdb"}));
}

TEST_CASE("A level set in a NVDB is converted when asked, as that in a VDB is") {
  const TempFolder folder;
  WriteLevelSetVdb(folder / "sphere.vdb", true);
  // The same sphere, by its definition.
  const DenseVolume wanted = Get(VdbToDense(folder / "sphere.vdb", {.convert_level_set = true}));
  nanovdb::GridBuilder<float> builder(1.5f, nanovdb::GridClass::LevelSet);
  auto accessor = builder.getAccessor();
  for (int x = -14; x <= 14; ++x) {
    for (int y = -14; y <= 14; ++y) {
      for (int z = -14; z <= 14; ++z) {
        const double distance = 0.5 * std::sqrt(x * x + y * y + z * z) - 5;
        if (distance < 1.5) accessor.setValue(Coord(x, y, z), static_cast<float>(std::max(distance, -1.5)));
      }
    }
  }
  nanovdb::io::writeGrid(folder / "sphere.nvdb", builder.getHandle<>(0.5, nanovdb::Vec3d(0), "density"));
  const NanoVdbVolume fog = Get(ReadNvdb(folder / "sphere.nvdb", {.convert_level_set = true}));
  const DenseVolume dense = Get(NanoVdbToDense(fog));
  REQUIRE(dense.shape == wanted.shape);
  double worst = 0;
  for (std::int64_t z = 0; z < dense.shape[0]; ++z) {
    for (std::int64_t y = 0; y < dense.shape[1]; ++y) {
      for (std::int64_t x = 0; x < dense.shape[2]; ++x) {
        worst = std::max(worst, static_cast<double>(std::abs(At(dense, x, y, z) - At(wanted, x, y, z))));
      }
    }
  }
  CHECK(worst < 1e-4);
}

TEST_CASE("Every offset, count, box and value of a buffer is looked at") {
  const Blob good = [] {
    Blob blob = BlobOf(Handle());
    GridOf(blob)->mChecksum = ~std::uint64_t{0};  // "not computed": each check has to stand alone
    return blob;
  }();
  Ok(CheckNanoVdb(good));
  const auto refused = [&](const char* what, auto change) {
    Blob blob = Copied(good);
    change(blob);
    return Refused(CheckNanoVdb(blob), StatusCode::kInvalidArgument, {what});
  };
  CHECK(refused("NanoVDB0", [](Blob& b) { GridOf(b)->mMagic ^= 1; }));
  CHECK(refused("version", [](Blob& b) { GridOf(b)->mVersion = nanovdb::Version(31, 0, 0); }));
  CHECK(refused("several grids", [](Blob& b) { GridOf(b)->mGridCount = 2; }));
  CHECK(refused("declares", [](Blob& b) { GridOf(b)->mGridSize += 32; }));
  CHECK(refused("int16", [](Blob& b) { GridOf(b)->mGridType = nanovdb::GridType::Int16; }));
  CHECK(refused("unknown values", [](Blob& b) { GridOf(b)->mGridType = static_cast<nanovdb::GridType>(999); }));
  CHECK(refused("level set", [](Blob& b) { GridOf(b)->mGridClass = nanovdb::GridClass::LevelSet; }));
  CHECK(refused("class", [](Blob& b) { GridOf(b)->mGridClass = nanovdb::GridClass::Staggered; }));
  CHECK(refused("name", [](Blob& b) { std::memset(GridOf(b)->mGridName, 'x', 256); }));
  CHECK(refused("blind", [](Blob& b) { GridOf(b)->mBlindMetadataCount = 1; }));
  CHECK(
      refused("index_to_world", [](Blob& b) { GridOf(b)->mMap.mMatD[4] = std::numeric_limits<double>::quiet_NaN(); }));
  CHECK(refused("inverse", [](Blob& b) { GridOf(b)->mMap.mInvMatD[0] = 3; }));
  CHECK(refused("single and double", [](Blob& b) { GridOf(b)->mMap.mMatF[0] = 7; }));
  for (const int level : {0, 1, 2, 3}) {
    for (const std::int64_t by : {-64, 32, 1, 1 << 30}) {
      CHECK_FALSE([&] {
        Blob blob = Copied(good);
        TreeOf(blob)->mNodeOffset[level] += static_cast<std::uint64_t>(by);
        return CheckNanoVdb(blob).ok();
      }());
    }
  }
  CHECK(refused("level 0", [](Blob& b) { TreeOf(b)->mNodeCount[0] += 1; }));
  CHECK(refused("level 2", [](Blob& b) { TreeOf(b)->mNodeCount[2] = 0xffffffff; }));
  CHECK(refused("active voxels", [](Blob& b) { TreeOf(b)->mVoxelCount += 1; }));
  CHECK(refused("active tiles", [](Blob& b) { TreeOf(b)->mTileCount[1] = 1; }));
  CHECK(refused("tiles of its root", [](Blob& b) { NodeOf<Root>(b, 3)->mTableSize = 0x7fffffff; }));
  CHECK(refused("level 2", [](Blob& b) { NodeOf<Root>(b, 3)->tile(0)->child += 32; }));
  CHECK(refused("leaves", [](Blob& b) { NodeOf<Root>(b, 3)->tile(0)->child = std::int64_t{1} << 62; }));
  CHECK(refused("leaves",
                [](Blob& b) { NodeOf<Root>(b, 3)->tile(0)->child = std::numeric_limits<std::int64_t>::min(); }));
  CHECK(refused("linked twice",
                [](Blob& b) { NodeOf<Root>(b, 3)->tile(1)->child = NodeOf<Root>(b, 3)->tile(0)->child; }));
  CHECK(refused("one key", [](Blob& b) {
    // An inactive value under the other tile's key; its node is unlinked, which is noticed later.
    Root* root = NodeOf<Root>(b, 3);
    root->tile(1)->key = root->tile(0)->key;
    root->tile(1)->child = 0;
    root->tile(1)->state = 0;
    root->tile(1)->value = 0;
  }));
  CHECK(refused("both child and tile", [](Blob& b) {
    Upper* upper = NodeOf<Upper>(b, 2);
    for (std::uint32_t n = 0; n < 32768; ++n) {
      if (upper->mChildMask.isOn(n)) upper->mValueMask.setOn(n);
    }
  }));
  CHECK(refused("bounding box", [](Blob& b) { NodeOf<Root>(b, 3)->mBBox.max()[0] += 1; }));
  CHECK(refused("bounding box", [](Blob& b) { NodeOf<Leaf>(b, 0)->mBBoxDif[1] += 1; }));
  CHECK(refused("origin", [](Blob& b) { NodeOf<Leaf>(b, 0)->mBBoxMin[2] += 8; }));
  CHECK(refused("extrema", [](Blob& b) { NodeOf<Leaf>(b, 0)->mMaximum = 0; }));
  CHECK(refused("extrema", [](Blob& b) { NodeOf<Root>(b, 3)->mMinimum = std::numeric_limits<float>::quiet_NaN(); }));
  CHECK(refused("in 1 voxels", [](Blob& b) { NodeOf<Leaf>(b, 0)->mValues[511] = -1; }));
  CHECK(refused("background", [](Blob& b) { NodeOf<Root>(b, 3)->mBackground = -1; }));
  CHECK(refused("in 2097152 voxels", [](Blob& b) {  // an inactive tile of 128^3
    Upper* upper = NodeOf<Upper>(b, 2);
    for (std::uint32_t n = 0; n < 32768; ++n) {
      if (!upper->mChildMask.isOn(n)) {
        upper->mTable[n].value = std::numeric_limits<float>::infinity();
        return;
      }
    }
  }));
  for (std::size_t n = 0; n < good.size(); n += 97) {
    CHECK_FALSE(CheckNanoVdb(Blob::Copy(good.data(), n)).ok());
  }
  CHECK_FALSE(CheckNanoVdb(Blob()).ok());
}

TEST_CASE("A checksum that does not match is a damaged file") {
  nanovdb::GridHandle<> handle = Handle();
  nanovdb::updateChecksum(*handle.grid<float>(), nanovdb::ChecksumMode::Full);
  const Blob good = BlobOf(handle);
  Ok(CheckNanoVdb(good));
  Blob value = Copied(good);
  NodeOf<Leaf>(value, 0)->mValues[3] += 0.5f;  // inactive, finite: nothing else could tell
  CHECK(Refused(CheckNanoVdb(value), StatusCode::kInvalidArgument, {"checksum"}));
  nanovdb::updateChecksum(*handle.grid<float>(), nanovdb::ChecksumMode::Partial);
  Blob head = BlobOf(handle);
  Ok(CheckNanoVdb(head));
  GridOf(head)->mData1 = 1;
  CHECK(Refused(CheckNanoVdb(head), StatusCode::kInvalidArgument, {"checksum"}));
}

TEST_CASE("NVDB headers are held against the file before memory is taken") {
  const TempFolder folder;
  for (const auto codec : {nanovdb::io::Codec::NONE, nanovdb::io::Codec::ZIP, nanovdb::io::Codec::BLOSC}) {
    nanovdb::io::writeGrid(folder / "a.nvdb", Handle(), codec);
    const std::string whole = ReadBytes(folder / "a.nvdb");
    const auto parse = [](const std::string& bytes) {
      return ParseNvdb(std::as_bytes(std::span(bytes.data(), bytes.size())), {}).status();
    };
    Ok(parse(whole));
    for (std::size_t n = 0; n < whole.size(); n += whole.size() < 20000 ? 13 : 4001) {
      CHECK(Refused(parse(whole.substr(0, n)), StatusCode::kInvalidArgument, {""}));
    }
    // Every field of header and description set to all ones: terabytes declared must not be terabytes asked for.
    for (std::size_t at = 8; at + 8 <= 16 + 176; at += 4) {
      std::string bytes = whole;
      bytes.replace(at, 8, std::string(8, '\xff'));
      const absl::Status status = parse(bytes);
      CHECK((status.ok() || status.code() == StatusCode::kInvalidArgument));
    }
  }
}

}  // namespace dvren::io::test
