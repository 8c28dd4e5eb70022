#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "server/registries/digest.h"
#include "server/registries/field_store.h"
#include "support/temp_folder.h"
#include "unit/server/store_fixture.h"

namespace dvren::server {
namespace {

using dvren::test::TempFolder;

StoredField Stored(const std::string& id, const std::string& payload) {
  StoredField field;
  v1::Field& description = field.description;
  description.set_name("fields/" + id);
  description.set_display_name("name of " + id);
  description.set_owner("default");
  description.set_version(1);
  description.set_sha256(Sha256Of(payload.data(), payload.size()));
  description.set_payload_bytes(payload.size());
  v1::DenseGridSpec* spec = description.mutable_dense_grid();
  for (const int extent : {1, 1, static_cast<int>(payload.size() / 4), 1}) spec->add_shape(extent);
  spec->set_dtype(v1::DTYPE_F32);
  field.request_id = "request of " + id;
  return field;
}

absl::Status Put(FieldStore& store, const StoredField& field, const std::string& payload) {
  return store.Put(field, payload.data(), payload.size(), [] { return absl::OkStatus(); });
}

std::string PayloadFile(const TempFolder& folder, const std::string& id) {
  return folder / ("fields/" + id + "/payload.bin");
}

TEST_CASE("A field that was put is there again after the store is opened anew") {
  const TempFolder folder;
  const std::string payload(4096, 'p');
  const StoredField field = Stored("a1", payload);
  REQUIRE(Put(**FieldStore::Open(folder.path()), field, payload).ok());

  const auto store = *FieldStore::Open(folder.path());
  std::vector<DamagedField> damaged;
  const auto fields = store->LoadAll(damaged);
  REQUIRE(fields.ok());
  REQUIRE(fields->size() == 1);
  CHECK(damaged.empty());
  CHECK(fields->front().description.SerializeAsString() == field.description.SerializeAsString());
  CHECK(fields->front().request_id == field.request_id);
  CHECK(test::Bytes(*store->ReadPayload(field.description)) == payload);
}

TEST_CASE("The description on disk is JSON that a person can read") {
  const TempFolder folder;
  const std::string payload(8, 'p');
  REQUIRE(Put(**FieldStore::Open(folder.path()), Stored("a1", payload), payload).ok());
  std::ifstream file(folder / "fields/a1/field.json");
  const std::string json((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  CHECK(json.find("\"display_name\": \"name of a1\"") != std::string::npos);
}

TEST_CASE("Opening a store removes what an earlier run left half-made") {
  const TempFolder folder;
  std::filesystem::create_directories(folder / "tmp/half/made");
  const auto store = FieldStore::Open(folder.path());
  REQUIRE(store.ok());
  CHECK(test::NamesIn(folder / "tmp").empty());
}

TEST_CASE("A full disk at any step of a put leaves nothing and says so") {
  const std::string payload(100, 'p');
  int steps = 0;
  {
    const TempFolder folder;
    const auto state = std::make_shared<test::FaultSwitch>();
    const auto store = *FieldStore::Open(folder.path(), test::FaultsOf(state));
    state->steps = 0;
    REQUIRE(Put(*store, Stored("a1", payload), payload).ok());
    steps = state->steps;
  }
  REQUIRE(steps >= 8);
  for (int step = 0; step < steps; ++step) {
    INFO("step " << step);
    const TempFolder folder;
    const auto state = std::make_shared<test::FaultSwitch>();
    const auto store = *FieldStore::Open(folder.path(), test::FaultsOf(state));
    state->error = ENOSPC;
    state->passes = step;
    const absl::Status status = Put(*store, Stored("a1", payload), payload);
    CHECK(absl::IsResourceExhausted(status));
    CHECK(test::NamesIn(folder / "fields").empty());
    CHECK(test::NamesIn(folder / "tmp").empty());
    state->error = 0;  // room again
    CHECK(Put(*store, Stored("a1", payload), payload).ok());
  }
}

// The field after an update.
StoredField Next(const StoredField& old, const std::string& payload) {
  StoredField next = old;
  next.description.set_version(old.description.version() + 1);
  next.description.set_sha256(Sha256Of(payload.data(), payload.size()));
  next.update_ids = {"u1", "u2"};
  return next;
}

absl::Status Replace(FieldStore& store, const StoredField& old, const StoredField& next, const std::string& payload) {
  return store.Replace(old.description, next, payload.data(), payload.size(), [] { return absl::OkStatus(); });
}

TEST_CASE("A field that was replaced is the new one after the store is opened anew, and nothing is left of the old") {
  const TempFolder folder;
  const std::string before(4096, 'p'), after(4096, 'q'), third(4096, 'r');
  const StoredField field = Stored("a1", before), next = Next(field, after);
  {
    const auto store = *FieldStore::Open(folder.path());
    REQUIRE(Put(*store, field, before).ok());
    REQUIRE(Replace(*store, field, next, after).ok());
    CHECK(test::Bytes(*store->ReadPayload(field.description)) == before);  // for those who still look for it
    store->Tidy(next.description);
    CHECK(test::NamesIn(folder / "fields/a1") ==
          std::set<std::string>{"field.json", "payload-2.bin", "request_id", "updates-2"});
  }
  const auto store = *FieldStore::Open(folder.path());
  std::vector<DamagedField> damaged;
  const auto fields = store->LoadAll(damaged);
  REQUIRE(fields->size() == 1);
  CHECK(fields->front().description.SerializeAsString() == next.description.SerializeAsString());
  CHECK(fields->front().request_id == field.request_id);
  CHECK(fields->front().update_ids == next.update_ids);
  CHECK(test::Bytes(*store->ReadPayload(next.description)) == after);
  REQUIRE(Replace(*store, next, Next(next, third), third).ok());
  CHECK(test::Bytes(*store->ReadPayload(Next(next, third).description)) == third);
}

TEST_CASE("A full disk at any step of a replacement leaves the field as it was") {
  const std::string before(100, 'p'), after(100, 'q');
  const StoredField field = Stored("a1", before), next = Next(field, after);
  int steps = 0;
  {
    const TempFolder folder;
    const auto state = std::make_shared<test::FaultSwitch>();
    const auto store = *FieldStore::Open(folder.path(), test::FaultsOf(state));
    REQUIRE(Put(*store, field, before).ok());
    state->steps = 0;
    REQUIRE(Replace(*store, field, next, after).ok());
    steps = state->steps;
  }
  REQUIRE(steps >= 8);
  for (int step = 0; step < steps; ++step) {
    INFO("step " << step);
    const TempFolder folder;
    const auto state = std::make_shared<test::FaultSwitch>();
    const auto store = *FieldStore::Open(folder.path(), test::FaultsOf(state));
    REQUIRE(Put(*store, field, before).ok());
    state->error = ENOSPC;
    state->passes = step;
    CHECK(absl::IsResourceExhausted(Replace(*store, field, next, after)));
    state->error = 0;
    CHECK(test::NamesIn(folder / "fields/a1") == std::set<std::string>{"field.json", "payload.bin", "request_id"});
    std::vector<DamagedField> damaged;
    const auto fields = store->LoadAll(damaged);
    REQUIRE(fields->size() == 1);
    CHECK(damaged.empty());
    CHECK(fields->front().description.SerializeAsString() == field.description.SerializeAsString());
    CHECK(test::Bytes(*store->ReadPayload(field.description)) == before);
    CHECK(Replace(*store, field, next, after).ok());  // room again
  }
}

TEST_CASE("What a crash left of a replacement is removed at the next start") {
  const TempFolder folder;
  const std::string payload(100, 'p');
  const StoredField field = Stored("a1", payload);
  REQUIRE(Put(**FieldStore::Open(folder.path()), field, payload).ok());
  for (const char* name : {"payload-2.bin", "updates-2", "field.json.new"}) {
    std::ofstream(folder / ("fields/a1/" + std::string(name))) << "half";
  }
  const auto store = *FieldStore::Open(folder.path());
  std::vector<DamagedField> damaged;
  CHECK(store->LoadAll(damaged)->size() == 1);
  CHECK(test::NamesIn(folder / "fields/a1") == std::set<std::string>{"field.json", "payload.bin", "request_id"});
}

TEST_CASE("A put whose caller has gone leaves nothing") {
  const TempFolder folder;
  const std::string payload(100, 'p');
  const auto store = *FieldStore::Open(folder.path());
  const absl::Status status =
      store->Put(Stored("a1", payload), payload.data(), payload.size(), [] { return absl::CancelledError("gone"); });
  CHECK(absl::IsCancelled(status));
  CHECK(test::NamesIn(folder / "fields").empty());
  CHECK(test::NamesIn(folder / "tmp").empty());
}

TEST_CASE("Damaged fields are named, left untouched, and the others are loaded") {
  const TempFolder folder;
  const std::string payload(8, 'p');
  {
    const auto store = *FieldStore::Open(folder.path());
    for (const char* id : {"good", "short", "nojson", "badjson", "othername", "nopayload"}) {
      REQUIRE(Put(*store, Stored(id, payload), payload).ok());
    }
  }
  std::filesystem::resize_file(PayloadFile(folder, "short"), 7);
  std::filesystem::remove(folder / "fields/nojson/field.json");
  std::ofstream(folder / "fields/badjson/field.json") << "{";
  std::filesystem::copy_file(folder / "fields/good/field.json", folder / "fields/othername/field.json",
                             std::filesystem::copy_options::overwrite_existing);
  std::filesystem::remove(PayloadFile(folder, "nopayload"));
  std::ofstream(folder / "fields/stray") << "a file where folders are expected";

  const auto store = *FieldStore::Open(folder.path());
  std::vector<DamagedField> damaged;
  const auto fields = store->LoadAll(damaged);
  REQUIRE(fields.ok());
  REQUIRE(fields->size() == 1);
  CHECK(fields->front().description.name() == "fields/good");
  CHECK(damaged.size() == 6);
  for (const DamagedField& field : damaged) CHECK_FALSE(field.reason.empty());
  CHECK(test::NamesIn(folder / "fields").size() == 7);
}

TEST_CASE("A flipped bit in a payload is DATA_LOSS that names the field") {
  const TempFolder folder;
  const std::string payload(8, 'p');
  const auto store = *FieldStore::Open(folder.path());
  const StoredField field = Stored("a1", payload);
  REQUIRE(Put(*store, field, payload).ok());
  {
    std::fstream file(PayloadFile(folder, "a1"), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(3);
    file.put('q');
  }
  const auto read = store->ReadPayload(field.description);
  CHECK(absl::IsDataLoss(read.status()));
  CHECK(std::string(read.status().message()).find("fields/a1") != std::string::npos);
}

TEST_CASE("An open payload stays readable when its field is removed") {
  const TempFolder folder;
  const std::string payload(8, 'p');
  const auto store = *FieldStore::Open(folder.path());
  const StoredField field = Stored("a1", payload);
  REQUIRE(Put(*store, field, payload).ok());
  const FileHandle file = *store->OpenPayload(field.description);
  REQUIRE(store->Remove(field.description).ok());
  CHECK(test::NamesIn(folder / "fields").empty());
  std::string read(8, '\0');
  REQUIRE(file.ReadAt(read.data(), read.size(), 0, "payload").ok());
  CHECK(read == payload);
}

TEST_CASE("Only names of the form fields/{id} have an id") {
  CHECK(FieldIdOf("fields/0a1b") == "0a1b");
  for (const char* name : {"", "fields/", "fields/..", "fields/a/b", "smoke", "uploads/a", "fields/A"})
    CHECK(FieldIdOf(name).empty());
}

}  // namespace
}  // namespace dvren::server
