#include "diff/schedules/linear.h"

#include <cmath>

namespace dvren {

absl::StatusOr<std::unique_ptr<Schedule>> LinearSchedule::Create(const ScheduleSpec& spec) {
  if (!(std::isfinite(spec.final_factor) && spec.final_factor >= 0)) {
    return InvalidField("schedule.final_factor", spec.final_factor, "must be finite and >= 0");
  }
  return std::unique_ptr<Schedule>(new LinearSchedule(spec));
}

double LinearSchedule::Shape(double progress) const {
  return 1 + (final_factor_ - 1) * progress;
}

}  // namespace dvren
