// Scheduler: the one way to a device. Every RPC that computes submits a Work; one worker thread per device runs its
// slices. Classes go first by priority; within a class, tenants share the device's seconds by weight (run_queue.h),
// slice by slice, so that an interactive request need not wait for a long one. `std::` synchronisation only
// (ThreadSanitizer runs on this library); knows nothing of gRPC.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dvren/core/stream.h"
#include "server/jobs/run_queue.h"
#include "server/jobs/time_source.h"
#include "server/jobs/work_class.h"

namespace dvren::server {

// What a slice says when it returns.
enum class SliceResult : std::uint8_t {
  kMore,    // run me again
  kDone,    // finished; the work has told its caller
  kParked,  // cannot go on now (a slow reader); Scheduler::Unpark queues it again
};

// One admitted piece of work. The scheduler holds a shared_ptr until it is done or aborted; then it lets go.
class Work {
 public:
  virtual ~Work() = default;
  // Runs a few milliseconds of work on a device worker's thread. Never called on two threads at once, never after kDone
  // or Abort. An exception counts as INTERNAL and aborts the work.
  virtual SliceResult RunSlice(Stream& stream) = 0;
  // Work with a WorkOptions::batch: its one slice, together with `others` that were waiting with the same batch for the
  // same device, in the order in which they came. All have told their callers when it returns. An exception aborts
  // them all.
  virtual void RunTogether(Stream& stream, const std::vector<std::shared_ptr<Work>>& others);
  // Called exactly once when the work will not reach kDone: CANCELLED, DEADLINE_EXCEEDED, UNAVAILABLE (drained),
  // INTERNAL. Runs with no scheduler lock held, never concurrently with RunSlice; on the thread that called Cancel or
  // Drain, on a device worker or on the timer. It may call the scheduler, but for Drain, and must not throw.
  virtual void Abort(const absl::Status& why) = 0;
};

struct WorkOptions {
  std::string label;  // method name, for logs and metrics
  std::string tenant;
  WorkClass work_class = WorkClass::kInteractive;
  std::optional<Clock::time_point> deadline;  // expired work never starts a slice
  std::string device;                         // "" = the scheduler's choice; "cpu", "cuda:0"
  // Work of one tenant and class that has the same batch, not "", may run together (Work::RunTogether) while its sizes
  // add up to no more than Options::max_batch.
  std::string batch;
  std::int64_t batch_size = 0;
};

using WorkId = std::uint64_t;

// Where work was when it was aborted.
enum class WorkStage : std::uint8_t { kQueued, kRunning, kParked };
[[nodiscard]] const char* WorkStageName(WorkStage stage);  // "queued", "running", "parked"

struct DeviceQueueStatus {
  std::string device;
  int queued = 0;  // runnable, not started or between slices
  int parked = 0;
  int running = 0;      // 0 or 1
  bool healthy = true;  // false: the worker could not make its stream, or the device failed; work is refused
  double busy_seconds = 0;
};

// Seams for metrics and the log; called with no lock held, from any thread.
struct SchedulerObserver {
  std::function<void(const WorkOptions&, double wait_seconds)> on_start;                        // first slice starts
  std::function<void(const WorkOptions&, const std::string& device, double seconds)> on_slice;  // a slice ended
  // After Abort. `since_seconds`: from the cancel, the deadline, the drain or the failure to Abort.
  std::function<void(const WorkOptions&, const absl::Status& why, WorkStage stage, double since_seconds)> on_abort;
  std::function<void(const WorkOptions&, const absl::Status& why)> on_reject;  // Submit refused it
  // A device gives no more work a chance; its queue is aborted next.
  std::function<void(const std::string& device, const absl::Status& why)> on_device_failure;
};

class Scheduler {
 public:
  struct Options {
    int max_queued = 256;  // admitted and not finished, over all devices
    // A class that has waited this long for its device gets one slice ahead of more urgent ones.
    std::chrono::milliseconds ageing{250};
    std::int64_t max_batch = 65536;  // sum of batch_size of works that run together
    TenantWeight tenant_weight;      // absent: all the same
    SchedulerObserver observer;
    std::shared_ptr<TimeSource> time;  // absent: the steady clock
  };
  // One worker per device. Devices: at least one.
  Scheduler(std::vector<std::shared_ptr<Device>> devices, Options options);
  ~Scheduler();  // drains with no grace
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Takes shared ownership of `work`. RESOURCE_EXHAUSTED when full, UNAVAILABLE when draining or the device has failed,
  // NOT_FOUND for an unknown device, DEADLINE_EXCEEDED when the deadline has passed. After an error neither RunSlice
  // nor Abort is called. The work may run, and finish, before Submit returns.
  [[nodiscard]] absl::StatusOr<WorkId> Submit(std::shared_ptr<Work> work, WorkOptions options);
  // Aborts with CANCELLED: at once when queued or parked, after the running slice otherwise. No-op for finished work.
  void Cancel(WorkId id);
  // Queues parked work again. Safe to call before the work has returned kParked (it is then queued at once) and any
  // number of times.
  void Unpark(WorkId id);
  // Refuses new work, lets admitted work finish until `grace` is over, then aborts the rest with UNAVAILABLE. Blocks
  // until all work is gone; not from a slice or an Abort.
  void Drain(std::chrono::milliseconds grace);

  [[nodiscard]] std::vector<DeviceQueueStatus> Status() const;
  [[nodiscard]] int queued(WorkClass work_class) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dvren::server
