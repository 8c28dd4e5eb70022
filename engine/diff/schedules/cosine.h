// Half a cosine wave from 1 to final_factor (Loshchilov & Hutter 2017, without restarts).
#pragma once

#include "dvren/diff/schedule.h"

namespace dvren {

class CosineSchedule : public Schedule {
 public:
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Schedule>> Create(const ScheduleSpec& spec);

 private:
  explicit CosineSchedule(const ScheduleSpec& spec) : Schedule(spec), final_factor_(spec.final_factor) {}
  [[nodiscard]] double Shape(double progress) const override;
  double final_factor_;
};

}  // namespace dvren
