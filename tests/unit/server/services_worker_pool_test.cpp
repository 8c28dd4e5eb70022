#include <atomic>
#include <catch2/catch.hpp>
#include <future>

#include "server/services/worker_pool.h"

namespace dvren::server {
namespace {

TEST_CASE("A worker pool runs what it accepted before it goes") {
  std::atomic<int> ran = 0;
  {
    WorkerPool pool(2, 100);
    for (int i = 0; i < 100; ++i) REQUIRE(pool.Post([&] { ++ran; }));
  }
  CHECK(ran == 100);
}

TEST_CASE("A worker pool refuses tasks beyond its bound") {
  std::promise<void> gate, started;
  const std::shared_future<void> open = gate.get_future().share();
  WorkerPool pool(1, 1);
  REQUIRE(pool.Post([&] {
    started.set_value();
    open.wait();
  }));
  started.get_future().wait();
  CHECK(pool.Post([] {}));
  CHECK_FALSE(pool.Post([] {}));
  gate.set_value();
}

}  // namespace
}  // namespace dvren::server
