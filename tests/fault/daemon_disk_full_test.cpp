// A disk without room: the request fails with RESOURCE_EXHAUSTED, nothing of it is seen, and the daemon goes on.
#include <catch2/catch.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "support/dvrend_process.h"
#include "support/test_daemon.h"

namespace dvren::test {
namespace {

TEST_CASE("A creation that does not fit the disk leaves nothing, and a smaller one succeeds") {
  const TempFolder folder;
  DvrendProcess process(folder.path(), /*max_file_bytes=*/std::uint64_t{256} << 10);
  DaemonStubs daemon(process.address());
  const std::vector<float> values(std::size_t{1} << 18, 1.0f);  // 1 MiB
  const auto [created, field] = Create(daemon, RawField("large", {64, 64, 64, 1}, values));
  CHECK(created.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);

  v1::UploadHeader header;
  header.set_display_name("large");
  header.set_total_bytes(values.size() * sizeof(float));
  *header.mutable_options() = RawField("large", {64, 64, 64, 1}, {}).options();
  const std::string bytes(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  const UploadResult uploaded = Upload(daemon, header, bytes, 0, std::size_t{100} << 10);
  CHECK(uploaded.status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);

  grpc::ClientContext context;
  v1::ListFieldsResponse fields;
  REQUIRE(daemon.fields->ListFields(&context, {}, &fields).ok());
  CHECK(fields.fields_size() == 0);
  CHECK(std::filesystem::is_empty(folder / "data/fields"));
  CHECK(std::filesystem::is_empty(folder / "data/tmp"));
  CHECK(Create(daemon, ConstantField("large", 1)).first.error_message() == "");
  CHECK(Render(daemon, Picture("large", 16, 0.1)).status.ok());
}

}  // namespace
}  // namespace dvren::test
