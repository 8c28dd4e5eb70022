#include "server/services/job_runner.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <map>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/jobs/float_environment.h"
#include "server/jobs/mutex.h"
#include "server/jobs/thread_annotations.h"
#include "server/metrics/metrics.h"
#include "server/middleware/logger.h"
#include "server/services/job_run.h"
#include "server/services/train_job.h"

namespace dvren::server {
namespace {

constexpr std::chrono::milliseconds kIdle{500};  // between looks at the store: for attempts whose time has come
constexpr std::chrono::seconds kExpired{5};      // between looks for dead daemons
constexpr std::chrono::minutes kPrune{10};
constexpr std::chrono::milliseconds kStoreRetry{500};  // while the store takes nothing
constexpr std::int64_t kObjectAge = 24 * 3600;         // seconds: an artifact is stored before its job knows of it

}  // namespace

class JobRunner::Impl {
 public:
  Impl(const JobEnvironment& environment, JobRunnerOptions options)
      : environment_(environment), options_(std::move(options)) {
    subscription_ = environment_.jobs.Subscribe([this](JobId id) { Changed(id); });
    thread_ = std::thread([this] { Loop(); });
  }
  ~Impl() { Drain(); }

  void Drain() {
    {
      MutexLock lock(mutex_);
      draining_ = true;
      wake_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
    subscription_.reset();
    std::map<JobId, std::unique_ptr<Running>> rest;
    {
      MutexLock lock(mutex_);
      for (const auto& [id, running] : running_) running->run.Stop(JobRun::StopReason::kDrained);
      while (ended_.size() < running_.size()) finished_.wait(lock.native());
      rest.swap(running_);
      ended_.clear();
    }
    for (auto& [id, running] : rest) running->thread.join();
  }

  int running() const {
    MutexLock lock(mutex_);
    return static_cast<int>(running_.size() - ended_.size());
  }

 private:
  struct Running {
    Running(const JobEnvironment& environment, Job job, v1::JobSpec spec)
        : run(environment, std::move(job), std::move(spec)) {}
    JobRun run;
    std::thread thread;
  };

  void Changed(JobId id) {
    MutexLock lock(mutex_);
    changed_.insert(id);
    wake_.notify_all();
  }

  void Loop() {
    SetFloatingPointEnvironment();
    auto renew = Clock::now() + options_.lease / 3, prune = Clock::now();
    // Where the queue was away for all, leases have run out that nobody could renew: those who live shall be heard
    // first.
    auto expired = Clock::now() + options_.lease;
    while (true) {
      std::set<JobId> changed;
      {
        MutexLock lock(mutex_);
        if (changed_.empty() && !draining_) wake_.wait_for(lock.native(), kIdle);
        if (draining_) return;
        changed.swap(changed_);
      }
      Reap();
      PassOn(changed);
      const auto now = Clock::now();
      if (now >= renew || away_) {
        const bool renewed = Renew();
        renew = renewed ? now + options_.lease / 3 : now;
        // Who could not renew his own leases does not judge those of others.
        if (!renewed) expired = Clock::now() + options_.lease;
      }
      if (now >= expired) {
        Report("recover jobs of other daemons", environment_.jobs.RecoverExpired().status());
        expired = now + std::min<Clock::duration>(kExpired, options_.lease);
      }
      if (now >= prune) {
        Prune();
        prune = now + kPrune;
      }
      while (StartNext()) {
      }
      if (away_) expired = Clock::now() + options_.lease;
    }
  }

  // Threads of jobs that have ended.
  void Reap() {
    std::vector<std::unique_ptr<Running>> gone;
    {
      MutexLock lock(mutex_);
      for (const JobId id : ended_) {
        const auto it = running_.find(id);
        gone.push_back(std::move(it->second));
        running_.erase(it);
      }
      ended_.clear();
    }
    for (const std::unique_ptr<Running>& running : gone) running->thread.join();
  }

  // Cancels and pauses that somebody has asked for.
  void PassOn(const std::set<JobId>& changed) {
    for (const JobId id : changed) {
      JobRun* const run = Find(id);
      if (run == nullptr) continue;
      const absl::StatusOr<Job> job = environment_.jobs.Get("", id);
      if (!job.ok()) {
        if (absl::IsNotFound(job.status())) run->Stop(JobRun::StopReason::kLost);
        continue;
      }
      if (job->epoch != run->job().epoch) {
        run->Stop(JobRun::StopReason::kLost);
      } else if (job->cancel_requested) {
        run->Stop(JobRun::StopReason::kCancelled);
      } else if (job->pause_requested) {
        run->Stop(JobRun::StopReason::kPaused);
      }
    }
  }

  // Only this thread takes entries out.
  JobRun* Find(JobId id) {
    MutexLock lock(mutex_);
    const auto it = running_.find(id);
    return it == running_.end() ? nullptr : &it->second->run;
  }

  bool Renew() {
    const absl::StatusOr<std::vector<JobId>> held = environment_.jobs.Renew(options_.daemon, options_.lease.count());
    Report("renew leases", held.status());
    if (!held.ok()) return false;
    const std::set<JobId> ours(held->begin(), held->end());
    MutexLock lock(mutex_);
    for (const auto& [id, running] : running_) {
      if (ours.count(id) == 0 && ended_.count(id) == 0) running->run.Stop(JobRun::StopReason::kLost);
    }
    return true;
  }

  void Prune() {
    const absl::StatusOr<int> pruned =
        environment_.jobs.Prune(std::chrono::duration_cast<std::chrono::milliseconds>(options_.retention).count());
    if (!pruned.ok()) return Report("forget old jobs", pruned.status());
    const absl::StatusOr<std::vector<std::string>> keep = environment_.jobs.Objects();
    if (!keep.ok()) return Report("list artifacts", keep.status());
    environment_.objects.RemoveUnreferenced({keep->begin(), keep->end()}, kObjectAge);
    if (environment_.shared()) {
      environment_.checkpoints.RemoveUnwanted([this](const std::string& name) { return IsWanted(name); }, kObjectAge);
    }
  }

  // Whether a job goes on from this checkpoint, or might.
  bool IsWanted(absl::string_view checkpoint) {
    JobId id = 0;
    if (!absl::ConsumePrefix(&checkpoint, kJobCheckpointPrefix)) return true;
    if (!absl::SimpleAtoi(checkpoint.substr(0, checkpoint.find('-')), &id)) return true;
    const absl::StatusOr<Job> job = environment_.jobs.Get("", id);
    if (!job.ok()) return !absl::IsNotFound(job.status());
    return job->resume == absl::StrCat(kJobCheckpointPrefix, checkpoint);
  }

  // Starts one job where there is room for it and one that waits.
  bool StartNext() {
    std::map<std::string, int> running;  // by owner
    std::set<JobId> ours;
    {
      MutexLock lock(mutex_);
      if (draining_ || static_cast<int>(running_.size()) >= options_.max_running) return false;
      for (const auto& [id, entry] : running_) {
        ++running[entry->run.job().owner];
        ours.insert(id);
      }
    }
    absl::StatusOr<std::vector<Job>> heads = environment_.jobs.Heads();
    Report("look for jobs", heads.status());
    if (!heads.ok()) return false;
    // The more urgent class first; then who runs the fewest for his weight; then who has waited longest.
    const auto share = [&](const Job& job) {
      const double weight = options_.tenant_weight ? options_.tenant_weight(job.owner) : 1;
      return running[job.owner] / weight;
    };
    std::sort(heads->begin(), heads->end(), [&](const Job& a, const Job& b) {
      if (a.work_class != b.work_class) return a.work_class < b.work_class;
      const double share_a = share(a), share_b = share(b);
      return share_a != share_b ? share_a < share_b : a.id < b.id;
    });
    for (const Job& head : *heads) {
      // Lost here and queued again, before its thread has noticed: first that ends.
      if (ours.count(head.id) > 0) continue;
      const absl::StatusOr<Job> claimed = environment_.jobs.Claim(head.id, options_.daemon, options_.lease.count());
      if (absl::IsAborted(claimed.status())) continue;  // another daemon was quicker
      if (!claimed.ok()) {
        Report("claim a job", claimed.status());
        return false;
      }
      Start(*claimed);
      return true;
    }
    return false;
  }

  void Start(const Job& job) {
    v1::JobSpec spec;
    const bool parsed = spec.ParseFromString(job.spec);
    MutexLock lock(mutex_);
    auto& running = running_[job.id];
    running = std::make_unique<Running>(environment_, job, std::move(spec));
    running->thread = std::thread([this, &run = running->run, parsed] { RunJob(run, parsed); });
  }

  // On the job's thread.
  void RunJob(JobRun& run, bool parsed) {
    SetFloatingPointEnvironment();
    const JobId id = run.job().id;
    environment_.context.logger.Info("job started",
                                     {{"job", run.name()}, {"kind", run.job().kind}, {"attempt", run.job().attempts}});
    absl::Status status = absl::InternalError("job: its stored spec cannot be read");
    if (parsed) {
      try {
        const auto make = BuiltinJobKinds().Find(run.job().kind);
        status = make.ok() ? (*make)()->Run(environment_, run)
                           : absl::UnimplementedError(std::string(make.status().message()));
      } catch (const std::bad_alloc&) {
        status = absl::ResourceExhaustedError("job: no host memory left");
      } catch (const std::exception& error) {
        status = absl::InternalError(absl::StrCat("job: ", error.what()));
      }
    }
    const absl::StatusOr<Job> ended = Conclude(run, status);
    if (ended.ok()) {
      environment_.context.metrics.JobEnded(ended->kind, JobStateName(ended->state));
      environment_.context.logger.Info(
          "job ended",
          {{"job", run.name()}, {"state", JobStateName(ended->state)}, {"error", std::string(status.message())}});
    } else {
      environment_.context.logger.Warn("job let go",
                                       {{"job", run.name()}, {"why", std::string(ended.status().message())}});
    }
    MutexLock lock(mutex_);
    ended_.insert(id);
    changed_.insert(id);
    wake_.notify_all();
    finished_.notify_all();
  }

  // Tells the store, for as long as it takes: what it does not hear it takes for a crash.
  absl::StatusOr<Job> Conclude(const JobRun& run, const absl::Status& status) {
    using Stop = JobRun::StopReason;
    const Stop stop = run.stop();
    if (stop == Stop::kLost) return absl::AbortedError("another daemon has it");
    const JobId id = run.job().id;
    const std::int64_t epoch = run.job().epoch;
    bool warned = false;
    while (true) {
      absl::StatusOr<Job> told = absl::InternalError("");
      if (status.ok()) {
        told = environment_.jobs.Finish(id, epoch, {}, false);
      } else if (stop == Stop::kCancelled) {
        told = environment_.jobs.Finish(id, epoch, {}, true);
      } else {
        JobReturn how;
        how.error = status;
        how.reason = stop == Stop::kPaused    ? JobReturn::Reason::kPaused
                     : stop == Stop::kDrained ? JobReturn::Reason::kDrained
                     : IsFinal(status.code()) ? JobReturn::Reason::kRefused
                                              : JobReturn::Reason::kFailed;
        told = environment_.jobs.Return(id, epoch, how);
      }
      const bool again = absl::IsUnavailable(told.status()) || absl::IsResourceExhausted(told.status());
      if (!again) return told;
      if (!warned) Warn("tell the store how a job ended", told.status());
      warned = true;
      MutexLock lock(mutex_);
      if (draining_) return told.status();
      finished_.wait_for(lock.native(), kStoreRetry);
    }
  }

  // Of calls by the runner's own thread. A queue that is away is reported once.
  void Report(const char* what, const absl::Status& status) {
    const bool away = absl::IsUnavailable(status);
    if (status.ok() || away) {
      const bool changed = away != away_;
      away_ = away;
      if (!changed) return;
      if (options_.on_queue) options_.on_queue(!away);
      if (away) {
        environment_.context.logger.Error("jobs: the queue is away; jobs wait for it",
                                          {{"error", std::string(status.message())}});
      } else {
        environment_.context.logger.Info("jobs: the queue is back");
      }
      return;
    }
    Warn(what, status);
  }

  void Warn(const char* what, const absl::Status& status) {
    if (status.ok()) return;
    environment_.context.logger.Warn(absl::StrCat("jobs: cannot ", what), {{"error", std::string(status.message())}});
  }

  const JobEnvironment environment_;
  const JobRunnerOptions options_;
  JobStore::SubscriptionPtr subscription_;

  mutable Mutex mutex_;
  std::condition_variable wake_, finished_;
  std::set<JobId> changed_ DVREN_GUARDED_BY(mutex_);
  std::map<JobId, std::unique_ptr<Running>> running_ DVREN_GUARDED_BY(mutex_);
  std::set<JobId> ended_ DVREN_GUARDED_BY(mutex_);  // of running_: their threads are about to end
  bool draining_ DVREN_GUARDED_BY(mutex_) = false;

  bool away_ = false;  // the queue, when the runner's thread last asked
  std::thread thread_;
};

JobRunner::JobRunner(const JobEnvironment& environment, JobRunnerOptions options)
    : impl_(std::make_unique<Impl>(environment, std::move(options))) {}
JobRunner::~JobRunner() = default;

void JobRunner::Drain() {
  impl_->Drain();
}

int JobRunner::running() const {
  return impl_->running();
}

}  // namespace dvren::server
