// Gradients of NanoVDB fields: of their leaves, and none where there are none.
#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "dvren/io/nvdb.h"
#include "support/gradient_calls.h"
#include "support/hp_nanovdb.h"

namespace dvren::test {
namespace {

// The bytes of an .nvdb file of this volume.
std::string FileOf(const NanoVdbBlob& blob) {
  const TempFolder folder;
  auto volume = io::NanoVdbFromBlob(io::Blob::Copy(blob.data.get(), blob.bytes), "density");
  REQUIRE(volume.ok());
  volume->grid_name = "density";
  const std::string path = folder / "v.nvdb";
  REQUIRE(io::WriteNvdb(path, *volume).ok());
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void UploadVolume(DaemonStubs& daemon, const std::string& name, const NanoVdbBlob& blob) {
  const std::string bytes = FileOf(blob);
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
  SparseVolume volume;
  for (int i = 0; i < 16; ++i) volume.voxels[{i, (i * 5) % 16, (i * 3) % 16}] = 0.25f;
  const NanoVdbBlob blob = MakeNanoVdbBlob(volume);
  const std::vector<Index3> leaves = LeafOrigins(blob);
  UploadVolume(*daemon, "sparse", blob);
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
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    std::int32_t origin[3];
    std::memcpy(origin, backward.bytes.data() + 12 * i, 12);
    CHECK(Index3{origin[0], origin[1], origin[2]} == leaves[i]);
  }
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
  SparseVolume volume;
  volume.boxes.push_back({{0, 0, 0}, {127, 127, 127}, 0.01f});  // one tile, no leaf
  UploadVolume(*daemon, "tile", MakeNanoVdbBlob(volume));
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
