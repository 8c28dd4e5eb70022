#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "server/registries/digest.h"
#include "server/registries/upload_store.h"
#include "support/temp_folder.h"
#include "unit/server/store_fixture.h"

namespace dvren::server {
namespace {

using dvren::test::TempFolder;

v1::UploadHeader Header(std::uint64_t total_bytes, const std::string& request_id = "") {
  v1::UploadHeader header;
  header.set_display_name("smoke");
  header.set_source("smoke.npy");
  header.set_total_bytes(total_bytes);
  header.set_request_id(request_id);
  return header;
}

v1::Chunk Piece(std::uint64_t offset, const std::string& data) {
  v1::Chunk chunk;
  chunk.set_offset(offset);
  chunk.set_data(data);
  chunk.set_crc32c(Crc32c(data.data(), data.size()));
  return chunk;
}

std::unique_ptr<UploadStore> Open(const TempFolder& folder, const FileFaults& faults = nullptr) {
  UploadStoreOptions options;
  options.data_dir = folder.path();
  options.max_upload_bytes = 1000;
  options.faults = faults;
  return *UploadStore::Open(options);
}

std::string Contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

TEST_CASE("An upload that was cut goes on where it ended, across a restart") {
  const TempFolder folder;
  std::string name;
  {
    const auto store = Open(folder);
    const auto lease = *store->Begin("default", Header(6));
    name = lease->name();
    REQUIRE(lease->Append(Piece(0, "abc")).ok());
    CHECK_FALSE(lease->complete());
  }
  const auto store = Open(folder);
  CHECK(store->Get("default", name)->received_bytes() == 3);
  const auto lease = *store->Resume("default", name);
  CHECK(lease->header().source() == "smoke.npy");
  REQUIRE(lease->Append(Piece(3, "def")).ok());
  CHECK(lease->complete());
  CHECK(Contents(lease->data_path()) == "abcdef");
}

TEST_CASE("A chunk that does not follow, is damaged or is too long is refused and changes nothing") {
  const TempFolder folder;
  const auto store = Open(folder);
  const auto lease = *store->Begin("default", Header(6));
  REQUIRE(lease->Append(Piece(0, "abc")).ok());
  CHECK(absl::IsInvalidArgument(lease->Append(Piece(0, "abc"))));
  CHECK(absl::IsInvalidArgument(lease->Append(Piece(4, "d"))));
  CHECK(absl::IsInvalidArgument(lease->Append(Piece(3, ""))));
  CHECK(absl::IsInvalidArgument(lease->Append(Piece(3, "defg"))));
  v1::Chunk damaged = Piece(3, "def");
  damaged.set_data("dEf");
  CHECK(absl::IsDataLoss(lease->Append(damaged)));
  v1::Chunk unchecked = Piece(3, "def");
  unchecked.clear_crc32c();
  CHECK(lease->Append(unchecked).ok());
  CHECK(Contents(lease->data_path()) == "abcdef");
}

TEST_CASE("An upload above the limit, or of unknown size, is refused before it begins") {
  const TempFolder folder;
  const auto store = Open(folder);
  CHECK(absl::IsInvalidArgument(store->Begin("default", Header(0)).status()));
  CHECK(absl::IsResourceExhausted(store->Begin("default", Header(1001)).status()));
  CHECK(test::NamesIn(folder / "uploads").empty());
}

TEST_CASE("One upload is held by one call, and by its own tenant") {
  const TempFolder folder;
  const auto store = Open(folder);
  auto lease = *store->Begin("default", Header(6, "r1"));
  const std::string name = lease->name();
  CHECK(absl::IsAborted(store->Resume("default", name).status()));
  CHECK(absl::IsAborted(store->Begin("default", Header(6, "r1")).status()));
  lease.reset();
  CHECK(absl::IsNotFound(store->Resume("other", name).status()));
  CHECK(absl::IsNotFound(store->Get("other", name).status()));
  CHECK(absl::IsNotFound(store->Get("other", "r1").status()));
  CHECK(store->Get("default", "r1")->name() == name);
  CHECK((*store->Resume("default", "r1"))->name() == name);
  CHECK(absl::IsNotFound(store->Get("default", "").status()));
}

TEST_CASE("Beginning again with the same request_id drops what was sent before") {
  const TempFolder folder;
  const auto store = Open(folder);
  std::string first;
  {
    const auto lease = *store->Begin("default", Header(6, "r1"));
    first = lease->name();
    REQUIRE(lease->Append(Piece(0, "abc")).ok());
  }
  const auto lease = *store->Begin("default", Header(6, "r1"));
  CHECK(lease->received() == 0);
  CHECK(absl::IsNotFound(store->Get("default", first).status()));
  CHECK(test::NamesIn(folder / "uploads").size() == 1);
}

TEST_CASE("A discarded upload is gone") {
  const TempFolder folder;
  const auto store = Open(folder);
  auto lease = *store->Begin("default", Header(6));
  const std::string name = lease->name();
  lease->Discard();
  lease.reset();
  CHECK(absl::IsNotFound(store->Get("default", name).status()));
  CHECK(test::NamesIn(folder / "uploads").empty());
}

TEST_CASE("A full disk in the middle of an upload leaves what had arrived before") {
  const TempFolder folder;
  const auto state = std::make_shared<test::FaultSwitch>();
  const auto store = Open(folder, test::FaultsOf(state));
  auto lease = *store->Begin("default", Header(6));
  const std::string name = lease->name();
  REQUIRE(lease->Append(Piece(0, "abc")).ok());
  state->error = ENOSPC;
  CHECK(absl::IsResourceExhausted(lease->Append(Piece(3, "def"))));
  state->error = 0;
  CHECK(lease->received() == 3);
  REQUIRE(lease->Append(Piece(3, "def")).ok());
  CHECK(Contents(lease->data_path()) == "abcdef");
}

TEST_CASE("No room to begin an upload leaves nothing") {
  const TempFolder folder;
  const auto state = std::make_shared<test::FaultSwitch>();
  const auto store = Open(folder, test::FaultsOf(state));
  state->error = ENOSPC;
  CHECK(absl::IsResourceExhausted(store->Begin("default", Header(6)).status()));
  CHECK(test::NamesIn(folder / "uploads").empty());
}

TEST_CASE("Bytes that were not known to be on disk are sent again after a crash") {
  const TempFolder folder;
  const auto store = Open(folder);
  const auto lease = *store->Begin("default", Header(6));
  REQUIRE(lease->Append(Piece(0, "abc")).ok());
  REQUIRE(lease->Sync().ok());
  REQUIRE(lease->Append(Piece(3, "de")).ok());
  // Another store on the same folder is what a process finds that starts after this one was killed here.
  const auto after = Open(folder);
  CHECK(after->Get("default", lease->name())->received_bytes() == 3);
}

TEST_CASE("Uploads expire after a day") {
  const TempFolder folder;
  auto now = std::make_shared<std::chrono::system_clock::time_point>(std::chrono::system_clock::now());
  UploadStoreOptions options;
  options.data_dir = folder.path();
  options.now = [now] { return *now; };
  const auto store = *UploadStore::Open(options);
  const std::string old = (*store->Begin("default", Header(6)))->name();
  *now += std::chrono::hours(23);
  const std::string young = (*store->Begin("default", Header(6)))->name();
  CHECK(store->Get("default", old).ok());
  *now += std::chrono::hours(2);
  CHECK(absl::IsNotFound(store->Resume("default", old).status()));
  CHECK(store->Get("default", young).ok());
}

TEST_CASE("A tenant may not pile up unfinished uploads") {
  const TempFolder folder;
  UploadStoreOptions options;
  options.data_dir = folder.path();
  options.max_uploads_per_tenant = 2;
  const auto store = *UploadStore::Open(options);
  REQUIRE(store->Begin("default", Header(6)).ok());
  REQUIRE(store->Begin("default", Header(6)).ok());
  CHECK(absl::IsResourceExhausted(store->Begin("default", Header(6)).status()));
  CHECK(store->Begin("other", Header(6)).ok());
}

}  // namespace
}  // namespace dvren::server
