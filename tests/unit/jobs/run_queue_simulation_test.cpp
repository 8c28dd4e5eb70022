// A million steps of one device's queue with a clock of its own: tenants of different weights come and go with works of
// all classes, and what the queue promises is checked against plain bookkeeping.
#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "server/jobs/run_queue.h"

namespace dvren::server {
namespace {

constexpr int kSteps = 1'000'000;
constexpr std::size_t kTenants = 6;
constexpr std::array<double, kTenants> kWeights{1, 1, 2, 3, 5, 0.5};
constexpr std::chrono::milliseconds kAgeing{250};

std::string NameOf(std::size_t tenant) {
  return std::string(1, static_cast<char>('a' + tenant));
}
double WeightOf(const std::string& tenant) {
  return kWeights[static_cast<std::size_t>(tenant.front() - 'a')];
}

struct SimulatedWork {
  std::size_t tenant = 0;
  WorkClass work_class = WorkClass::kNormal;
  int slices_left = 0;
  Clock::time_point since;  // queued
};

}  // namespace

TEST_CASE("Over a million steps tenants share by weight, nothing starves, nothing is lost") {
  std::mt19937_64 random(20250117);
  const auto uniform = [&](double low, double high) {
    return low + (high - low) * static_cast<double>(random() >> 11) * 0x1p-53;
  };
  RunQueue queue(kAgeing, WeightOf);
  Clock::time_point now{};
  std::map<std::uint64_t, SimulatedWork> queued;
  std::uint64_t next_id = 1, served = 0, arrived = 0, finished = 0;
  // For the bound of fair queueing, per class: seconds had, longest slice, works queued.
  std::array<std::array<double, kTenants>, kWorkClasses> had{}, longest{};
  std::array<std::array<int, kTenants>, kWorkClasses> count{};
  std::array<std::array<std::array<double, kTenants>, kTenants>, kWorkClasses> lag_low{}, lag_high{};
  double worst_excess = 0, longest_class_wait = 0;
  std::array<Clock::time_point, kWorkClasses> class_since{};

  const auto push = [&](std::uint64_t id, const SimulatedWork& work) {
    const auto c = static_cast<std::size_t>(work.work_class);
    if (std::all_of(count[c].begin(), count[c].end(), [](int n) { return n == 0; })) class_since[c] = now;
    if (count[c][work.tenant]++ == 0) {
      // From here on this tenant is backlogged: every pair's lag is counted anew.
      for (std::size_t other = 0; other < kTenants; ++other) {
        const double lag = had[c][work.tenant] / kWeights[work.tenant] - had[c][other] / kWeights[other];
        lag_low[c][work.tenant][other] = lag_high[c][work.tenant][other] = lag;
        lag_low[c][other][work.tenant] = lag_high[c][other][work.tenant] = -lag;
      }
    }
    queue.Push(id, work.work_class, NameOf(work.tenant), now);
    queued.emplace(id, work);
  };

  for (int step = 0; step < kSteps; ++step) {
    // Arrivals: bursts of one tenant; on the whole somewhat more than the device can do, with a bound on what waits.
    while (queued.size() < 200 && uniform(0, 1) < 0.35) {
      SimulatedWork work;
      work.tenant = random() % kTenants;
      work.work_class = static_cast<WorkClass>(random() % 8 < 1 ? 0 : random() % 8 < 5 ? 1 : 2);
      work.slices_left = 1 + static_cast<int>(random() % (work.work_class == WorkClass::kInteractive ? 2 : 12));
      work.since = now;
      ++arrived;
      push(next_id++, work);
    }
    // Now and then somebody gives up.
    if (!queued.empty() && random() % 97 == 0) {
      const auto it = std::next(queued.begin(), static_cast<std::ptrdiff_t>(random() % queued.size()));
      const auto c = static_cast<std::size_t>(it->second.work_class);
      REQUIRE(queue.Remove(it->first, it->second.work_class, NameOf(it->second.tenant)));
      --count[c][it->second.tenant];
      queued.erase(it);
      ++finished;
    }
    const std::optional<std::uint64_t> id = queue.Pop(now);
    REQUIRE(id.has_value() == !queued.empty());
    if (!id) {
      now += std::chrono::milliseconds(5);
      continue;
    }
    const auto it = queued.find(*id);
    REQUIRE(it != queued.end());  // served once, and only what is there
    SimulatedWork work = it->second;
    queued.erase(it);
    ++served;
    const auto c = static_cast<std::size_t>(work.work_class);
    // No class waits longer than the ageing time and one slice of each of the others.
    longest_class_wait = std::max(longest_class_wait, std::chrono::duration<double>(now - class_since[c]).count());
    const double seconds = uniform(0.001, 0.040);
    now += std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    class_since[c] = now;
    queue.Charge(work.work_class, NameOf(work.tenant), seconds);
    had[c][work.tenant] += seconds;
    longest[c][work.tenant] = std::max(longest[c][work.tenant], seconds);
    --count[c][work.tenant];
    const bool more = --work.slices_left > 0;
    if (more) {
      // Back at once: it has been backlogged all the while.
      ++count[c][work.tenant];
      queue.Push(*id, work.work_class, NameOf(work.tenant), now);
      work.since = now;
      queued.emplace(*id, work);
    } else {
      ++finished;
    }
    // Goyal, Vin and Cheng 1996, theorem 1: of two tenants that are backlogged throughout an interval, normalised
    // service differs by at most the sum of their normalised longest slices.
    for (std::size_t other = 0; other < kTenants; ++other) {
      if (other == work.tenant || count[c][other] == 0 || count[c][work.tenant] == 0) continue;
      for (const auto& [i, j] : {std::pair(work.tenant, other), std::pair(other, work.tenant)}) {
        const double lag = had[c][i] / kWeights[i] - had[c][j] / kWeights[j];
        lag_low[c][i][j] = std::min(lag_low[c][i][j], lag);
        lag_high[c][i][j] = std::max(lag_high[c][i][j], lag);
        const double bound = longest[c][i] / kWeights[i] + longest[c][j] / kWeights[j];
        worst_excess = std::max(worst_excess, lag_high[c][i][j] - lag_low[c][i][j] - bound);
      }
    }
  }
  CHECK(worst_excess <= 1e-6);
  CHECK(longest_class_wait <= std::chrono::duration<double>(kAgeing).count() + 3 * 0.040);
  CHECK(arrived == finished + queued.size());
  CHECK(served > kSteps / 2);
  std::size_t sizes = 0;
  for (const WorkClass work_class : {WorkClass::kInteractive, WorkClass::kNormal, WorkClass::kBatch}) {
    sizes += queue.size(work_class);
  }
  CHECK(sizes == queued.size());
}

TEST_CASE("Tenants who always have work get their weights' shares of the device") {
  RunQueue queue(kAgeing, WeightOf);
  std::mt19937_64 random(7);
  std::array<double, kTenants> had{};
  double total = 0, weights = 0;
  for (std::size_t t = 0; t < kTenants; ++t) {
    // Some with one work, some with many; long slices and short ones.
    for (std::size_t n = 0; n <= 3 * t; ++n) queue.Push(100 * t + n, WorkClass::kBatch, NameOf(t), {});
    weights += kWeights[t];
  }
  while (total < 60) {
    const std::uint64_t id = *queue.Pop({});
    const std::size_t t = id / 100;
    const double seconds = (0.001 + 0.002 * static_cast<double>(t)) * (1 + static_cast<double>(random() % 3));
    queue.Charge(WorkClass::kBatch, NameOf(t), seconds);
    queue.Push(id, WorkClass::kBatch, NameOf(t), {});
    had[t] += seconds;
    total += seconds;
  }
  for (std::size_t t = 0; t < kTenants; ++t) {
    const double share = had[t] / total, entitled = kWeights[t] / weights;
    CAPTURE(t, share, entitled);
    CHECK(std::abs(share / entitled - 1) < 0.01);
  }
}

}  // namespace dvren::server
