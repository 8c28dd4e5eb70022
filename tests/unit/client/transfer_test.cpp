#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "dvren/client/client.h"
#include "dvren/io/npy.h"
#include "fake_daemon.h"

namespace dvren::client {
namespace {

namespace fs = std::filesystem;
using dvren::testing::FakeDaemon;

std::string Bytes(std::size_t count) {
  std::string bytes(count, '\0');
  for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<char>((i * 2654435761u) >> 13);
  return bytes;
}

std::span<const std::byte> AsBytes(const std::string& text) {
  return std::as_bytes(std::span<const char>(text));
}

Client Connected(const FakeDaemon& daemon) {
  auto client = Client::Connect(daemon.endpoint());
  REQUIRE(client.ok());
  return *client;
}

UploadOptions Quick() {
  UploadOptions options;
  options.display_name = "smoke";
  options.retry_delay = std::chrono::milliseconds(1);
  return options;
}

TEST_CASE("An upload arrives whole in chunks with their checks") {
  FakeDaemon daemon;
  const std::string bytes = Bytes((3 << 20) + 17);
  std::vector<std::uint64_t> progress;
  UploadOptions options = Quick();
  options.progress = [&](std::uint64_t done, std::uint64_t total) {
    CHECK(total == bytes.size());
    progress.push_back(done);
  };
  const auto field = Connected(daemon).UploadBytes(AsBytes(bytes), options);
  REQUIRE(field.ok());
  CHECK(field->display_name() == "smoke");
  CHECK(daemon.uploaded == bytes);
  CHECK(progress == std::vector<std::uint64_t>{1 << 20, 2 << 20, 3 << 20, bytes.size()});
}

TEST_CASE("An upload that is cut goes on where the daemon stopped") {
  FakeDaemon daemon;
  daemon.cut_upload_after_chunks = 2;
  daemon.cuts = 3;
  const std::string bytes = Bytes((8 << 20) + 5);
  const auto field = Connected(daemon).UploadBytes(AsBytes(bytes), Quick());
  REQUIRE(field.ok());
  CHECK(daemon.uploaded == bytes);
  REQUIRE(daemon.headers.size() == 4);
  CHECK(daemon.headers[0].upload().empty());
  for (std::size_t i = 1; i < 4; ++i) CHECK(daemon.headers[i].upload() == "uploads/7");
  CHECK(daemon.first_offsets == std::vector<std::uint64_t>{0, 2 << 20, 4 << 20, 6 << 20});
  CHECK_FALSE(daemon.headers[0].request_id().empty());
  CHECK(daemon.headers[0].request_id() == daemon.headers[3].request_id());
}

TEST_CASE("An upload whose name did not come through is found by its request id") {
  FakeDaemon daemon;
  daemon.name_uploads = false;
  daemon.cut_upload_after_chunks = 1;
  const std::string bytes = Bytes(3 << 20);
  REQUIRE(Connected(daemon).UploadBytes(AsBytes(bytes), Quick()).ok());
  CHECK(daemon.uploaded == bytes);
  CHECK(daemon.first_offsets == std::vector<std::uint64_t>{0, 1 << 20});
}

TEST_CASE("A chunk that was damaged on its way is sent again") {
  FakeDaemon daemon;
  daemon.corrupt_first_chunk = true;
  const std::string bytes = Bytes(2 << 20);
  REQUIRE(Connected(daemon).UploadBytes(AsBytes(bytes), Quick()).ok());
  CHECK(daemon.uploaded == bytes);
}

TEST_CASE("A resume waits while the daemon still holds the lost connection") {
  FakeDaemon daemon;
  daemon.cut_upload_after_chunks = 1;
  daemon.busy_once = true;
  const std::string bytes = Bytes(2 << 20);
  REQUIRE(Connected(daemon).UploadBytes(AsBytes(bytes), Quick()).ok());
  CHECK(daemon.uploaded == bytes);
}

TEST_CASE("An upload that makes no headway ends with the daemon's error") {
  FakeDaemon daemon;
  daemon.cut_upload_after_chunks = 0;
  daemon.cuts = 1000;
  UploadOptions options = Quick();
  options.max_attempts = 4;
  const std::string bytes = Bytes(100);
  const auto field = Connected(daemon).UploadBytes(AsBytes(bytes), options);
  CHECK(field.status().code() == absl::StatusCode::kUnavailable);
  CHECK(daemon.headers.size() == 4);
}

TEST_CASE("A file is sent under its own name, without the folders of this machine") {
  FakeDaemon daemon;
  const fs::path path = fs::temp_directory_path() / ("upload_" + std::to_string(::getpid()) + ".vdb");
  std::ofstream(path, std::ios::binary) << Bytes(1000);
  const auto field = Connected(daemon).UploadFile(path.string(), Quick());
  fs::remove(path);
  REQUIRE(field.ok());
  CHECK(daemon.uploaded == Bytes(1000));
  CHECK(daemon.headers[0].source() == path.filename().string());
}

TEST_CASE("Files that cannot be sent are named before anything is sent") {
  FakeDaemon daemon;
  const Client client = Connected(daemon);
  CHECK(client.UploadFile("/nonexistent.vdb", Quick()).status().code() == absl::StatusCode::kNotFound);
  CHECK(client.UploadFile("/", Quick()).status().code() == absl::StatusCode::kInvalidArgument);
  CHECK(client.UploadBytes({}, Quick()).status().code() == absl::StatusCode::kInvalidArgument);
  CHECK(client.UploadBytes(AsBytes("x"), UploadOptions{}).status().code() == absl::StatusCode::kInvalidArgument);
  CHECK(daemon.headers.empty());
}

TEST_CASE("A grid says its shape, and a shape that does not fit is refused") {
  FakeDaemon daemon;
  const Client client = Connected(daemon);
  const std::vector<float> values(24, 0.5f);
  REQUIRE(client.UploadGrid(values, {2, 3, 4, 1}, Quick()).ok());
  CHECK(daemon.uploaded.size() == 24 * sizeof(float));
  const v1::ImportOptions& options = daemon.headers[0].options();
  CHECK(options.format() == v1::FILE_FORMAT_RAW);
  CHECK(options.dense_grid().dtype() == v1::DTYPE_F32);
  REQUIRE(options.dense_grid().shape_size() == 4);
  CHECK(options.dense_grid().shape(1) == 3);
  for (const std::array<std::int64_t, 4> shape :
       {std::array<std::int64_t, 4>{2, 3, 4, 2}, {0, 3, 4, 1}, {-2, -3, 4, 1}, {5, 1, 1, 1}}) {
    CHECK(client.UploadGrid(values, shape, Quick()).status().code() == absl::StatusCode::kInvalidArgument);
  }
}

// A dense field of 1.5 MiB in the daemon.
void PutGrid(FakeDaemon& daemon) {
  daemon.payload = Bytes(64 * 64 * 96 * 4);
  daemon.field.set_display_name("half");
  daemon.field.set_type("dense_grid");
  daemon.field.set_channels(1);
  daemon.field.set_payload_bytes(daemon.payload.size());
  for (const int n : {96, 64, 64, 1}) daemon.field.mutable_dense_grid()->add_shape(n);
  daemon.field.mutable_dense_grid()->set_dtype(v1::DTYPE_F32);
}

struct Scratch {
  fs::path path = fs::temp_directory_path() / ("download_" + std::to_string(::getpid()));
  Scratch() { fs::create_directories(path); }
  ~Scratch() { fs::remove_all(path); }
};

DownloadOptions QuickDownload() {
  DownloadOptions options;
  options.retry_delay = std::chrono::milliseconds(1);
  return options;
}

TEST_CASE("A download that is cut goes on and gives the same array") {
  FakeDaemon daemon;
  PutGrid(daemon);
  daemon.cut_download_after_chunks = 1;
  const Scratch scratch;
  const std::string path = (scratch.path / "half.npy").string();
  const auto field = Connected(daemon).DownloadField("half", path, QuickDownload());
  REQUIRE(field.ok());
  const auto array = io::ReadNpy(path);
  REQUIRE(array.ok());
  CHECK(array->shape == std::vector<std::int64_t>{96, 64, 64, 1});
  CHECK(std::string(reinterpret_cast<const char*>(array->data.data()), array->data.size()) == daemon.payload);
}

TEST_CASE("The bare payload is what the daemon holds") {
  FakeDaemon daemon;
  PutGrid(daemon);
  const Scratch scratch;
  const fs::path path = scratch.path / "half.raw";
  REQUIRE(Connected(daemon).DownloadField("half", path.string(), QuickDownload()).ok());
  std::ifstream file(path, std::ios::binary);
  CHECK(std::string((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>()) == daemon.payload);
}

TEST_CASE("A damaged download leaves no file") {
  FakeDaemon daemon;
  PutGrid(daemon);
  daemon.damage_download = true;
  const Scratch scratch;
  const auto field = Connected(daemon).DownloadField("half", (scratch.path / "half.npy").string(), QuickDownload());
  CHECK(field.status().code() == absl::StatusCode::kDataLoss);
  CHECK(fs::is_empty(scratch.path));
}

TEST_CASE("A file type that cannot hold the field is refused, and says why") {
  FakeDaemon daemon;
  PutGrid(daemon);
  const Client client = Connected(daemon);
  // The values could be held, were they densities.
  const auto negative = client.DownloadField("half", "half.nvdb");
  CHECK(negative.status().code() == absl::StatusCode::kInvalidArgument);
  CHECK_THAT(std::string(negative.status().message()), Catch::Contains("density is negative"));
  CHECK(client.DownloadField("half", "half.txt").status().code() == absl::StatusCode::kInvalidArgument);
  CHECK(client.DownloadField("none", "half.npy").status().code() == absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace dvren::client
