#include "diff/schedules/constant.h"

namespace dvren {

absl::StatusOr<std::unique_ptr<Schedule>> ConstantSchedule::Create(const ScheduleSpec& spec) {
  if (spec.final_factor != 1 && spec.final_factor != ScheduleSpec{}.final_factor) {
    return InvalidField("schedule.final_factor", spec.final_factor,
                        "schedule.kind = constant ends at 1: leave it out, or choose another kind");
  }
  return std::unique_ptr<Schedule>(new ConstantSchedule(spec));
}

double ConstantSchedule::Shape(double) const {
  return 1;
}

}  // namespace dvren
