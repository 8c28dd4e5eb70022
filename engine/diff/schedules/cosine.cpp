#include "diff/schedules/cosine.h"

#include <cmath>
#include <numbers>

namespace dvren {

absl::StatusOr<std::unique_ptr<Schedule>> CosineSchedule::Create(const ScheduleSpec& spec) {
  if (!(std::isfinite(spec.final_factor) && spec.final_factor >= 0)) {
    return InvalidField("schedule.final_factor", spec.final_factor, "must be finite and >= 0");
  }
  return std::unique_ptr<Schedule>(new CosineSchedule(spec));
}

double CosineSchedule::Shape(double progress) const {
  return final_factor_ + (1 - final_factor_) * 0.5 * (1 + std::cos(std::numbers::pi * progress));
}

}  // namespace dvren
