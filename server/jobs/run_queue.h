// RunQueue: the order in which one device serves runnable work. The more urgent class goes first. Within a class,
// tenants share the device's seconds by their weights; a tenant's own works take turns: first come first served, and
// work that comes back after a slice goes to the end. A class that has waited for `ageing` gets one slice before the
// others: nothing starves, and the most that urgent work loses is one slice per class and `ageing`. Plain data: no
// lock, no clock.
//
// Sharing is start-time fair queueing (Goyal, Vin, Cheng 1996). A tenant's tag is the seconds that it was charged over
// its weight; the least tag is served, and a tenant that comes back from idleness starts at the tag of who was served
// last, so that it cannot save up. While two tenants both have work, their seconds over weight differ by at most the
// sum of their longest slices over weight, in every interval.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "server/jobs/time_source.h"
#include "server/jobs/work_class.h"

namespace dvren::server {

// Share of a tenant, > 0: twice the weight gets twice the seconds.
using TenantWeight = std::function<double(const std::string& tenant)>;

class RunQueue {
 public:
  // No `weight`: all tenants have the same.
  explicit RunQueue(std::chrono::nanoseconds ageing, TenantWeight weight = nullptr)
      : ageing_(ageing), weight_(std::move(weight)) {}

  void Push(std::uint64_t id, WorkClass work_class, const std::string& tenant, Clock::time_point now);
  [[nodiscard]] std::optional<std::uint64_t> Pop(Clock::time_point now);
  // False when `id` is not queued in this class.
  bool Remove(std::uint64_t id, WorkClass work_class, const std::string& tenant);
  // What a slice took; before the next Pop.
  void Charge(WorkClass work_class, const std::string& tenant, double seconds);

  [[nodiscard]] bool empty() const;
  [[nodiscard]] std::size_t size(WorkClass work_class) const { return lines_[Index(work_class)].size; }

 private:
  struct Tenant {
    std::deque<std::uint64_t> ids;
    double tag = 0;          // virtual seconds
    std::uint64_t turn = 0;  // when it was last served: among equal tags who has waited longest goes first
  };
  struct Line {
    std::unordered_map<std::string, Tenant> tenants;  // with work, or charged beyond virtual_now
    // (tag, turn) of tenants with work.
    std::map<std::pair<double, std::uint64_t>, std::string> order;
    std::size_t size = 0;
    double virtual_now = 0;  // tag of who was served last
    std::uint64_t turns = 0;
    Clock::time_point waiting_since{};  // since it was last served, or stopped being empty
  };
  static std::size_t Index(WorkClass work_class) { return static_cast<std::size_t>(work_class); }
  static Tenant& Of(Line& line, const std::string& tenant);
  // Who has no work and nothing to make up for; not who was served last, whose charge is still to come.
  static void ForgetIdle(Line& line);

  std::chrono::nanoseconds ageing_;
  TenantWeight weight_;
  std::array<Line, kWorkClasses> lines_;
};

}  // namespace dvren::server
