// kill -9: what was acknowledged is there afterwards, bit by bit; what was not is gone or can be resumed.
#include <catch2/catch.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "support/dvrend_process.h"
#include "support/test_daemon.h"

namespace dvren::test {
namespace {

v1::UploadHeader RawHeader(const std::string& display_name, std::size_t bytes) {
  v1::UploadHeader header;
  header.set_display_name(display_name);
  header.set_total_bytes(bytes);
  header.set_request_id(display_name);
  header.mutable_options()->set_format(v1::FILE_FORMAT_RAW);
  for (const std::size_t extent : {std::size_t{1}, std::size_t{1}, bytes / sizeof(float), std::size_t{1}}) {
    header.mutable_options()->mutable_dense_grid()->add_shape(static_cast<std::int64_t>(extent));
  }
  header.mutable_options()->mutable_dense_grid()->set_dtype(v1::DTYPE_F32);
  return header;
}

std::string Values(std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<float>(i % 1000) / 8;
  return {reinterpret_cast<const char*>(values.data()), count * sizeof(float)};
}

v1::ListFieldsResponse List(DaemonStubs& daemon) {
  grpc::ClientContext context;
  v1::ListFieldsResponse fields;
  CHECK(daemon.fields->ListFields(&context, {}, &fields).ok());
  return fields;
}

TEST_CASE("A field that was acknowledged is the same after kill -9") {
  const TempFolder folder;
  const std::string bytes = Values(std::size_t{1} << 20);
  std::vector<v1::Field> acknowledged;
  {
    DvrendProcess process(folder.path());
    DaemonStubs daemon(process.address());
    const auto [status, field] = Create(daemon, ConstantField("small", 2));
    REQUIRE(status.error_message() == "");
    acknowledged.push_back(field);
    const UploadResult uploaded = Upload(daemon, RawHeader("large", bytes.size()), bytes);
    process.Kill();  // right after the answer
    REQUIRE(uploaded.status.error_message() == "");
    acknowledged.push_back(uploaded.response.field());
  }
  DvrendProcess process(folder.path());
  DaemonStubs daemon(process.address());
  CHECK(List(daemon).fields_size() == 2);
  for (const v1::Field& field : acknowledged) {
    const DownloadResult download = Download(daemon, field.name());
    REQUIRE(download.status.error_message() == "");
    CHECK(download.field.version() == field.version());
    CHECK(download.field.sha256() == field.sha256());
    CHECK(download.field.SerializeAsString() == field.SerializeAsString());
    if (field.display_name() == "large") CHECK(download.bytes == bytes);
  }
  CHECK(Render(daemon, Picture("small", 16, 0.1)).status.ok());
  // The same request again is the same field, not a second one.
  const UploadResult again = Upload(daemon, RawHeader("large", bytes.size()), bytes);
  REQUIRE(again.status.error_message() == "");
  CHECK(again.response.field().name() == acknowledged[1].name());
  CHECK(process.Terminate() == 0);
}

TEST_CASE("An upload that kill -9 cut makes no field and can be resumed or sent anew") {
  const TempFolder folder;
  const std::string bytes = Values(std::size_t{1} << 20);
  const v1::UploadHeader header = RawHeader("large", bytes.size());
  {
    DvrendProcess process(folder.path());
    DaemonStubs daemon(process.address());
    grpc::ClientContext context;
    v1::UploadFieldResponse response;
    const auto writer = daemon.fields->UploadField(&context, &response);
    v1::UploadFieldRequest message;
    *message.mutable_header() = header;
    REQUIRE(writer->Write(message));
    writer->WaitForInitialMetadata();  // the upload has begun
    message.mutable_chunk()->set_data(bytes.substr(0, std::size_t{1} << 20));
    REQUIRE(writer->Write(message));
    process.Kill();
    writer->WritesDone();
    CHECK(writer->Finish().error_code() == grpc::StatusCode::UNAVAILABLE);
  }
  std::filesystem::create_directories(folder / "data/tmp/half-made");
  DvrendProcess process(folder.path());
  DaemonStubs daemon(process.address());
  CHECK(List(daemon).fields_size() == 0);
  CHECK(std::filesystem::is_empty(folder / "data/tmp"));
  grpc::ClientContext context;
  v1::GetUploadRequest request;
  request.set_name("large");
  v1::Upload upload;
  REQUIRE(daemon.fields->GetUpload(&context, request, &upload).ok());
  CHECK(upload.received_bytes() <= std::uint64_t{1} << 20);
  v1::UploadHeader resume = header;
  resume.set_upload(upload.name());
  const UploadResult resumed = Upload(daemon, resume, bytes, upload.received_bytes());
  REQUIRE(resumed.status.error_message() == "");
  CHECK(Download(daemon, "large").bytes == bytes);
}

}  // namespace
}  // namespace dvren::test
