// final_factor^progress: the same ratio from each step to the next.
#pragma once

#include "dvren/diff/schedule.h"

namespace dvren {

class ExponentialSchedule : public Schedule {
 public:
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Schedule>> Create(const ScheduleSpec& spec);

 private:
  explicit ExponentialSchedule(const ScheduleSpec& spec) : Schedule(spec), final_factor_(spec.final_factor) {}
  [[nodiscard]] double Shape(double progress) const override;
  double final_factor_;
};

}  // namespace dvren
