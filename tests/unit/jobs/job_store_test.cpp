// What a job store promises, for every backend.
#include "server/jobs/job_store.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <iostream>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/jobs/retry_after.h"
#include "unit/jobs/job_backends.h"

namespace dvren::server {
namespace {

using absl::StatusCode;
using Reason = JobReturn::Reason;
constexpr std::int64_t kLease = 30'000;

template <class T>
T Get(absl::StatusOr<T> value) {
  INFO(value.status());
  REQUIRE(value.ok());
  return *std::move(value);
}

struct Fixture {
  explicit Fixture(const BackendUnderTest& backend) : queue(backend.make()), store(Open()) {}
  std::unique_ptr<JobStore> Open() const { return std::make_unique<JobStore>(queue.open(), clock.clock()); }
  void Reopen() {
    store.reset();
    store = Open();
  }
  Job Submit(JobSubmission submission = Plain()) const { return Get(store->Submit(submission)).job; }
  Job Running(const std::string& daemon = "a") const { return Get(store->Claim(Submit().id, daemon, kLease)); }
  static JobSubmission Plain() {
    JobSubmission submission;
    submission.owner = "alice";
    submission.kind = "render_sequence";
    submission.spec = std::string("spec\0bytes", 10);
    submission.total = 7;
    return submission;
  }

