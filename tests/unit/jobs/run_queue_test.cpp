#include "server/jobs/run_queue.h"

#include <catch2/catch.hpp>

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
  queue.Push(1, kBatch, At(0));
  queue.Push(2, kNormal, At(0));
  queue.Push(3, kInteractive, At(0));
  CHECK(queue.Pop(At(1)) == 3u);
  CHECK(queue.Pop(At(1)) == 2u);
  CHECK(queue.Pop(At(1)) == 1u);
  CHECK(queue.empty());
}

TEST_CASE("Within a class the first to come is the first to be served") {
  RunQueue queue(milliseconds(100));
  for (std::uint64_t id = 1; id <= 3; ++id) queue.Push(id, kNormal, At(0));
  CHECK(queue.Pop(At(0)) == 1u);
  queue.Push(1, kNormal, At(0));  // back after its slice: to the end
  CHECK(queue.Pop(At(0)) == 2u);
  CHECK(queue.Pop(At(0)) == 3u);
  CHECK(queue.Pop(At(0)) == 1u);
}

TEST_CASE("A class that has waited for the ageing time gets one slice, and no more") {
  RunQueue queue(milliseconds(100));
  queue.Push(1, kBatch, At(0));
  queue.Push(2, kBatch, At(0));
  for (std::uint64_t id = 10; id < 14; ++id) queue.Push(id, kInteractive, At(0));
  CHECK(queue.Pop(At(99)) == 10u);
  CHECK(queue.Pop(At(100)) == 1u);
  CHECK(queue.Pop(At(101)) == 11u);  // many aged works do not crowd out the urgent ones
  CHECK(queue.Pop(At(199)) == 12u);
  CHECK(queue.Pop(At(200)) == 2u);
}

TEST_CASE("Of two aged classes the one that has waited longer goes first") {
  RunQueue queue(milliseconds(100));
  queue.Push(1, kBatch, At(0));
  queue.Push(2, kNormal, At(50));
  queue.Push(3, kInteractive, At(190));
  CHECK(queue.Pop(At(200)) == 1u);
  CHECK(queue.Pop(At(200)) == 2u);
  CHECK(queue.Pop(At(200)) == 3u);
}

TEST_CASE("A work that was removed is not served") {
  RunQueue queue(milliseconds(100));
  queue.Push(1, kNormal, At(0));
  queue.Push(2, kNormal, At(0));
  CHECK(queue.Remove(1, kNormal));
  CHECK_FALSE(queue.Remove(1, kNormal));
  CHECK_FALSE(queue.Remove(2, kBatch));
  CHECK(queue.size(kNormal) == 1);
  CHECK(queue.Pop(At(0)) == 2u);
}

}  // namespace
}  // namespace dvren::server
