#include "diff/schedules/exponential.h"

#include <cmath>

namespace dvren {

absl::StatusOr<std::unique_ptr<Schedule>> ExponentialSchedule::Create(const ScheduleSpec& spec) {
  if (!(std::isfinite(spec.final_factor) && spec.final_factor > 0)) {
    return InvalidField("schedule.final_factor", spec.final_factor,
                        "must be finite and > 0; linear and cosine can end at 0");
  }
  return std::unique_ptr<Schedule>(new ExponentialSchedule(spec));
}

double ExponentialSchedule::Shape(double progress) const {
  return std::pow(final_factor_, progress);
}

}  // namespace dvren
