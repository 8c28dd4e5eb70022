// The pool that runs a loop's items: every item once, whoever calls, however the work is spread.
#include "backends/cpu/thread_pool.h"
#include "abi/float_environment.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace dvren::test {
namespace {

using hp::FloatEnvironment;
using hp::cpu::ThreadPool;

// How many items did not run exactly once, or on a thread that is not the pool's.
int64_t Misses(ThreadPool& pool, int64_t items) {
  std::vector<std::atomic<int>> runs(static_cast<std::size_t>(items));
  std::atomic<int64_t> strangers{0};
  pool.Run(items, [&](int thread, int64_t item) {
    if (thread < 0 || thread >= pool.threads() || item < 0 || item >= items) {
      ++strangers;
    } else {
      ++runs[static_cast<std::size_t>(item)];
    }
  });
  int64_t misses = strangers;
  for (const auto& n : runs) misses += n != 1;
  return misses;
}

}  // namespace

TEST_CASE("EveryItemRunsExactlyOnce", "[thread_pool]") {
  for (int threads : {1, 2, 3, 4, 7, 8, 16}) {
    ThreadPool pool(threads);
    REQUIRE(pool.threads() == threads);
    for (int64_t items : {0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 100, 1000, 4099, 50021}) {
      INFO(threads << " threads, " << items << " items");
      CHECK(Misses(pool, items) == 0);
    }
  }
}

TEST_CASE("ManyShortLoopsLoseNoItem", "[thread_pool]") {
  ThreadPool pool(4);
  int64_t misses = 0;
  for (int round = 0; round < 3000; ++round) misses += Misses(pool, round % 37);
  CHECK(misses == 0);
}

TEST_CASE("IdleThreadsTakeWorkFromABusyOne", "[thread_pool]") {
  // The first quarter of the items, all in the first thread's range, takes long: others must take part of it.
  ThreadPool pool(4);
  std::vector<std::atomic<int>> done(4);
  pool.Run(400, [&](int thread, int64_t item) {
    if (item >= 100) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ++done[static_cast<std::size_t>(thread)];
  });
  CHECK(done[0] + done[1] + done[2] + done[3] == 100);
  CHECK(done[0] < 100);
}

TEST_CASE("LoopsOfSeveralCallersAllFinish", "[thread_pool]") {
  ThreadPool pool(3);
  std::atomic<int64_t> misses{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 5; ++caller) {
    callers.emplace_back([&, caller] {
      for (int round = 0; round < 200; ++round) misses += Misses(pool, 1 + (caller * 97 + round * 13) % 211);
    });
  }
  for (auto& caller : callers) caller.join();
  CHECK(misses == 0);
}

TEST_CASE("OneLoopRunsAtATime", "[thread_pool]") {
  ThreadPool pool(2);
  std::atomic<int> owner{-1}, intruders{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 3; ++caller) {
    callers.emplace_back([&, caller] {
      for (int round = 0; round < 50; ++round) {
        std::atomic<int> left{16};
        pool.Run(16, [&](int, int64_t) {
          const int before = owner.exchange(caller);
          if (before != caller && before != -1) ++intruders;
          if (--left == 0) owner = -1;
        });
      }
    });
  }
  for (auto& caller : callers) caller.join();
  CHECK(intruders == 0);
}

#if defined(__x86_64__)
TEST_CASE("WorkersAndCallerComputeWithDenormalsAndRoundToNearest", "[thread_pool]") {
  const unsigned flush_and_round_up = 0x1f80u | 0x8000u | 0x0040u | 0x4000u;  // FTZ, DAZ, towards +infinity
  const unsigned before = _mm_getcsr();
  ThreadPool pool(4);
  std::atomic<int> wrong{0};
  _mm_setcsr(flush_and_round_up);
  pool.Run(4000, [&](int, int64_t) {
    if ((_mm_getcsr() & 0xffc0u) != 0x1f80u) ++wrong;
    std::this_thread::yield();
  });
  const unsigned after = _mm_getcsr();
  _mm_setcsr(before);
  CHECK(wrong == 0);
  CHECK((after & 0xffc0u) == flush_and_round_up);  // the caller's own setting is given back
}

TEST_CASE("FloatEnvironmentNests", "[thread_pool]") {
  const unsigned before = _mm_getcsr();
  _mm_setcsr(0x1f80u | 0x8000u);
  {
    FloatEnvironment outer;
    CHECK((_mm_getcsr() & 0x8040u) == 0);
    { FloatEnvironment inner; }
    CHECK((_mm_getcsr() & 0x8040u) == 0);
  }
  const unsigned after = _mm_getcsr();
  _mm_setcsr(before);
  CHECK((after & 0x8000u) != 0);
}
#endif

}  // namespace dvren::test
