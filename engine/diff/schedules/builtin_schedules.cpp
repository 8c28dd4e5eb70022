// The table of schedules, and the warm-up that all of them have. A new one is one line in RegisterBuiltinSchedules.
#include <cassert>

#include "diff/schedules/constant.h"
#include "diff/schedules/cosine.h"
#include "diff/schedules/exponential.h"
#include "diff/schedules/linear.h"
#include "dvren/diff/schedule.h"

namespace dvren {

double Schedule::Factor(std::int64_t step, std::int64_t steps) const {
  assert(0 <= step && step < steps);
  const double progress = steps > 1 ? static_cast<double>(step) / static_cast<double>(steps - 1) : 0.0;
  const double factor = Shape(progress);
  if (step + 1 >= warmup_steps_) return factor;
  return factor * (static_cast<double>(step + 1) / static_cast<double>(warmup_steps_));
}

void RegisterBuiltinSchedules(ScheduleRegistry& registry) {
  registry.Add<ConstantSchedule>("constant");
  registry.Add<ExponentialSchedule>("exponential");
  registry.Add<CosineSchedule>("cosine");
  registry.Add<LinearSchedule>("linear");
}

const ScheduleRegistry& BuiltinSchedules() {
  static const ScheduleRegistry registry = [] {
    ScheduleRegistry r("schedule.kind");
    RegisterBuiltinSchedules(r);
    return r;
  }();
  return registry;
}

absl::StatusOr<std::unique_ptr<Schedule>> MakeSchedule(const ScheduleSpec& spec) {
  const absl::StatusOr<ScheduleFactory> create = BuiltinSchedules().Find(spec.kind);
  if (!create.ok()) return absl::InvalidArgumentError(create.status().message());
  if (spec.warmup_steps < 0) return InvalidField("schedule.warmup_steps", spec.warmup_steps, "must be >= 0");
  return (*create)(spec);
}

}  // namespace dvren
