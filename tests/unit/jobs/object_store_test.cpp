#include "server/jobs/object_store.h"

#include <catch2/catch.hpp>
#include <cerrno>
#include <filesystem>
#include <fstream>

#include "support/temp_folder.h"

namespace dvren::server {
namespace {

using absl::StatusCode;
using test::TempFolder;

// Of "abc": FIPS 180-2, appendix B.1.
constexpr char kAbc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

std::size_t FilesBelow(const std::string& folder) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) count += entry.is_regular_file();
  return count;
}

std::string Content(const ObjectStore& store, const std::string& sha256, std::size_t size) {
  const auto file = store.Read(sha256);
  REQUIRE(file.ok());
  std::string content(size, '\0');
  REQUIRE(file->ReadAt(content.data(), size, 0, "object").ok());
  return content;
}

TEST_CASE("An object is found under the hash of its content, and the same content is kept once") {
  const TempFolder folder;
  const auto store = ObjectStore::Open(folder / "objects");
  REQUIRE(store.ok());
  for (int i = 0; i < 2; ++i) {
    const auto stored = store->Put("abc");
    REQUIRE(stored.ok());
    CHECK(stored->sha256 == kAbc);
    CHECK(stored->bytes == 3);
  }
  CHECK(FilesBelow(folder.path()) == 2);  // and the lock
  CHECK(Content(*store, kAbc, 3) == "abc");
  CHECK(store->Verify(kAbc).ok());
  CHECK(store->Read(std::string(64, '0')).status().code() == StatusCode::kNotFound);
  CHECK(store->Read("../../etc/passwd").status().code() == StatusCode::kNotFound);
}

TEST_CASE("A file that was written elsewhere on the disk is taken over whole") {
  const TempFolder folder;
  const auto store = ObjectStore::Open(folder / "objects");
  REQUIRE(store.ok());
  const std::string scratch = store->ScratchPath(".png");
  std::string content(3'000'000, 'x');
  content.back() = 'y';
  std::ofstream(scratch) << content;
  const auto stored = store->Adopt(scratch);
  REQUIRE(stored.ok());
  CHECK(stored->bytes == content.size());
  CHECK_FALSE(std::filesystem::exists(scratch));
  CHECK(Content(*store, stored->sha256, content.size()) == content);
}

TEST_CASE("A full disk leaves nothing of an object behind") {
  const TempFolder folder;
  for (const std::string failing : {"create", "write", "sync", "rename", "sync_dir"}) {
    CAPTURE(failing);
    const auto store = ObjectStore::Open(
        folder / failing, [&](absl::string_view step, const std::string&) { return step == failing ? ENOSPC : 0; });
    REQUIRE(store.ok());
    CHECK(store->Put("abc").status().code() == StatusCode::kResourceExhausted);
    if (failing != "sync_dir") CHECK(FilesBelow(folder / failing) <= 1);  // the lock
  }
}

TEST_CASE("What was cut off while it was written is gone at the next start") {
  const TempFolder folder;
  auto store = ObjectStore::Open(folder / "objects");
  REQUIRE(store.ok());
  std::ofstream(store->ScratchPath(".png")) << "half";
  store = ObjectStore::Open(folder / "objects");
  CHECK(FilesBelow(folder.path()) == 0);
}

TEST_CASE("An object whose content has changed is reported") {
  const TempFolder folder;
  const auto store = ObjectStore::Open(folder / "objects");
  REQUIRE(store.ok());
  REQUIRE(store->Put("abc").ok());
  const std::string name(kAbc);
  std::ofstream(folder / ("objects/" + name.substr(0, 2) + "/" + name.substr(2))) << "abd";
  CHECK(store->Verify(kAbc).code() == StatusCode::kDataLoss);
}

TEST_CASE("Objects that nobody refers to are removed, but not the youngest") {
  const TempFolder folder;
  const auto store = ObjectStore::Open(folder / "objects");
  REQUIRE(store.ok());
  const auto kept = store->Put("kept"), gone = store->Put("gone");
  REQUIRE((kept.ok() && gone.ok()));
  CHECK(store->RemoveUnreferenced({kept->sha256}, 3600) == 0);
  CHECK(store->RemoveUnreferenced({kept->sha256}, -1) == 1);
  CHECK(store->Read(kept->sha256).ok());
  CHECK(store->Read(gone->sha256).status().code() == StatusCode::kNotFound);
}

TEST_CASE("Daemons that share a folder see each other's objects and leave each other's scratch files alone") {
  const TempFolder folder;
  const auto a = ObjectStore::Open(folder / "objects", nullptr, "a");
  REQUIRE(a.ok());
  const std::string half = a->ScratchPath(".png");
  std::ofstream(half) << "half";
  const auto b = ObjectStore::Open(folder / "objects", nullptr, "b");
  REQUIRE(b.ok());
  CHECK(std::filesystem::exists(half));
  REQUIRE(a->Put("abc").ok());
  CHECK(Content(*b, kAbc, 3) == "abc");
  CHECK(b->RemoveUnreferenced({kAbc}, 3600) == 0);
  CHECK(std::filesystem::exists(half));
  CHECK(b->RemoveUnreferenced({kAbc}, -1) == 0);
  CHECK_FALSE(std::filesystem::exists(half));  // of one that has long gone
}

TEST_CASE("An object that is asked for again is as young as a new one") {
  const TempFolder folder;
  const auto store = ObjectStore::Open(folder / "objects");
  REQUIRE(store.ok());
  CHECK_FALSE(store->Touch(kAbc)->has_value());
  CHECK_FALSE(store->Touch("../../etc/passwd").ok());
  REQUIRE(store->Put("abc").ok());
  const std::string name(kAbc), path = folder / ("objects/" + name.substr(0, 2) + "/" + name.substr(2));
  const auto day = std::chrono::hours(24);
  std::filesystem::last_write_time(path, std::filesystem::last_write_time(path) - day);
  const auto touched = store->Touch(kAbc);
  REQUIRE((touched.ok() && touched->has_value()));
  CHECK((*touched)->bytes == 3);
  CHECK(store->RemoveUnreferenced({}, 3600) == 0);
  std::filesystem::last_write_time(path, std::filesystem::last_write_time(path) - day);
  CHECK(store->RemoveUnreferenced({}, 3600) == 1);
}

}  // namespace
}  // namespace dvren::server
