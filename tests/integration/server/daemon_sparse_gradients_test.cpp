// Gradients of NanoVDB fields: of their leaves, and none where there are none.
#include <nanovdb/NanoVDB.h>
#include <nanovdb/util/GridBuilder.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstring>
#include <fstream>
#include <set>

#include "dvren/io/nvdb.h"
#include "support/gradient_calls.h"

namespace dvren::test {
namespace {

using Index3 = std::array<std::int32_t, 3>;

// One grid, with voxels and boxes of 8^3 blocks, which become tiles; voxels of size 1.
io::NanoVdbVolume Sparse(const std::vector<Index3>& voxels, const std::vector<nanovdb::CoordBBox>& boxes) {
  nanovdb::GridBuilder<float> builder(0.0f, nanovdb::GridClass::FogVolume);
  for (const nanovdb::CoordBBox& box : boxes) builder([](const nanovdb::Coord&) { return 0.25f; }, box);
  auto access = builder.getAccessor();
  for (const Index3& at : voxels) access.setValue(nanovdb::Coord(at[0], at[1], at[2]), 0.25f);
  const auto handle = builder.getHandle(1.0, nanovdb::Vec3d(0), "density");
  auto volume = io::NanoVdbFromBlob(io::Blob::Copy(handle.data(), handle.size()), "density");
  REQUIRE(std::string(volume.status().message()) == "");
  return *volume;
}

void UploadVolume(DaemonStubs& daemon, const std::string& name, const io::NanoVdbVolume& volume) {
  const TempFolder folder;
  const std::string path = folder / "v.nvdb";
  REQUIRE(io::WriteNvdb(path, volume).ok());
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  v1::UploadHeader header;
  header.set_display_name(name);
  header.set_source("v.nvdb");
  header.set_total_bytes(bytes.size());
  REQUIRE(Upload(daemon, header, bytes).status.error_message() == "");
}

v1::ForwardRequest ViewOf(const std::string& field) {
  v1::RenderRequest request;
  request.mutable_scene()->add_instances()->set_field(field);
  request.add_aovs(v1::AOV_OPACITY);
  v1::Camera& camera = *request.mutable_camera();
  camera.set_width(64);
  camera.set_height(64);
  camera.mutable_orthographic()->set_ortho_scale(24);
  for (const double m : {1.0, 0.0, 0.0, 8.0, 0.0, 1.0, 0.0, 8.0, 0.0, 0.0, 1.0, -20.0}) {
    camera.mutable_camera_to_world()->add_m(m);
  }
  return ForwardOf(request);
}

TEST_CASE("The gradient of a sparse field is of its leaves, named by their origins") {
  TestDaemon daemon;
  std::vector<Index3> voxels;
  std::set<Index3> leaves;
  for (int i = 0; i < 16; ++i) {
    voxels.push_back({i, (i * 5) % 16, (i * 3) % 16});
    leaves.insert({voxels.back()[0] & ~7, voxels.back()[1] & ~7, voxels.back()[2] & ~7});
  }
  UploadVolume(*daemon, "sparse", Sparse(voxels, {}));
  const ForwardResult forward = Forward(*daemon, ViewOf("sparse"));
  REQUIRE(forward.status.error_message() == "");
  const BackwardResult backward = Backward(*daemon,
                                           Header(forward.tape(),
                                                  [](v1::GradientRequest& want) {
                                                    want.set_values(true);
                                                    want.set_accumulate(true);
                                                  }),
                                           Adjoints(forward, v1::AOV_OPACITY));
  REQUIRE(backward.status.error_message() == "");
  const std::size_t origins_bytes = leaves.size() * 12;
  REQUIRE(backward.values->origins_bytes() == origins_bytes);
  CHECK(backward.values->shape(0) == static_cast<std::int64_t>(leaves.size()));
  REQUIRE(backward.bytes.size() == origins_bytes + leaves.size() * 512 * sizeof(float));
  std::set<Index3> origins;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    Index3 origin;
    std::memcpy(origin.data(), backward.bytes.data() + 12 * i, 12);
    origins.insert(origin);
  }
  CHECK(origins == leaves);
  const std::vector<float> values = FloatsOf(backward.bytes.substr(origins_bytes));
  CHECK(*std::max_element(values.begin(), values.end()) > 0);
  const GradientDownloadResult download = DownloadGradient(*daemon, "sparse");
  REQUIRE(download.status.error_message() == "");
  CHECK(download.gradient.origins_bytes() == origins_bytes);
  CHECK(download.bytes == backward.bytes);
  CHECK(DownloadGradient(*daemon, "sparse", origins_bytes - 5).bytes == download.bytes.substr(origins_bytes - 5));
  // Its values cannot be written.
  const grpc::Status update = Update(*daemon, "sparse", {1}).first;
  CHECK(update.error_code() == grpc::StatusCode::FAILED_PRECONDITION);
  CHECK(update.error_message().find("only dense grids") != std::string::npos);
}

TEST_CASE("A field without parameters has no gradient of values, and others all the same") {
  TestDaemon daemon;
  // Whole blocks of one value: tiles, and no leaf.
  UploadVolume(*daemon, "tile", Sparse({}, {nanovdb::CoordBBox(nanovdb::Coord(0), nanovdb::Coord(15))}));
  const ForwardResult forward = Forward(*daemon, ViewOf("tile"));
  REQUIRE(forward.status.error_message() == "");
  const auto adjoints = Adjoints(forward, v1::AOV_OPACITY);
  for (const bool accumulate : {false, true}) {
    const BackwardResult refused = Backward(*daemon,
                                            Header(forward.tape(),
                                                   [&](v1::GradientRequest& want) {
                                                     want.set_accumulate(accumulate);
                                                     want.set_values(!accumulate);
                                                   }),
                                            adjoints);
    CHECK(refused.status.error_code() == grpc::StatusCode::FAILED_PRECONDITION);
    CHECK(refused.status.error_message().find("has no values that rays could have a gradient of") != std::string::npos);
  }
  CHECK(ZeroGradients(*daemon, "tile").error_code() == grpc::StatusCode::FAILED_PRECONDITION);
  CHECK(DownloadGradient(*daemon, "tile").status.error_code() == grpc::StatusCode::FAILED_PRECONDITION);
  const BackwardResult scene =
      Backward(*daemon, Header(forward.tape(), [](v1::GradientRequest& want) { want.set_scene(true); }), adjoints);
  REQUIRE(scene.status.error_message() == "");
  CHECK(scene.summary.gradients().scene().sigma_scale() > 0);
}

}  // namespace
}  // namespace dvren::test
