#include <catch2/catch.hpp>
#include <fstream>
#include <limits>

#include "dvren/core/device.h"
#include "server/registries/digest.h"
#include "server/registries/field_registry.h"
#include "support/temp_folder.h"
#include "unit/server/store_fixture.h"

namespace dvren::server {
namespace {

using dvren::test::TempFolder;

std::unique_ptr<FieldRegistry> Open(const TempFolder& folder, const FieldRegistryOptions& options = {},
                                    const FileFaults& faults = nullptr) {
  auto registry = std::make_unique<FieldRegistry>(*FieldStore::Open(folder.path(), faults), options);
  REQUIRE(registry->Load().ok());
  return registry;
}

FieldCreation Creation(const std::string& display_name, const std::string& request_id = "") {
  FieldCreation creation;
  creation.description.set_display_name(display_name);
  creation.description.set_owner("default");
  creation.description.set_source("test");
  creation.request_id = request_id;
  return creation;
}

std::shared_ptr<Device> Cpu() {
  static const std::shared_ptr<Device> device = *Device::Create({.id = "cpu", .threads = 1});
  return device;
}

TEST_CASE("A field that was added is described, found by both names and the same after a restart") {
  const TempFolder folder;
  const io::DenseVolume volume = test::SmallVolume();
  v1::Field added;
  {
    const auto registry = Open(folder);
    const auto result = registry->Add(Creation("smoke"), volume);
    REQUIRE(result.ok());
    added = *result;
  }
  CHECK(added.version() == 1);
  CHECK(added.type() == "dense_grid");
  CHECK(added.channels() == 1);
  CHECK(added.payload_bytes() == volume.values.size());
  CHECK(added.sha256() == Sha256Of(volume.values.data(), volume.values.size()));
  CHECK(added.min_voxel_world() == Approx(0.25));
  CHECK(added.world_box().max().z() == Approx(1));
  CHECK(added.create_time().seconds() > 0);

  const auto registry = Open(folder);
  const auto by_name = registry->Get("default", added.name());
  const auto by_display_name = registry->Get("default", "smoke");
  REQUIRE(by_name.ok());
  REQUIRE(by_display_name.ok());
  CHECK(by_name->SerializeAsString() == added.SerializeAsString());
  CHECK(by_display_name->SerializeAsString() == added.SerializeAsString());
}

TEST_CASE("Another tenant's field is not found, and its name is free") {
  const TempFolder folder;
  const auto registry = Open(folder);
  const v1::Field field = *registry->Add(Creation("smoke"), test::SmallVolume());
  CHECK(absl::IsNotFound(registry->Get("other", field.name()).status()));
  CHECK(absl::IsNotFound(registry->Get("other", "smoke").status()));
  CHECK(absl::IsNotFound(registry->Delete("other", field.name(), 0)));
  CHECK(registry->List("other").empty());
  FieldCreation creation = Creation("smoke");
  creation.description.set_owner("other");
  CHECK(registry->Add(std::move(creation), test::SmallVolume()).ok());
}

TEST_CASE("A taken display name is ALREADY_EXISTS, and free again after a delete") {
  const TempFolder folder;
  const auto registry = Open(folder);
  REQUIRE(registry->Add(Creation("smoke"), test::SmallVolume()).ok());
  CHECK(absl::IsAlreadyExists(registry->Add(Creation("smoke"), test::SmallVolume()).status()));
  CHECK(absl::IsAlreadyExists(registry->CheckDisplayName("default", "smoke")));
  CHECK(absl::IsAborted(registry->Delete("default", "smoke", 2)));
  REQUIRE(registry->Delete("default", "smoke", 1).ok());
  CHECK(absl::IsNotFound(registry->Delete("default", "smoke", 0)));
  CHECK(registry->Add(Creation("smoke"), test::SmallVolume()).ok());
  CHECK(registry->on_disk() == 1);
}

TEST_CASE("A repeated request_id gives the same field, also after a restart") {
  const TempFolder folder;
  v1::Field field;
  {
    const auto registry = Open(folder);
    field = *registry->Add(Creation("smoke", "r1"), test::SmallVolume());
    CHECK(registry->Add(Creation("smoke", "r1"), test::SmallVolume())->name() == field.name());
  }
  const auto registry = Open(folder);
  CHECK(registry->Add(Creation("smoke", "r1"), test::SmallVolume())->name() == field.name());
  CHECK(registry->FindCreated("default", "r1")->name() == field.name());
  CHECK(absl::IsNotFound(registry->FindCreated("other", "r1").status()));
  CHECK(registry->on_disk() == 1);
}

TEST_CASE("A volume that cannot be rendered is refused before it is kept") {
  const TempFolder folder;
  const auto registry = Open(folder);
  io::DenseVolume volume = test::SmallVolume();
  reinterpret_cast<float*>(volume.values.data())[5] = -1;
  CHECK(absl::IsInvalidArgument(registry->Add(Creation("negative"), volume).status()));
  reinterpret_cast<float*>(volume.values.data())[5] = std::numeric_limits<float>::quiet_NaN();
  CHECK(absl::IsInvalidArgument(registry->Add(Creation("nan"), volume).status()));
  CHECK(registry->on_disk() == 0);
  CHECK(test::NamesIn(folder / "fields").empty());
}

TEST_CASE("A full disk fails one creation, and its name is free afterwards") {
  const TempFolder folder;
  const auto state = std::make_shared<test::FaultSwitch>();
  const auto registry = Open(folder, {}, test::FaultsOf(state));
  state->error = ENOSPC;
  CHECK(absl::IsResourceExhausted(registry->Add(Creation("smoke", "r1"), test::SmallVolume()).status()));
  CHECK(registry->on_disk() == 0);
  state->error = 0;
  CHECK(registry->Add(Creation("smoke", "r1"), test::SmallVolume()).ok());
}

TEST_CASE("A delete that fails keeps the field") {
  const TempFolder folder;
  const auto state = std::make_shared<test::FaultSwitch>();
  const auto registry = Open(folder, {}, test::FaultsOf(state));
  REQUIRE(registry->Add(Creation("smoke", "r1"), test::SmallVolume()).ok());
  state->error = EIO;
  CHECK_FALSE(registry->Delete("default", "smoke", 0).ok());
  CHECK(registry->Get("default", "smoke").ok());
  CHECK(registry->FindCreated("default", "r1").ok());
  state->error = 0;
  CHECK(registry->Delete("default", "smoke", 0).ok());
}

TEST_CASE("A leased field is loaded once and outlives its deletion") {
  const TempFolder folder;
  const auto registry = Open(folder);
  const v1::Field field = *registry->Add(Creation("smoke"), test::SmallVolume());
  Stream stream = *Cpu()->CreateStream();
  const auto first = registry->Acquire(stream, "default", "smoke", 1);
  REQUIRE(first.ok());
  CHECK(registry->Acquire(stream, "default", field.name(), 0)->field == first->field);
  CHECK(registry->on_devices() == 1);
  CHECK(absl::IsAborted(registry->Acquire(stream, "default", "smoke", 2).status()));
  REQUIRE(registry->Delete("default", "smoke", 0).ok());
  CHECK(registry->on_devices() == 0);
  CHECK(first->field->info().channels == 1);
  CHECK(absl::IsNotFound(registry->Acquire(stream, "default", "smoke", 0).status()));
}

FieldUpdate UpdateOf(const std::string& name, std::uint64_t expected_version = 0, const std::string& request_id = "") {
  return {"default", name, expected_version, request_id, nullptr};
}

io::Blob OtherValues() {
  io::DenseVolume volume = test::SmallVolume();
  reinterpret_cast<float*>(volume.values.data())[0] = 42;
  return volume.values;
}

TEST_CASE("An update makes a new version that is leased from then on, while old leases keep their values") {
  const TempFolder folder;
  v1::Field updated;
  {
    const auto registry = Open(folder);
    const v1::Field field = *registry->Add(Creation("smoke"), test::SmallVolume());
    Stream stream = *Cpu()->CreateStream();
    const auto old = registry->Acquire(stream, "default", "smoke", 0);
    updated = *registry->Update(UpdateOf("smoke", 1), OtherValues());
    CHECK(updated.version() == 2);
    CHECK(updated.sha256() == Sha256Of(OtherValues().data(), OtherValues().size()));
    CHECK(registry->on_devices() == 0);
    const auto now = registry->Acquire(stream, "default", "smoke", 2);
    REQUIRE(now.ok());
    CHECK(now->field != old->field);
    CHECK(now->description.version() == 2);
    CHECK(absl::IsAborted(registry->Acquire(stream, "default", "smoke", 1).status()));
  }
  const auto registry = Open(folder);
  CHECK(registry->Get("default", "smoke")->SerializeAsString() == updated.SerializeAsString());
}

TEST_CASE("The second of two updates of one version is told, and so is who names another tenant's field") {
  const TempFolder folder;
  const auto registry = Open(folder);
  REQUIRE(registry->Add(Creation("smoke"), test::SmallVolume()).ok());
  REQUIRE(registry->Update(UpdateOf("smoke", 1), OtherValues()).ok());
  CHECK(absl::IsAborted(registry->Update(UpdateOf("smoke", 1), OtherValues()).status()));
  CHECK(absl::IsAborted(registry->CheckUpdate(UpdateOf("smoke", 1)).status()));
  CHECK(registry->CheckUpdate(UpdateOf("smoke", 2)).ok());
  FieldUpdate foreign = UpdateOf("smoke");
  foreign.tenant = "other";
  CHECK(absl::IsNotFound(registry->Update(foreign, OtherValues()).status()));
}

TEST_CASE("A repeated update is carried out once, also after a restart") {
  const TempFolder folder;
  {
    const auto registry = Open(folder);
    REQUIRE(registry->Add(Creation("smoke"), test::SmallVolume()).ok());
    REQUIRE(registry->Update(UpdateOf("smoke", 1, "u1"), OtherValues()).ok());
    CHECK(registry->Update(UpdateOf("smoke", 1, "u1"), OtherValues())->version() == 2);
  }
  const auto registry = Open(folder);
  CHECK(registry->CheckUpdate(UpdateOf("smoke", 1, "u1")).value()->version() == 2);
  REQUIRE(registry->Update(UpdateOf("smoke", 0, "u2"), OtherValues()).ok());
  CHECK(registry->Update(UpdateOf("smoke", 0, "u1"), OtherValues())->version() == 3);
  REQUIRE(registry->Delete("default", "smoke", 0).ok());
  REQUIRE(registry->Add(Creation("smoke"), test::SmallVolume()).ok());
  CHECK(registry->Update(UpdateOf("smoke", 1, "u1"), OtherValues())->version() == 2);  // another field's
}

TEST_CASE("An update that fails leaves the field as it was, and free for the next") {
  const TempFolder folder;
  const auto state = std::make_shared<test::FaultSwitch>();
  const auto registry = Open(folder, {}, test::FaultsOf(state));
  REQUIRE(registry->Add(Creation("smoke"), test::SmallVolume()).ok());
  state->error = ENOSPC;
  CHECK(absl::IsResourceExhausted(registry->Update(UpdateOf("smoke"), OtherValues()).status()));
  state->error = 0;
  CHECK(absl::IsInvalidArgument(registry->Update(UpdateOf("smoke"), io::Blob(4)).status()));
  FieldUpdate given_up = UpdateOf("smoke");
  given_up.cancelled = [] { return true; };
  CHECK(absl::IsCancelled(registry->Update(given_up, OtherValues()).status()));
  CHECK(registry->Get("default", "smoke")->version() == 1);
  Stream stream = *Cpu()->CreateStream();
  CHECK(registry->Acquire(stream, "default", "smoke", 1).ok());
  CHECK(registry->Update(UpdateOf("smoke"), OtherValues())->version() == 2);
}

TEST_CASE("A payload damaged on disk is never served") {
  const TempFolder folder;
  const auto registry = Open(folder);
  const v1::Field field = *registry->Add(Creation("smoke"), test::SmallVolume());
  std::fstream(folder / (field.name() + "/payload.bin"), std::ios::in | std::ios::out | std::ios::binary).put('x');
  Stream stream = *Cpu()->CreateStream();
  const auto lease = registry->Acquire(stream, "default", "smoke", 0);
  CHECK(absl::IsDataLoss(lease.status()));
  CHECK(std::string(lease.status().message()).find("smoke") != std::string::npos);
}

TEST_CASE("Fields that nobody renders make room for others on a full device") {
  const TempFolder folder;
  FieldRegistryOptions options;
  options.device_memory_bytes = 5 * 24 * sizeof(float) / 2;  // two volumes and a half
  const auto registry = Open(folder, options);
  Stream stream = *Cpu()->CreateStream();
  for (const char* name : {"a", "b", "c"}) REQUIRE(registry->Add(Creation(name), test::SmallVolume()).ok());
  const auto device_bytes = registry->Acquire(stream, "default", "a", 0)->field->info().device_bytes;
  if (device_bytes > 5 * 24 * sizeof(float) / 4) return;  // a device that rounds up: the budget means less here
  const auto a = registry->Acquire(stream, "default", "a", 0);
  REQUIRE(registry->Acquire(stream, "default", "b", 0).ok());
  REQUIRE(registry->Acquire(stream, "default", "c", 0).ok());  // b goes, a is held
  CHECK(registry->on_devices() == 2);
  CHECK(registry->Acquire(stream, "default", "a", 0)->field == a->field);
}

}  // namespace
}  // namespace dvren::server
