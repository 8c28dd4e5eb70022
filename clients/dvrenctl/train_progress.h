// TrainProgress: how a training is shown while it runs: one line that is redrawn on a terminal; with `watch` a line now
// and then where stderr is none; else nothing.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "dvren/v1/training_service.pb.h"

namespace dvren::ctl {

class TrainProgress {
 public:
  TrainProgress(std::int64_t last_step, bool watch);
  ~TrainProgress();  // clears the line
  TrainProgress(const TrainProgress&) = delete;
  TrainProgress& operator=(const TrainProgress&) = delete;

  void Update(const v1::TrainReport& report);
  // Takes the line away, so that something else can be printed.
  void Clear();

 private:
  const std::int64_t last_step_;
  const bool terminal_, watch_;
  const std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point last_draw_;
  std::int64_t first_step_ = -1;
  bool drawn_ = false;
};

// "step 1,200 of 4,000  loss 0.00123  29.1 dB  1.25 M rays/s  ETA 1:05"; `steps_per_second` 0: no ETA.
[[nodiscard]] std::string TrainText(const v1::TrainReport& report, std::int64_t last_step, double steps_per_second);

}  // namespace dvren::ctl
