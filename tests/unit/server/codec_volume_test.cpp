#include <catch2/catch.hpp>
#include <string>

#include "server/codec/volume_codec.h"
#include "unit/server/store_fixture.h"

namespace dvren::server {
namespace {

TEST_CASE("A dense volume that is described and rebuilt is the same") {
  io::DenseVolume volume = test::SmallVolume();
  volume.box = Box{{-1, -2, -3}, {1, 2, 3}};
  volume.local_to_world.m = {2, 0, 0, 5, 0, 2, 0, 6, 0, 0, 2, 7};
  volume.interp = io::Interp::kNearest;
  volume.border = io::Border::kClamp;
  volume.activation = io::Activation::kExp;
  v1::Field description;
  DescribeVolume(volume, FieldInfo{}, &description);
  CHECK(CheckStoredSpec(description).ok());
  const auto rebuilt = VolumeFrom(description, volume.values);
  REQUIRE(rebuilt.ok());
  const auto& dense = std::get<io::DenseVolume>(*rebuilt);
  CHECK(dense.shape == volume.shape);
  CHECK(dense.dtype == volume.dtype);
  CHECK(dense.box == volume.box);
  CHECK(dense.local_to_world == volume.local_to_world);
  CHECK(dense.interp == volume.interp);
  CHECK(dense.border == volume.border);
  CHECK(dense.activation == volume.activation);
  CHECK(test::Bytes(dense.values) == test::Bytes(volume.values));
}

TEST_CASE("A NanoVDB volume that is described and rebuilt is the same") {
  io::NanoVdbVolume volume;
  volume.blob = io::Blob(64);
  volume.grid_name = "density";
  volume.index_to_world.m = {0.1, 0, 0, 1, 0, 0.1, 0, 2, 0, 0, 0.1, 3};
  volume.active_min = {-4, -5, -6};
  volume.active_max = {4, 5, 6};
  volume.active_voxels = 77;
  v1::Field description;
  DescribeVolume(volume, FieldInfo{}, &description);
  CHECK(description.payload_bytes() == 64);
  const auto rebuilt = VolumeFrom(description, volume.blob);
  REQUIRE(rebuilt.ok());
  const auto& nanovdb = std::get<io::NanoVdbVolume>(*rebuilt);
  CHECK(nanovdb.grid_name == volume.grid_name);
  CHECK(nanovdb.index_to_world == volume.index_to_world);
  CHECK(nanovdb.active_min == volume.active_min);
  CHECK(nanovdb.active_max == volume.active_max);
  CHECK(nanovdb.active_voxels == volume.active_voxels);
}

TEST_CASE("A stored description that does not fit its payload is damaged") {
  v1::Field description;
  CHECK(absl::IsDataLoss(CheckStoredSpec(description)));
  DescribeVolume(test::SmallVolume(), FieldInfo{}, &description);
  description.set_payload_bytes(95);
  CHECK(absl::IsDataLoss(CheckStoredSpec(description)));
  description.mutable_dense_grid()->set_shape(0, std::int64_t{1} << 62);
  CHECK(absl::IsDataLoss(CheckStoredSpec(description)));
  description.mutable_dense_grid()->mutable_shape()->RemoveLast();
  CHECK(absl::IsDataLoss(CheckStoredSpec(description)));
}

}  // namespace
}  // namespace dvren::server
