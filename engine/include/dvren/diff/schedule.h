// Schedule: what learning rates are multiplied by at each step.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "dvren/core/registry.h"
#include "dvren/train/training_spec.h"

namespace dvren {

class Schedule {
 public:
  virtual ~Schedule() = default;

  // Factor of step `step` of a run of `steps`, 0 <= step < steps: Shape(step/(steps - 1)), and during the first
  // warmup_steps times (step + 1)/warmup_steps, so that no step has the rate 0.
  [[nodiscard]] double Factor(std::int64_t step, std::int64_t steps) const;

 protected:
  explicit Schedule(const ScheduleSpec& spec) : warmup_steps_(spec.warmup_steps) {}

 private:
  // From 1 at progress 0, the first step, to what it is at progress 1, the last. A run of one step has progress 0.
  [[nodiscard]] virtual double Shape(double progress) const = 0;

  std::int64_t warmup_steps_;
};

using ScheduleFactory = std::function<absl::StatusOr<std::unique_ptr<Schedule>>(const ScheduleSpec&)>;
using ScheduleRegistry = Registry<ScheduleFactory>;

void RegisterBuiltinSchedules(ScheduleRegistry& registry);
// The registry with the builtin schedules: constant, exponential, cosine, linear.
[[nodiscard]] const ScheduleRegistry& BuiltinSchedules();
// The builtin schedule of this spec. INVALID_ARGUMENT for an unknown kind or a factor that the kind does not take.
[[nodiscard]] absl::StatusOr<std::unique_ptr<Schedule>> MakeSchedule(const ScheduleSpec& spec);

}  // namespace dvren
