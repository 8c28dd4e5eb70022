// The factor stays 1.
#pragma once

#include "dvren/diff/schedule.h"

namespace dvren {

class ConstantSchedule : public Schedule {
 public:
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Schedule>> Create(const ScheduleSpec& spec);

 private:
  using Schedule::Schedule;
  [[nodiscard]] double Shape(double progress) const override;
};

}  // namespace dvren
