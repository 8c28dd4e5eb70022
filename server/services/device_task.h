// DeviceTask: one function that needs a device, as a piece of work of one slice.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "server/jobs/scheduler.h"

namespace dvren::server {

class DeviceTask final : public Work {
 public:
  // `run` is called on a device worker, then `done` with its outcome; or `done` alone, when it never gets there.
  DeviceTask(std::function<absl::Status(Stream&)> run, std::function<void(const absl::Status&)> done)
      : run_(std::move(run)), done_(std::move(done)) {}

  SliceResult RunSlice(Stream& stream) override {
    done_(run_(stream));
    return SliceResult::kDone;
  }
  void Abort(const absl::Status& why) override { done_(why); }

 private:
  const std::function<absl::Status(Stream&)> run_;
  const std::function<void(const absl::Status&)> done_;
};

}  // namespace dvren::server
