#include "server/jobs/scheduler.h"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <exception>
#include <map>
#include <set>
#include <stdexcept>
#include <thread>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "server/jobs/float_environment.h"
#include "server/jobs/mutex.h"
#include "server/jobs/retry_after.h"
#include "server/jobs/run_queue.h"

namespace dvren::server {
namespace {

// Some slices long: by then a queue of interactive work has moved.
constexpr int kQueueFullRetryMs = 500;

double Seconds(Clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

const char* WorkStageName(WorkStage stage) {
  constexpr const char* names[] = {"queued", "running", "parked"};
  return names[static_cast<std::size_t>(stage)];
}

void Work::RunTogether(Stream& stream, const std::vector<std::shared_ptr<Work>>& /*others*/) {
  (void)stream;
  throw std::logic_error("work with a batch must know how to run together");
}

class Scheduler::Impl {
 public:
  Impl(std::vector<std::shared_ptr<Device>> devices, Options options) : options_(std::move(options)) {
    if (!options_.time) options_.time = std::make_shared<TimeSource>();
    for (std::shared_ptr<Device>& device : devices)
      lanes_.push_back(std::make_unique<Lane>(std::move(device), options_));
    for (std::unique_ptr<Lane>& lane : lanes_) threads_.emplace_back([this, &lane = *lane] { RunDevice(lane); });
    threads_.emplace_back([this] { RunTimer(); });
  }

  ~Impl() {
    Drain(std::chrono::milliseconds(0));
    {
      MutexLock lock(mutex_);
      stopping_ = true;
      for (std::unique_ptr<Lane>& lane : lanes_) lane->runnable.notify_all();
      timer_.notify_all();
    }
    for (std::thread& thread : threads_) thread.join();
  }

  absl::StatusOr<WorkId> Submit(std::shared_ptr<Work> work, WorkOptions options) {
    auto entry = std::make_unique<Entry>(std::move(work), std::move(options));
    absl::Status refused;
    WorkId id = 0;
    {
      MutexLock lock(mutex_);
      refused = Admit(*entry);
      if (refused.ok()) {
        id = next_id_++;
        Lane& lane = *entry->lane;
        ++lane.admitted;
        lane.queue.Push(id, entry->options.work_class, entry->options.tenant, entry->submitted);
        if (!entry->options.batch.empty()) lane.batches[BatchOf(entry->options)].insert(id);
        if (entry->options.deadline) {
          deadlines_.emplace(*entry->options.deadline, id);
          timer_.notify_one();
        }
        entries_.emplace(id, std::move(entry));
        lane.runnable.notify_one();
      }
    }
    if (refused.ok()) return id;
    if (options_.observer.on_reject) options_.observer.on_reject(entry->options, refused);
    return refused;
  }

  void Cancel(WorkId id) {
    const absl::Status why = absl::CancelledError("cancelled by the caller");
    std::unique_ptr<Entry> entry;
    {
      MutexLock lock(mutex_);
      const auto it = entries_.find(id);
      if (it == entries_.end()) return;
      it->second->AbortAfterSlice(why, options_.time->Now());
      if (it->second->stage == WorkStage::kRunning) return;
      entry = Extract(it);
    }
    Abort(std::move(entry));
  }

  void Unpark(WorkId id) {
    MutexLock lock(mutex_);
    const auto it = entries_.find(id);
    if (it == entries_.end()) return;
    Entry& entry = *it->second;
    if (entry.stage == WorkStage::kRunning) {
      // The slice may be about to return kParked for a reason that has just gone away.
      entry.wake = true;
    } else if (entry.stage == WorkStage::kParked) {
      --entry.lane->parked;
      Queue(id, entry);
    }
  }

  void Drain(std::chrono::milliseconds grace) {
    const Clock::time_point begin = options_.time->Now();
    const Clock::time_point end = begin + grace;
    std::vector<std::unique_ptr<Entry>> rest;
    {
      MutexLock lock(mutex_);
      draining_ = true;
      while (!Idle() && options_.time->Now() < end) options_.time->WaitUntil(idle_, lock.native(), end);
      const Clock::time_point now = options_.time->Now();
      const absl::Status why = absl::UnavailableError("the daemon is shutting down; retry on another one or later");
      for (auto it = entries_.begin(); it != entries_.end();) {
        it->second->AbortAfterSlice(why, now);
        const auto next = std::next(it);
        if (it->second->stage != WorkStage::kRunning) rest.push_back(Extract(it));
        it = next;
      }
    }
    for (std::unique_ptr<Entry>& entry : rest) Abort(std::move(entry));
    MutexLock lock(mutex_);
    while (!Idle()) idle_.wait(lock.native());
  }

  std::vector<DeviceQueueStatus> Status() const {
    std::vector<DeviceQueueStatus> all;
    MutexLock lock(mutex_);
    for (const std::unique_ptr<Lane>& lane : lanes_) {
      DeviceQueueStatus status;
      status.device = lane->device->info().id;
      for (std::size_t c = 0; c < kWorkClasses; ++c) {
        status.queued += static_cast<int>(lane->queue.size(static_cast<WorkClass>(c)));
      }
      status.parked = lane->parked;
      status.running = lane->running ? 1 : 0;
      status.healthy = lane->failure.ok();
      status.busy_seconds = lane->busy_seconds;
      all.push_back(std::move(status));
    }
    return all;
  }

  int queued(WorkClass work_class) const {
    MutexLock lock(mutex_);
    std::size_t count = 0;
    for (const std::unique_ptr<Lane>& lane : lanes_) count += lane->queue.size(work_class);
    return static_cast<int>(count);
  }

 private:
  using BatchKey = std::tuple<std::string, WorkClass, std::string>;  // tenant, class, batch

  static BatchKey BatchOf(const WorkOptions& options) { return {options.tenant, options.work_class, options.batch}; }

  // A device, its queue and what its worker is doing. All but `device` is guarded by mutex_.
  struct Lane {
    Lane(std::shared_ptr<Device> d, const Options& options)
        : device(std::move(d)), queue(options.ageing, options.tenant_weight) {}
    const std::shared_ptr<Device> device;
    RunQueue queue;
    std::map<BatchKey, std::set<WorkId>> batches;  // queued work that may run together
    std::condition_variable runnable;
    int admitted = 0;  // queued, parked and running
    int parked = 0;
    bool running = false;
    absl::Status failure;
    double busy_seconds = 0;
  };

  // One admitted work. `work`, `options`, `lane` and `submitted` never change; `started` is the worker's; the rest is
  // guarded by mutex_ while the entry is in entries_.
  struct Entry {
    Entry(std::shared_ptr<Work> w, WorkOptions o) : work(std::move(w)), options(std::move(o)) {}
    void AbortAfterSlice(const absl::Status& why, Clock::time_point now) {
      if (!abort.ok()) return;  // the first reason counts
      abort = why;
      abort_since = now;
    }
    std::shared_ptr<Work> work;
    const WorkOptions options;
    Lane* lane = nullptr;
    WorkStage stage = WorkStage::kQueued;
    bool started = false;
    bool wake = false;  // Unpark came while a slice was running
    absl::Status abort;
    Clock::time_point submitted, abort_since;
  };
  using Entries = std::unordered_map<WorkId, std::unique_ptr<Entry>>;

  // Chooses the lane, or says why not.
  absl::Status Admit(Entry& entry) DVREN_REQUIRES(mutex_) {
    const WorkOptions& options = entry.options;
    entry.submitted = options_.time->Now();
    if (draining_) return absl::UnavailableError("the daemon is shutting down; retry on another one or later");
    if (options.deadline && *options.deadline <= entry.submitted) {
      return absl::DeadlineExceededError("the deadline had passed when the request arrived; give it more time");
    }
    std::string known;
    Lane* asked = nullptr;
    Lane* least = nullptr;
    for (const std::unique_ptr<Lane>& lane : lanes_) {
      const std::string& id = lane->device->info().id;
      absl::StrAppend(&known, known.empty() ? "" : ", ", id);
      if (id == options.device) asked = lane.get();
      if (lane->failure.ok() && (least == nullptr || lane->admitted < least->admitted)) least = lane.get();
    }
    if (!options.device.empty() && asked == nullptr) {
      return absl::NotFoundError(
          absl::StrCat("device = ", options.device, ": this daemon does not serve it; one of ", known));
    }
    Lane* const lane = asked != nullptr ? asked : least;
    if (lane == nullptr || !lane->failure.ok()) {
      return absl::UnavailableError(absl::StrCat("device = ", lane == nullptr ? known : options.device,
                                                 ": has failed; see the daemon's log and choose another device"));
    }
    if (entries_.size() >= static_cast<std::size_t>(options_.max_queued)) {
      return WithRetryAfter(absl::ResourceExhaustedError(absl::StrCat("limits.max_queued = ", options_.max_queued,
                                                                      ": the queue is full; retry later")),
                            kQueueFullRetryMs);
    }
    entry.lane = lane;
    return absl::OkStatus();
  }

  bool Idle() const DVREN_REQUIRES(mutex_) { return entries_.empty() && leaving_ == 0; }

  void Queue(WorkId id, Entry& entry) DVREN_REQUIRES(mutex_) {
    entry.stage = WorkStage::kQueued;
    entry.lane->queue.Push(id, entry.options.work_class, entry.options.tenant, options_.time->Now());
    entry.lane->runnable.notify_one();
  }

  // Takes the entry out of every index. It must then go through Leave or Abort, with no lock held.
  std::unique_ptr<Entry> Extract(Entries::iterator it) DVREN_REQUIRES(mutex_) {
    std::unique_ptr<Entry> entry = std::move(it->second);
    Lane& lane = *entry->lane;
    if (entry->stage == WorkStage::kQueued) {
      lane.queue.Remove(it->first, entry->options.work_class, entry->options.tenant);
      Unlist(it->first, *entry);
    }
    if (entry->stage == WorkStage::kParked) --lane.parked;
    --lane.admitted;
    if (entry->options.deadline) deadlines_.erase({*entry->options.deadline, it->first});
    entries_.erase(it);
    ++leaving_;  // Drain waits for callbacks and destructors too
    return entry;
  }

  void Unlist(WorkId id, const Entry& entry) DVREN_REQUIRES(mutex_) {
    if (entry.options.batch.empty()) return;
    const auto batch = entry.lane->batches.find(BatchOf(entry.options));
    if (batch == entry.lane->batches.end()) return;
    batch->second.erase(id);
    if (batch->second.empty()) entry.lane->batches.erase(batch);
  }

  // Makes an entry that has left its lane's queue a running one.
  void Start(WorkId id, Entry& entry) DVREN_REQUIRES(mutex_) {
    if (!entry.started) Unlist(id, entry);
    entry.stage = WorkStage::kRunning;
    entry.wake = false;
  }

  // Of the queue, what may run together with `first`; started.
  std::vector<std::pair<WorkId, Entry*>> TakeOthers(const Entry& first, Clock::time_point now) DVREN_REQUIRES(mutex_) {
    std::vector<std::pair<WorkId, Entry*>> others;
    if (first.options.batch.empty()) return others;
    const auto batch = first.lane->batches.find(BatchOf(first.options));
    if (batch == first.lane->batches.end()) return others;
    std::int64_t size = first.options.batch_size;
    for (const WorkId id : batch->second) {
      Entry& entry = *entries_.at(id);
      if (entry.options.deadline && *entry.options.deadline <= now) continue;  // its turn to be aborted comes
      size += entry.options.batch_size;
      if (size > options_.max_batch) break;
      others.emplace_back(id, &entry);
    }
    for (const auto& [id, entry] : others) {
      entry->lane->queue.Remove(id, entry->options.work_class, entry->options.tenant);
      Start(id, *entry);
    }
    return others;
  }

  void Leave(std::unique_ptr<Entry> entry) DVREN_EXCLUDES(mutex_) {
    entry.reset();
    MutexLock lock(mutex_);
    --leaving_;
    if (Idle()) idle_.notify_all();
  }

  void Abort(std::unique_ptr<Entry> entry) DVREN_EXCLUDES(mutex_) {
    const double since = Seconds(options_.time->Now() - entry->abort_since);
    entry->work->Abort(entry->abort);
    if (options_.observer.on_abort) options_.observer.on_abort(entry->options, entry->abort, entry->stage, since);
    Leave(std::move(entry));
  }

  static absl::Status Expired() {
    return absl::DeadlineExceededError("the deadline passed before the work was finished; give it more time");
  }

  static absl::StatusOr<SliceResult> RunSlice(Work& work, const std::vector<std::shared_ptr<Work>>& others,
                                              Stream& stream) {
    try {
      if (others.empty()) return work.RunSlice(stream);
      work.RunTogether(stream, others);
      return SliceResult::kDone;
    } catch (const std::exception& error) {
      return absl::InternalError(absl::StrCat("a slice of work failed: ", error.what()));
    } catch (...) {
      return absl::InternalError("a slice of work failed with an unknown exception");
    }
  }

  void RunDevice(Lane& lane) DVREN_EXCLUDES(mutex_) {
    SetFloatingPointEnvironment();
    absl::StatusOr<Stream> stream = lane.device->CreateStream();
    if (!stream.ok()) {
      FailLane(lane, stream.status());
      return;
    }
    while (true) {
      std::vector<std::pair<WorkId, Entry*>> running;
      std::unique_ptr<Entry> expired;
      {
        MutexLock lock(mutex_);
        while (!stopping_ && lane.queue.empty()) lane.runnable.wait(lock.native());
        if (stopping_) return;  // after Drain: nothing is queued
        const Clock::time_point now = options_.time->Now();
        const WorkId id = *lane.queue.Pop(now);
        const auto it = entries_.find(id);
        Entry& entry = *it->second;
        if (entry.options.deadline && *entry.options.deadline <= now) {
          entry.AbortAfterSlice(Expired(), *entry.options.deadline);
          expired = Extract(it);
        } else {
          Start(id, entry);
          running = TakeOthers(entry, now);
          running.insert(running.begin(), {id, &entry});
          lane.running = true;
        }
      }
      if (expired != nullptr) {
        Abort(std::move(expired));
      } else {
        RunEntries(lane, running, *stream);
        // A GPU that has failed gives nothing but errors: its queue ends, others go on.
        if (absl::Status health = lane.device->Health(); !health.ok()) {
          FailLane(lane, health);
          return;
        }
      }
    }
  }

  // One slice of entries whose stage is kRunning, more than one only where they run together; then where they go next.
  void RunEntries(Lane& lane, const std::vector<std::pair<WorkId, Entry*>>& running, Stream& stream)
      DVREN_EXCLUDES(mutex_) {
    Entry& first = *running.front().second;
    std::vector<std::shared_ptr<Work>> others;
    const Clock::time_point begin = options_.time->Now();
    for (const auto& [id, entry] : running) {
      // Only this thread touches `started`, and `submitted` does not change: no lock.
      const bool starts = !std::exchange(entry->started, true);
      if (starts && options_.observer.on_start)
        options_.observer.on_start(entry->options, Seconds(begin - entry->submitted));
      if (entry != &first) others.push_back(entry->work);
    }
    const absl::StatusOr<SliceResult> result = RunSlice(*first.work, others, stream);
    const Clock::time_point end = options_.time->Now();
    if (options_.observer.on_slice)
      options_.observer.on_slice(first.options, lane.device->info().id, Seconds(end - begin));

    const bool done = result.ok() && *result == SliceResult::kDone;
    std::vector<std::unique_ptr<Entry>> leaving;
    {
      MutexLock lock(mutex_);
      lane.running = false;
      lane.busy_seconds += Seconds(end - begin);
      lane.queue.Charge(first.options.work_class, first.options.tenant, Seconds(end - begin));
      for (const auto& [id, entry] : running) {
        if (!result.ok()) {
          entry->abort = result.status();
          entry->abort_since = end;
        } else if (!done && entry->options.deadline && *entry->options.deadline <= end) {
          entry->AbortAfterSlice(Expired(), *entry->options.deadline);
        }
        if (done || !entry->abort.ok()) {
          leaving.push_back(Extract(entries_.find(id)));
        } else if (*result == SliceResult::kParked && !entry->wake) {
          entry->stage = WorkStage::kParked;
          ++lane.parked;
        } else {
          Queue(id, *entry);
        }
      }
    }
    for (std::unique_ptr<Entry>& entry : leaving) {
      if (done) {
        Leave(std::move(entry));
      } else {
        Abort(std::move(entry));
      }
    }
  }

  void FailLane(Lane& lane, const absl::Status& failure) DVREN_EXCLUDES(mutex_) {
    if (options_.observer.on_device_failure) options_.observer.on_device_failure(lane.device->info().id, failure);
    std::vector<std::unique_ptr<Entry>> rest;
    {
      MutexLock lock(mutex_);
      lane.failure = failure;
      const Clock::time_point now = options_.time->Now();
      for (auto it = entries_.begin(); it != entries_.end();) {
        const auto next = std::next(it);
        if (it->second->lane == &lane) {
          it->second->AbortAfterSlice(absl::UnavailableError(absl::StrCat("device = ", lane.device->info().id,
                                                                          ": has failed: ", failure.message())),
                                      now);
          rest.push_back(Extract(it));
        }
        it = next;
      }
    }
    for (std::unique_ptr<Entry>& entry : rest) Abort(std::move(entry));
  }

  // Aborts queued and parked work whose deadline passes. Running work looks at its deadline when its slice ends.
  void RunTimer() DVREN_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    while (!stopping_) {
      if (deadlines_.empty()) {
        timer_.wait(lock.native());
        continue;
      }
      const auto [when, id] = *deadlines_.begin();
      if (options_.time->Now() < when) {
        options_.time->WaitUntil(timer_, lock.native(), when);
        continue;
      }
      const auto it = entries_.find(id);
      if (it->second->stage == WorkStage::kRunning) {
        deadlines_.erase(deadlines_.begin());
        continue;
      }
      it->second->AbortAfterSlice(Expired(), when);
      std::unique_ptr<Entry> entry = Extract(it);
      lock.Unlock();
      Abort(std::move(entry));
      lock.Lock();
    }
  }

  Options options_;
  mutable Mutex mutex_;
  std::condition_variable timer_;             // a deadline was added, or stopping
  std::condition_variable idle_;              // the last work has gone
  std::vector<std::unique_ptr<Lane>> lanes_;  // the vector itself never changes after construction
  Entries entries_ DVREN_GUARDED_BY(mutex_);
  std::set<std::pair<Clock::time_point, WorkId>> deadlines_ DVREN_GUARDED_BY(mutex_);
  WorkId next_id_ DVREN_GUARDED_BY(mutex_) = 1;
  int leaving_ DVREN_GUARDED_BY(mutex_) = 0;  // taken out, callbacks still running
  bool draining_ DVREN_GUARDED_BY(mutex_) = false;
  bool stopping_ DVREN_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

Scheduler::Scheduler(std::vector<std::shared_ptr<Device>> devices, Options options)
    : impl_(std::make_unique<Impl>(std::move(devices), std::move(options))) {}
Scheduler::~Scheduler() = default;

absl::StatusOr<WorkId> Scheduler::Submit(std::shared_ptr<Work> work, WorkOptions options) {
  return impl_->Submit(std::move(work), std::move(options));
}
void Scheduler::Cancel(WorkId id) {
  impl_->Cancel(id);
}
void Scheduler::Unpark(WorkId id) {
  impl_->Unpark(id);
}
void Scheduler::Drain(std::chrono::milliseconds grace) {
  impl_->Drain(grace);
}
std::vector<DeviceQueueStatus> Scheduler::Status() const {
  return impl_->Status();
}
int Scheduler::queued(WorkClass work_class) const {
  return impl_->queued(work_class);
}

}  // namespace dvren::server
