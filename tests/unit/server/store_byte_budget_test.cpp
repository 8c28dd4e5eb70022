#include "server/registries/byte_budget.h"

#include <catch2/catch.hpp>
#include <optional>

namespace dvren::server {
namespace {

ByteBudgetOptions Small() {
  ByteBudgetOptions options;
  options.key = "limit.all";
  options.bytes = 100;
  options.tenant_key = "limit.tenant";
  options.tenant_bytes = 60;
  options.remedy = "wait";
  return options;
}

TEST_CASE("A charge takes bytes until it goes") {
  ByteBudget budget(Small());
  {
    const auto charge = budget.Charge("a", 60, "thing");
    REQUIRE(charge.ok());
    CHECK(budget.used() == 60);
  }
  CHECK(budget.used() == 0);
}

TEST_CASE("What does not fit is refused with its size, the limit and what is in use") {
  ByteBudget budget(Small());
  const auto a = budget.Charge("a", 50, "thing");
  const auto too_much_of_one = budget.Charge("a", 11, "thing");
  CHECK(absl::IsResourceExhausted(too_much_of_one.status()));
  CHECK(too_much_of_one.status().message() == "thing = 11 bytes: limit.tenant = 60 and 50 are in use; wait");
  const auto too_much_of_all = budget.Charge("b", 51, "thing");
  CHECK(absl::IsResourceExhausted(too_much_of_all.status()));
  CHECK(too_much_of_all.status().message() == "thing = 51 bytes: limit.all = 100 and 50 are in use; wait");
  CHECK(budget.Charge("b", 50, "thing").ok());
  CHECK(absl::IsResourceExhausted(budget.Charge("c", ~std::uint64_t{0}, "thing").status()));
  CHECK(budget.used() == 50);
}

TEST_CASE("A charge grows within the budget, and is what it was where it cannot") {
  ByteBudget budget(Small());
  auto charge = budget.Charge("a", 10, "thing");
  REQUIRE(charge.ok());
  CHECK(charge->Resize(60).ok());
  CHECK(absl::IsResourceExhausted(charge->Resize(61)));
  CHECK(charge->bytes() == 60);
  CHECK(charge->Resize(5).ok());
  CHECK(budget.used() == 5);
}

TEST_CASE("A charge moves, and may outlive its budget") {
  std::optional<ByteBudget> budget(Small());
  auto charge = budget->Charge("a", 10, "thing");
  ByteCharge other = *std::move(charge);
  CHECK(budget->used() == 10);
  other = ByteCharge();
  CHECK(budget->used() == 0);
  other = *budget->Charge("a", 20, "thing");
  budget.reset();
  CHECK(other.bytes() == 20);
}

}  // namespace
}  // namespace dvren::server
