#include "server/registries/gradient_registry.h"

#include <catch2/catch.hpp>

#include "unit/jobs/scheduler_fixture.h"
#include "unit/server/store_fixture.h"

namespace dvren::server {
namespace {

constexpr std::uint64_t kRoom = std::uint64_t{1} << 30;

struct Place {
  std::shared_ptr<Device> device = OneCpu().front();
  Stream stream = *device->CreateStream();
  std::shared_ptr<const Field> field = *CreateField(stream, io::Volume(test::SmallVolume()));
};

TEST_CASE("A field's gradient is made once, and is another one after an update") {
  Place place;
  GradientRegistry registry(kRoom);
  const FieldKey key{"fields/1", 1, "alice"};
  CHECK(absl::IsFailedPrecondition(registry.Find(key).status()));
  CHECK_FALSE(registry.DeviceOf(key).has_value());
  const auto gradient = registry.Open(place.stream, key, place.field);
  REQUIRE(gradient.ok());
  CHECK(*registry.Open(place.stream, key, place.field) == *gradient);
  CHECK(*registry.Find(key) == *gradient);
  CHECK(*registry.DeviceOf(key) == "cpu");
  const FieldKey updated{"fields/1", 2, "alice"};
  CHECK(absl::IsFailedPrecondition(registry.Find(updated).status()));
  CHECK(*registry.Open(place.stream, updated, place.field) != *gradient);
  CHECK_FALSE(registry.IsCurrent(**gradient));
  // Who comes late with the old version does not push out the new one.
  CHECK(registry.Open(place.stream, key, place.field).ok());
  CHECK(registry.Find(updated).ok());
  registry.Drop("fields/1");
  CHECK(absl::IsFailedPrecondition(registry.Find(updated).status()));
}

TEST_CASE("A spoilt gradient is refused until it is zeroed") {
  Place place;
  GradientRegistry registry(kRoom);
  const FieldKey key{"fields/1", 1, "alice"};
  const std::shared_ptr<FieldGradient> gradient = *registry.Open(place.stream, key, place.field);
  gradient->Spoil(absl::CancelledError("the caller went away"));
  gradient->Spoil(absl::InternalError("later"));
  const auto found = registry.Find(key);
  CHECK(absl::IsFailedPrecondition(found.status()));
  CHECK(std::string(found.status().message()).find("(the caller went away); ZeroGradients") != std::string::npos);
  CHECK(absl::IsFailedPrecondition(registry.Open(place.stream, key, place.field).status()));
  REQUIRE(registry.Zero(place.stream, key, place.field, -20).ok());
  CHECK_FALSE(registry.IsCurrent(*gradient));
  CHECK((*registry.Find(key))->tensor()->exponent() == -20);
}

TEST_CASE("Gradients take their bytes of a budget and give them back") {
  Place place;
  GradientRegistry registry(kRoom);
  {
    const auto gradient = registry.Open(place.stream, {"fields/1", 1, "alice"}, place.field);
    REQUIRE(gradient.ok());
    CHECK((*gradient)->Recount().ok());
    CHECK(registry.budget().used() == (*gradient)->tensor()->device_bytes());
  }
  registry.Drop("fields/1");
  CHECK(registry.budget().used() == 0);
}

}  // namespace
}  // namespace dvren::server