  TestClock clock;
  BackendUnderTest::Queue queue;
  std::unique_ptr<JobStore> store;
};

// Runs `body` once per backend.
template <class Body>
void ForEachBackend(const Body& body) {
  for (const BackendUnderTest& backend : BackendsUnderTest()) {
    CAPTURE(backend.name);
    Fixture fixture(backend);
    body(fixture, backend);
  }
}

std::vector<std::string> States(JobStore& store, JobId id) {
  std::vector<std::string> states;
  for (const JobEvent& event : Get(store.Events(id, 1, 1000))) {
    if (event.kind == JobEventKind::kState) states.push_back(event.data);
  }
  return states;
}

TEST_CASE("A submitted job is queued with all that it was given, and found by its id", "[job_store]") {
  ForEachBackend([](Fixture& f, const BackendUnderTest&) {
    JobSubmission submission = Fixture::Plain();
    submission.title = "a \"title\" with 'quotes' and \xc3\xbc";
    submission.priority = -5;
    submission.work_class = WorkClass::kNormal;
    submission.max_attempts = 4;
    submission.request_id = "r-1";
    const Job job = f.Submit(submission);
    CHECK(job.state == JobState::kQueued);
    CHECK(job.spec == submission.spec);
    CHECK(job.title == submission.title);
    CHECK(job.created_ms == f.clock.now->load());
    CHECK(Get(f.store->Get("alice", job.id)) == job);
    CHECK(Get(f.store->Get("", job.id)) == job);
    CHECK(f.store->Get("bob", job.id).status().code() == StatusCode::kNotFound);
    CHECK(f.store->Get("alice", job.id + 1).status().code() == StatusCode::kNotFound);
    CHECK(States(*f.store, job.id) == std::vector<std::string>{"queued"});
  });
}

TEST_CASE("The same request id gives the same job for a day, and an error with another spec", "[job_store]") {
  ForEachBackend([](Fixture& f, const BackendUnderTest&) {
    JobSubmission submission = Fixture::Plain();
    submission.request_id = "once";
    const Job job = f.Submit(submission);
    const SubmittedJob again = Get(f.store->Submit(submission));
    CHECK(again.existed);
    CHECK(again.job.id == job.id);
    JobSubmission other = submission;
    other.spec = "another";
    const absl::Status refused = f.store->Submit(other).status();
    CHECK(refused.code() == StatusCode::kAlreadyExists);
    CHECK(absl::StrContains(refused.message(), "request_id = once"));
    other.owner = "bob";  // whose ids are his own
    CHECK(Get(f.store->Submit(other)).job.id != job.id);
    f.clock.Advance(JobStore::kRequestMs);
    const SubmittedJob later = Get(f.store->Submit(submission));
    CHECK_FALSE(later.existed);
    CHECK(later.job.id != job.id);
    // A clock that is set back forgets nothing.
    f.clock.Advance(-10 * JobStore::kRequestMs);
    CHECK(Get(f.store->Submit(submission)).job.id == later.job.id);
  });
}

TEST_CASE("Without a request id each submission is a job", "[job_store]") {
  ForEachBackend([](Fixture& f, const BackendUnderTest&) { CHECK(f.Submit().id != f.Submit().id); });
}

TEST_CASE("An owner's unfinished jobs are bounded, others' do not count", "[job_store]") {
  ForEachBackend([](Fixture& f, const BackendUnderTest&) {
    JobSubmission submission = Fixture::Plain();
    submission.max_unfinished = 2;
    const Job first = f.Submit(submission);
    f.Submit(submission);
    const absl::Status refused = f.store->Submit(submission).status();
    CHECK(refused.code() == StatusCode::kResourceExhausted);
    CHECK(RetryAfterMs(refused).has_value());
    JobSubmission other = submission;
    other.owner = "bob";
    f.Submit(other);
    Get(f.store->Cancel("alice", first.id));
    f.Submit(submission);
  });
}

TEST_CASE("The next job of each owner and class is the one with the highest priority, then the oldest", "[job_store]") {
  ForEachBackend([](Fixture& f, const BackendUnderTest&) {
    JobSubmission submission = Fixture::Plain();
    const Job low = f.Submit(submission);
    submission.priority = 3;
    const Job high = f.Submit(submission);
    const Job second = f.Submit(submission);
    submission.work_class = WorkClass::kInteractive;
    const Job urgent = f.Submit(submission);
    submission.owner = "bob";
    const Job bobs = f.Submit(submission);
    const auto heads = [&] {
      std::set<JobId> ids;
      for (const Job& job : Get(f.store->Heads())) ids.insert(job.id);
      return ids;
    };
    CHECK(heads() == std::set<JobId>{high.id, urgent.id, bobs.id});
    Get(f.store->Claim(high.id, "a", kLease));
    CHECK(heads() == std::set<JobId>{second.id, urgent.id, bobs.id});
    Get(f.store->Pause("alice", second.id));
    CHECK(heads() == std::set<JobId>{low.id, urgent.id, bobs.id});
    Get(f.store->SetPriority("alice", low.id, 9));
    Get(f.store->Resume("alice", second.id));
    CHECK(heads() == std::set<JobId>{low.id, urgent.id, bobs.id});
  });
}

TEST_CASE("A job is claimed once, and what its daemon says counts until another has claimed it", "[job_store]") {
  ForEachBackend([](Fixture& f, const BackendUnderTest&) {
    const Job job = f.Running("a");
    CHECK(job.state == JobState::kRunning);
    CHECK(job.attempts == 1);
    CHECK(job.daemon == "a");
    CHECK(job.lease_until_ms == f.clock.now->load() + kLease);
    CHECK(f.store->Claim(job.id, "b", kLease).status().code() == StatusCode::kAborted);
    JobUpdate update;
    update.done = 3;
    update.resume = std::string("\0\1", 2);
    JobEvent progress;
    progress.kind = JobEventKind::kProgress;
    progress.data = std::string("p\0q", 3);
    update.events = {progress};
    update.artifacts = {{"frame_0000.png", std::string(64, 'a'), 123, "image/png"}};
    const Job updated = Get(f.store->Update(job.id, job.epoch, update));
    CHECK(updated.done == 3);
    CHECK(updated.total == 7);
    CHECK(updated.resume == *update.resume);
    CHECK(Get(f.store->Artifacts(job.id)) == update.artifacts);
    CHECK(f.store->Update(job.id, job.epoch + 1, update).status().code() == StatusCode::kAborted);
    // The lease runs out; another daemon takes it.
    f.clock.Advance(kLease + 1);
    CHECK(Get(f.store->RecoverExpired()).size() == 1);
    const Job claimed = Get(f.store->Claim(job.id, "b", kLease));
    CHECK(claimed.epoch > job.epoch);
    CHECK(claimed.resume == *update.resume);
    const absl::Status stale = f.store->Update(job.id, job.epoch, update).status();
    CHECK(stale.code() == StatusCode::kAborted);
    CHECK(f.store->Finish(job.id, job.epoch, {}, false).status().code() == StatusCode::kAborted);
    CHECK(f.store->Return(job.id, job.epoch, {}).status().code() == StatusCode::kAborted);
    CHECK(Get(f.store->Finish(job.id, claimed.epoch, {}, false)).state == JobState::kSucceeded);
    CHECK(States(*f.store, job.id) == std::vector<std::string>{"queued", "running", "queued", "running", "succeeded"});
  });
}

TEST_CASE("Renewing keeps the leases of a daemon's jobs alone", "[job_store]") {
  ForEachBackend([](Fixture& f, const BackendUnderTest&) {
    const Job mine = f.Running("a"), others = f.Running("b");
    f.clock.Advance(kLease - 1);
    CHECK(Get(f.store->Renew("a", kLease)) == std::vector<JobId>{mine.id});
    f.clock.Advance(2);
    const std::vector<Job> expired = Get(f.store->RecoverExpired());
    REQUIRE(expired.size() == 1);
    CHECK(expired[0].id == others.id);
    CHECK(Get(f.store->Renew("b", kLease)).empty());
  });
}

TEST_CASE("Events are numbered from one without gaps and read from any number on", "[job_store]") {
  ForEachBackend([](Fixture& f, const BackendUnderTest&) {
    const Job job = f.Running();
    for (int i = 0; i < 20; ++i) {
      JobUpdate update;
      JobEvent line;
      line.data = absl::StrCat("line ", i);
      update.events = {line, line};
      f.clock.Advance(1);
      Get(f.store->Update(job.id, job.epoch, update));
    }
    const std::vector<JobEvent> events = Get(f.store->Events(job.id, 1, 1000));
    REQUIRE(events.size() == 42);
    for (std::size_t i = 0; i < events.size(); ++i) CHECK(events[i].number == static_cast<std::int64_t>(i) + 1);
    CHECK(Get(f.store->Get("", job.id)).last_event == 42);
    const std::vector<JobEvent> some = Get(f.store->Events(job.id, 10, 5));
    REQUIRE(some.size() == 5);
    CHECK(some[0] == events[9]);
    CHECK(Get(f.store->Events(job.id, 43, 5)).empty());
    CHECK(f.store->Events(job.id + 1, 1, 5).status().code() == StatusCode::kNotFound);
  });
}

TEST_CASE("An attempt that fails is tried again later each time, and at last the job fails", "[job_store]") {
  ForEachBackend([](Fixture& f, const BackendUnderTest&) {
    const Job job = f.Submit();
    const JobReturn failed{Reason::kFailed, absl::ResourceExhaustedError("the disk is full")};
    std::int64_t waited = 0;
    for (int attempt = 1; attempt <= 3; ++attempt) {
      const Job running = Get(f.store->Claim(job.id, "a", kLease));
      CHECK(running.attempts == attempt);
      const Job back = Get(f.store->Return(job.id, running.epoch, failed));
      CHECK(back.error_code == "RESOURCE_EXHAUSTED");
      CHECK(back.error_message == "the disk is full");
      if (attempt == 3) {
        CHECK(back.state == JobState::kFailed);
        CHECK(back.finished_ms == f.clock.now->load());
        break;
      }
      CHECK(back.state == JobState::kQueued);
      const std::int64_t delay = back.not_before_ms - f.clock.now->load();
      CHECK(delay > waited);
      waited = delay;
      CHECK(Get(f.store->Heads()).empty());
      CHECK(f.store->Claim(job.id, "a", kLease).status().code() == StatusCode::kAborted);
      f.clock.Advance(delay);
      CHECK(Get(f.store->Heads()).size() == 1);
    }
    // By hand once more, with a new count.
    const Job retried = Get(f.store->Retry("alice", job.id));
    CHECK(retried.state == JobState::kQueued);
    CHECK(retried.attempts == 0);
    CHECK(retried.error_message.empty());
    CHECK(f.store->Retry("alice", job.id).status().code() == StatusCode::kFailedPrecondition);
  });
}

TEST_CASE("What can never succeed fails at its first attempt", "[job_store]") {
  ForEachBackend([](Fixture& f, const BackendUnderTest&) {
    const Job job = f.Running();
    CHECK(Get(f.store->Return(job.id, job.epoch, {Reason::kRefused, absl::NotFoundError("no field")})).state ==
          JobState::kFailed);
  });
}

TEST_CASE("A cancelled job stops at once when queued and when its daemon says so when running", "[job_store]") {
  ForEachBackend([](Fixture& f, const BackendUnderTest&) {
    const Job queued = f.Submit();
    CHECK(Get(f.store->Cancel("alice", queued.id)).state == JobState::kCancelled);
    CHECK(Get(f.store->Cancel("alice", queued.id)).state == JobState::kCancelled);
    CHECK(f.store->Cancel("bob", queued.id).status().code() == StatusCode::kNotFound);
    const Job running = f.Running();
    const Job asked = Get(f.store->Cancel("alice", running.id));
    CHECK(asked.state == JobState::kRunning);
    CHECK(asked.cancel_requested);
    CHECK(Get(f.store->Return(running.id, running.epoch, {Reason::kFailed, absl::CancelledError("")})).state ==
          JobState::kCancelled);
    const Job done = f.Running();
    Get(f.store->Finish(done.id, done.epoch, {}, false));
    CHECK(f.store->Cancel("alice", done.id).status().code() == StatusCode::kFailedPrecondition);
    CHECK(f.store->Pause("alice", done.id).status().code() == StatusCode::kFailedPrecondition);
    CHECK(f.store->Resume("alice", done.id).status().code() == StatusCode::kFailedPrecondition);
    CHECK(f.store->Retry("alice", done.id).status().code() == StatusCode::kFailedPrecondition);
    CHECK(f.store->SetPriority("alice", done.id, 1).status().code() == StatusCode::kFailedPrecondition);
  });
}

TEST_CASE("A paused job waits for resume, and neither pausing nor a drained daemon counts as an attempt",
          "[job_store]") {
  ForEachBackend([](Fixture& f, const BackendUnderTest&) {
    const Job job = f.Running();
    CHECK(Get(f.store->Pause("alice", job.id)).pause_requested);
    const Job paused = Get(f.store->Return(job.id, job.epoch, {Reason::kPaused, {}}));
    CHECK(paused.state == JobState::kPaused);
    CHECK(paused.attempts == 0);
    CHECK_FALSE(paused.pause_requested);
    CHECK(Get(f.store->Heads()).empty());
    CHECK(Get(f.store->Resume("alice", job.id)).state == JobState::kQueued);
    const Job again = Get(f.store->Claim(job.id, "a", kLease));
    const Job drained = Get(f.store->Return(job.id, again.epoch, {Reason::kDrained, {}}));
    CHECK(drained.state == JobState::kQueued);
    CHECK(drained.attempts == 0);
    CHECK(Get(f.store->Heads()).size() == 1);
  });
}

TEST_CASE("A daemon that comes back queues what it ran, and sets aside what killed it twice", "[job_store]") {
  ForEachBackend([](Fixture& f, const BackendUnderTest& backend) {
    const Job job = f.Running("a"), others = f.Running("b");
    const auto come_back = [&] {
      if (backend.durable) f.Reopen();
      return Get(f.store->RecoverOwn("a"));
    };
    const std::vector<Job> first = come_back();
    REQUIRE(first.size() == 1);
    CHECK(first[0].state == JobState::kQueued);
    CHECK(first[0].crashes == 1);
    CHECK(come_back().empty());
    Get(f.store->Claim(job.id, "a", kLease));
    const std::vector<Job> second = come_back();
    REQUIRE(second.size() == 1);
    CHECK(second[0].state == JobState::kFailed);
    CHECK(absl::StrContains(second[0].error_message, "died 2 times"));
    CHECK(Get(f.store->Get("", others.id)).state == JobState::kRunning);
    CHECK(Get(f.store->Retry("alice", job.id)).crashes == 0);
  });
}

TEST_CASE("A job that was to be cancelled or paused when its daemon died is", "[job_store]") {
  ForEachBackend([](Fixture& f, const BackendUnderTest&) {
    const Job cancelled = f.Running("a"), paused = f.Running("a");
    Get(f.store->Cancel("alice", cancelled.id));
    Get(f.store->Pause("alice", paused.id));
    CHECK(Get(f.store->RecoverOwn("a")).size() == 2);
    CHECK(Get(f.store->Get("", cancelled.id)).state == JobState::kCancelled);
    CHECK(Get(f.store->Get("", paused.id)).state == JobState::kPaused);
  });
}

TEST_CASE("Lists are newest first, by page, and by owner, state and kind", "[job_store]") {
  ForEachBackend([](Fixture& f, const BackendUnderTest&) {
    std::vector<JobId> ids;
    for (int i = 0; i < 25; ++i) {
      JobSubmission submission = Fixture::Plain();
      if (i % 5 == 0) submission.owner = "bob";
      if (i % 2 == 0) submission.kind = "train";
      ids.push_back(f.Submit(submission).id);
    }
    Get(f.store->Cancel("", ids[3]));
    JobQuery query;
    query.owner = "alice";
    query.limit = 6;
    std::vector<JobId> seen;
    while (true) {
      const std::vector<Job> page = Get(f.store->List(query));
      for (const Job& job : page) seen.push_back(job.id);
      if (page.size() < 6) break;
      query.before = page.back().id;
    }
    std::vector<JobId> expected;
    for (int i = 24; i >= 0; --i) {
      if (i % 5 != 0) expected.push_back(ids[static_cast<std::size_t>(i)]);
    }
    CHECK(seen == expected);
    query = JobQuery();
    query.states = {JobState::kCancelled, JobState::kFailed};
    CHECK(Get(f.store->List(query)).size() == 1);
    query.states = {JobState::kQueued};
    query.kind = "train";
    query.owner = "bob";
    CHECK(Get(f.store->List(query)).size() == 3);
  });
}

TEST_CASE("Old finished jobs are forgotten with all that was theirs, others stay, and ids are not used again",
          "[job_store]") {
  ForEachBackend([](Fixture& f, const BackendUnderTest&) {
    const Job old = f.Running();
    JobUpdate last;
    last.artifacts = {{"x", std::string(64, '1'), 1, "text/plain"}};
    Get(f.store->Finish(old.id, old.epoch, last, false));
    const Job waiting = f.Submit();
    CHECK(Get(f.store->Objects()) == std::vector<std::string>{std::string(64, '1')});
    f.clock.Advance(1000);
    const Job recent = f.Running();
    Get(f.store->Finish(recent.id, recent.epoch, {}, false));
    CHECK(Get(f.store->Prune(500)) == 1);
    CHECK(f.store->Get("", old.id).status().code() == StatusCode::kNotFound);
    CHECK(Get(f.store->Objects()).empty());
    Get(f.store->Get("", waiting.id));
    Get(f.store->Get("", recent.id));
    f.clock.Advance(1000);
    CHECK(Get(f.store->Prune(500)) == 1);
    CHECK(f.Submit().id > recent.id);
    CHECK(Get(f.store->Check()).empty());
  });
}

TEST_CASE("Whoever subscribes hears of every change until the subscription ends", "[job_store]") {
  ForEachBackend([](Fixture& f, const BackendUnderTest&) {
    std::mutex mutex;
    std::map<JobId, int> heard;
    auto subscription = f.store->Subscribe([&](JobId id) {
      const std::lock_guard<std::mutex> lock(mutex);
      ++heard[id];
    });
    const Job job = f.Running();
    Get(f.store->Finish(job.id, job.epoch, {}, false));
    {
      const std::lock_guard<std::mutex> lock(mutex);
      CHECK(heard[job.id] >= 3);
      heard.clear();
    }
    subscription.reset();
    f.Submit();
    CHECK(heard.empty());
  });
}

TEST_CASE("Two daemons with many threads run each of 200 jobs exactly once", "[job_store]") {
  ForEachBackend([](Fixture& f, const BackendUnderTest&) {
    for (int i = 0; i < 200; ++i) {
      JobSubmission submission = Fixture::Plain();
      submission.owner = absl::StrCat("tenant-", i % 7);
      f.Submit(submission);
    }
    std::mutex mutex;
    std::map<JobId, int> runs;
    std::atomic<int> errors{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 6; ++t) {
      threads.emplace_back([&, daemon = std::string(t % 2 == 0 ? "a" : "b")] {
        while (true) {
          const auto heads = f.store->Heads();
          if (!heads.ok()) {
            ++errors;
            return;
          }
          if (heads->empty()) return;
          for (const Job& head : *heads) {
            const auto claimed = f.store->Claim(head.id, daemon, kLease);
            if (!claimed.ok()) {
              if (!absl::IsAborted(claimed.status())) ++errors;
              continue;
            }
            {
              const std::lock_guard<std::mutex> lock(mutex);
              ++runs[head.id];
            }
            if (!f.store->Finish(head.id, claimed->epoch, {}, false).ok()) ++errors;
          }
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(errors == 0);
    CHECK(runs.size() == 200);
    CHECK(std::all_of(runs.begin(), runs.end(), [](const auto& run) { return run.second == 1; }));
    JobQuery query;
    query.states = {JobState::kSucceeded};
    query.limit = 1000;
    CHECK(Get(f.store->List(query)).size() == 200);
    CHECK(Get(f.store->Check()).empty());
  });
}

TEST_CASE("Ten thousand jobs are there after the daemon comes back", "[job_store]") {
  ForEachBackend([](Fixture& f, const BackendUnderTest& backend) {
    if (!backend.durable) return;
    constexpr int kJobs = 10'000, kThreads = 64;
    const auto begin = std::chrono::steady_clock::now();
    std::vector<std::thread> threads;
    std::atomic<int> errors{0};
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (int i = t; i < kJobs; i += kThreads) {
          JobSubmission submission = Fixture::Plain();
          submission.request_id = absl::StrCat("r", i);
          errors += f.store->Submit(submission).ok() ? 0 : 1;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(errors == 0);
    const double submitted = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    Get(f.store->Claim(Get(f.store->Heads()).front().id, "a", kLease));
    const auto reopened = std::chrono::steady_clock::now();
    f.Reopen();
    CHECK(Get(f.store->RecoverOwn("a")).size() == 1);
    CHECK(Get(f.store->Heads()).size() == 1);
    const double recovered = std::chrono::duration<double>(std::chrono::steady_clock::now() - reopened).count();
    JobQuery query;
    query.limit = 20'000;
    CHECK(Get(f.store->List(query)).size() == kJobs);
    std::cout << backend.name << ": " << kJobs / submitted << " durable submits/s from " << kThreads
              << " threads; opened and recovered in " << recovered << " s\n";
  });
}

}  // namespace
}  // namespace dvren::server
