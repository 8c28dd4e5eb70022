#include "server/jobs/run_queue.h"

#include <array>
#include <catch2/catch.hpp>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace dvren::server {
namespace {

using std::chrono::milliseconds;
constexpr auto kInteractive = WorkClass::kInteractive;
constexpr auto kNormal = WorkClass::kNormal;
constexpr auto kBatch = WorkClass::kBatch;

Clock::time_point At(int ms) {
  return Clock::time_point(milliseconds(ms));
}

TEST_CASE("An empty run queue gives nothing") {
  RunQueue queue(milliseconds(100));
  CHECK(queue.empty());
  CHECK_FALSE(queue.Pop(At(0)).has_value());
}

TEST_CASE("More urgent classes are served first whatever the order of arrival") {
  RunQueue queue(milliseconds(100));
  queue.Push(1, kBatch, "", At(0));
  queue.Push(2, kNormal, "", At(0));
  queue.Push(3, kInteractive, "", At(0));
  CHECK(queue.Pop(At(1)) == 3u);
  CHECK(queue.Pop(At(1)) == 2u);
  CHECK(queue.Pop(At(1)) == 1u);
  CHECK(queue.empty());
}

TEST_CASE("Within a class the first to come is the first to be served") {
  RunQueue queue(milliseconds(100));
  for (std::uint64_t id = 1; id <= 3; ++id) queue.Push(id, kNormal, "", At(0));
  CHECK(queue.Pop(At(0)) == 1u);
  queue.Push(1, kNormal, "", At(0));  // back after its slice: to the end
  CHECK(queue.Pop(At(0)) == 2u);
  CHECK(queue.Pop(At(0)) == 3u);
  CHECK(queue.Pop(At(0)) == 1u);
}

TEST_CASE("A class that has waited for the ageing time gets one slice, and no more") {
  RunQueue queue(milliseconds(100));
  queue.Push(1, kBatch, "", At(0));
  queue.Push(2, kBatch, "", At(0));
  for (std::uint64_t id = 10; id < 14; ++id) queue.Push(id, kInteractive, "", At(0));
  CHECK(queue.Pop(At(99)) == 10u);
  CHECK(queue.Pop(At(100)) == 1u);
  CHECK(queue.Pop(At(101)) == 11u);  // many aged works do not crowd out the urgent ones
  CHECK(queue.Pop(At(199)) == 12u);
  CHECK(queue.Pop(At(200)) == 2u);
}

TEST_CASE("Of two aged classes the one that has waited longer goes first") {
  RunQueue queue(milliseconds(100));
  queue.Push(1, kBatch, "", At(0));
  queue.Push(2, kNormal, "", At(50));
  queue.Push(3, kInteractive, "", At(190));
  CHECK(queue.Pop(At(200)) == 1u);
  CHECK(queue.Pop(At(200)) == 2u);
  CHECK(queue.Pop(At(200)) == 3u);
}

TEST_CASE("A work that was removed is not served") {
  RunQueue queue(milliseconds(100));
  queue.Push(1, kNormal, "", At(0));
  queue.Push(2, kNormal, "", At(0));
  CHECK(queue.Remove(1, kNormal, ""));
  CHECK_FALSE(queue.Remove(1, kNormal, ""));
  CHECK_FALSE(queue.Remove(2, kBatch, ""));
  CHECK(queue.size(kNormal) == 1);
  CHECK(queue.Pop(At(0)) == 2u);
}

TEST_CASE("Tenants with the same weight take turns whatever the number of their works") {
  RunQueue queue(milliseconds(100));
  for (std::uint64_t id = 1; id <= 3; ++id) queue.Push(id, kNormal, "many", At(0));
  queue.Push(10, kNormal, "one", At(0));
  CHECK(queue.Pop(At(0)) == 1u);
  queue.Charge(kNormal, "many", 1);
  queue.Push(1, kNormal, "many", At(0));
  CHECK(queue.Pop(At(0)) == 10u);
  queue.Charge(kNormal, "one", 1);
  queue.Push(10, kNormal, "one", At(0));
  CHECK(queue.Pop(At(0)) == 2u);
  queue.Charge(kNormal, "many", 1);
  CHECK(queue.Pop(At(0)) == 10u);
}

TEST_CASE("Who took longer slices gets fewer of them") {
  RunQueue queue(milliseconds(1'000'000));
  queue.Push(1, kNormal, "long", At(0));
  queue.Push(2, kNormal, "short", At(0));
  std::array<int, 3> slices{};
  for (int i = 0; i < 1100; ++i) {
    const std::uint64_t id = *queue.Pop(At(0));
    ++slices[id];
    queue.Charge(kNormal, id == 1 ? "long" : "short", id == 1 ? 1.0 : 0.1);
    queue.Push(id, kNormal, id == 1 ? "long" : "short", At(0));
  }
  CHECK(std::abs(slices[1] - 100) <= 1);
  CHECK(std::abs(slices[2] - 1000) <= 10);
}

TEST_CASE("A tenant that comes back from idleness has saved up nothing") {
  RunQueue queue(milliseconds(1'000'000));
  queue.Push(1, kNormal, "steady", At(0));
  for (int i = 0; i < 50; ++i) {
    CHECK(queue.Pop(At(0)) == 1u);
    queue.Charge(kNormal, "steady", 1);
    queue.Push(1, kNormal, "steady", At(0));
  }
  queue.Push(2, kNormal, "late", At(0));
  int late = 0;
  for (int i = 0; i < 20; ++i) {
    const std::uint64_t id = *queue.Pop(At(0));
    late += id == 2;
    queue.Charge(kNormal, id == 1 ? "steady" : "late", 1);
    queue.Push(id, kNormal, id == 1 ? "steady" : "late", At(0));
  }
  CHECK(std::abs(late - 10) <= 1);
}

TEST_CASE("The queue forgets tenants that are long gone, and nobody's work with them") {
  RunQueue queue(milliseconds(1'000'000));
  for (std::uint64_t id = 0; id < 10'000; ++id) {
    const std::string tenant = absl::StrCat("tenant-", id);
    queue.Push(id, kBatch, tenant, At(0));
    CHECK(queue.Pop(At(0)) == id);
    queue.Charge(kBatch, tenant, 0.5);
  }
  CHECK(queue.empty());
}

}  // namespace
}  // namespace dvren::server
