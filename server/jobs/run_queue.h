// RunQueue: the order in which one device serves runnable work. The more urgent class goes first; within a class, first
// come first served, and work that comes back after a slice goes to the end, so that works of a class take turns. A
// class that has waited for `ageing` gets one slice before the others: nothing starves, and the most that urgent work
// loses is one slice per class and `ageing`. Plain data: no lock, no clock.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>

#include "server/jobs/time_source.h"
#include "server/jobs/work_class.h"

namespace dvren::server {

class RunQueue {
 public:
  explicit RunQueue(std::chrono::nanoseconds ageing) : ageing_(ageing) {}

  void Push(std::uint64_t id, WorkClass work_class, Clock::time_point now);
  [[nodiscard]] std::optional<std::uint64_t> Pop(Clock::time_point now);
  // False when `id` is not queued in this class.
  bool Remove(std::uint64_t id, WorkClass work_class);

  [[nodiscard]] bool empty() const;
  [[nodiscard]] std::size_t size(WorkClass work_class) const { return lines_[Index(work_class)].ids.size(); }

 private:
  struct Line {
    std::deque<std::uint64_t> ids;
    Clock::time_point waiting_since{};  // since it was last served, or stopped being empty
  };
  static std::size_t Index(WorkClass work_class) { return static_cast<std::size_t>(work_class); }

  std::chrono::nanoseconds ageing_;
  std::array<Line, kWorkClasses> lines_;
};

}  // namespace dvren::server
