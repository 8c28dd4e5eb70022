// Random operations on every kind of job store at once: all must answer the same, and what they answer must hold
// together by rules that are checked here once more.
#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <random>

#include "absl/strings/str_cat.h"
#include "server/jobs/job_store.h"
#include "unit/jobs/job_backends.h"

namespace dvren::server {
namespace {

constexpr std::int64_t kLease = 1000;
constexpr int kAll = 100'000;

struct UnderTest {
  std::string name;
  bool durable;
  BackendUnderTest::Queue queue;
  std::unique_ptr<JobStore> store;
};

// An answer as text, so that answers of all kinds can be compared, and read when they differ.
std::string Text(const Job& job) {
  return absl::StrCat("jobs/", job.id, " ", job.owner, " class ", static_cast<int>(job.work_class), " priority ",
                      job.priority, " request ", job.request_id, " ", JobStateName(job.state), " attempts ",
                      job.attempts, " crashes ", job.crashes, " not before ", job.not_before_ms, " asked ",
                      job.cancel_requested, job.pause_requested, " error ", job.error_code, " ", job.error_message,
                      " done ", job.done, " resume ", job.resume, " times ", job.created_ms, " ", job.started_ms, " ",
                      job.finished_ms, " epoch ", job.epoch, " by ", job.daemon, " until ", job.lease_until_ms,
                      " events ", job.last_event);
}
std::string Text(JobId id) {
  return absl::StrCat(id);
}
std::string Text(int count) {
  return absl::StrCat(count);
}
std::string Text(const SubmittedJob& submitted) {
  return absl::StrCat(submitted.existed ? "existed " : "new ", Text(submitted.job));
}
template <class T>
std::string Text(const std::vector<T>& values) {
  std::string text;
  for (const T& value : values) absl::StrAppend(&text, Text(value), "\n");
  return text;
}
template <class T>
std::string Text(const absl::StatusOr<T>& answer) {
  return answer.ok() ? Text(*answer) : std::string(answer.status().ToString());
}

// What holds of each job by its events alone, and of the heads by the list.
void CheckRules(JobStore& store, std::int64_t now_ms) {
  JobQuery query;
  query.limit = kAll;
  const auto jobs = store.List(query);
  REQUIRE(jobs.ok());
  std::map<std::pair<std::string, int>, Job> expected;
  for (const Job& job : *jobs) {
    CAPTURE(Text(job));
    const auto events = store.Events(job.id, 1, kAll);
    REQUIRE(events.ok());
    REQUIRE(static_cast<std::int64_t>(events->size()) == job.last_event);
    std::string state;
    std::int64_t claims = 0;
    const std::map<std::string, std::vector<std::string>> arrows{
        {"", {"queued"}},
        {"queued", {"running", "paused", "cancelled"}},
        {"running", {"queued", "paused", "succeeded", "failed", "cancelled"}},
        {"paused", {"queued", "cancelled"}},
        {"failed", {"queued"}},
        {"cancelled", {"queued"}},
        {"succeeded", {}}};
    for (std::size_t i = 0; i < events->size(); ++i) {
      const JobEvent& event = (*events)[i];
      CHECK(event.number == static_cast<std::int64_t>(i) + 1);
      if (event.kind != JobEventKind::kState) continue;
      const std::vector<std::string>& next = arrows.at(state);
      CHECK(std::find(next.begin(), next.end(), event.data) != next.end());
      state = event.data;
      claims += state == "running" ? 1 : 0;
    }
    CHECK(state == JobStateName(job.state));
    CHECK(job.epoch == claims);  // each claim has an epoch of its own
    CHECK(job.attempts >= 0);
    CHECK(job.attempts <= job.max_attempts);
    CHECK((job.finished_ms != 0) == IsFinished(job.state));
    CHECK(job.daemon.empty() == (job.state != JobState::kRunning));
    if (job.state != JobState::kQueued || job.not_before_ms > now_ms) continue;
    const auto [head, first] = expected.try_emplace({job.owner, static_cast<int>(job.work_class)}, job);
    // The list goes from the newest to the oldest: of equals the later seen is the older.
    if (!first && job.priority >= head->second.priority) head->second = job;
  }
  const auto heads = store.Heads();
  REQUIRE(heads.ok());
  std::vector<Job> expected_heads;
  for (const auto& [key, job] : expected) expected_heads.push_back(job);
  CHECK(Text(*heads) == Text(expected_heads));
}

TEST_CASE("Random operations give the same on every kind of store, and keep its rules", "[job_store]") {
  const TestClock clock;
  std::vector<UnderTest> stores;
  for (const BackendUnderTest& backend : BackendsUnderTest()) {
    UnderTest one{backend.name, backend.durable, backend.make(), nullptr};
    one.store = std::make_unique<JobStore>(one.queue.open(), clock.clock());
    stores.push_back(std::move(one));
  }
  std::mt19937 random(20260514);
  const auto below = [&](int end) { return static_cast<int>(random() % static_cast<unsigned>(end)); };
  const auto owner = [&] { return absl::StrCat("owner-", below(3)); };
  const auto daemon = [&] { return absl::StrCat("daemon-", below(2)); };
  JobId newest = 0;
  const auto job_id = [&] { return std::max<JobId>(1, newest - below(12)); };
  for (int step = 0; step < 3000; ++step) {
    // Drawn once, done on each.
    std::function<std::string(JobStore&)> operation;
    const JobId id = job_id();
    const absl::StatusOr<Job> known = stores[0].store->Get("", id);
    // Mostly the claim that holds, at times one before.
    const std::int64_t epoch = (known.ok() ? known->epoch : 0) - (below(8) == 0 ? 1 : 0);
    const std::string who = below(4) == 0 ? owner() : std::string();
    const int kind = below(20);
    CAPTURE(step, kind, id, epoch, who);
    if (kind < 4) {
      JobSubmission submission;
      submission.owner = owner();
      submission.kind = below(2) == 0 ? "train" : "render";
      submission.spec = absl::StrCat("spec ", below(2));
      submission.work_class = static_cast<WorkClass>(below(3));
      submission.priority = below(3) - 1;
      if (below(2) == 0) submission.request_id = absl::StrCat("request ", below(10));
      if (below(3) == 0) submission.max_unfinished = 8;
      operation = [submission](JobStore& store) { return Text(store.Submit(submission)); };
    } else if (kind < 8) {
      operation = [id, name = daemon()](JobStore& store) { return Text(store.Claim(id, name, kLease)); };
    } else if (kind == 8) {
      operation = [=](JobStore& store) { return Text(store.Cancel(who, id)); };
    } else if (kind == 9) {
      operation = [=](JobStore& store) { return Text(store.Pause(who, id)); };
    } else if (kind == 10) {
      operation = [=](JobStore& store) { return Text(store.Resume(who, id)); };
    } else if (kind == 11) {
      operation = [=](JobStore& store) { return Text(store.Retry(who, id)); };
    } else if (kind == 12) {
      operation = [=, priority = below(5) - 2](JobStore& store) { return Text(store.SetPriority(who, id, priority)); };
    } else if (kind < 15) {
      JobUpdate update;
      update.done = below(100);
      if (below(2) == 0) update.resume = absl::StrCat("frame ", below(100));
      if (below(2) == 0) update.artifacts = {{absl::StrCat("f", below(3)), std::string(64, 'a'), 1, "image/png"}};
      operation = [=](JobStore& store) { return Text(store.Update(id, epoch, update)); };
    } else if (kind == 15) {
      operation = [=, cancelled = below(3) == 0](JobStore& store) {
        return Text(store.Finish(id, epoch, {}, cancelled));
      };
    } else if (kind == 16) {
      JobReturn how;
      how.reason = static_cast<JobReturn::Reason>(below(4));
      how.error = absl::DataLossError("lost");
      operation = [=](JobStore& store) { return Text(store.Return(id, epoch, how)); };
    } else if (kind == 17) {
      operation = [name = daemon()](JobStore& store) { return Text(store.Renew(name, kLease)); };
    } else if (kind == 18) {
      const bool own = below(4) == 0;
      operation = [own, name = daemon()](JobStore& store) {
        return Text(own ? store.RecoverOwn(name) : store.RecoverExpired());
      };
    } else {
      clock.Advance(below(10) == 0 ? 20'000 : 300);
      operation = [prune = below(5) == 0](JobStore& store) {
        return prune ? Text(store.Prune(60'000)) : std::string();
      };
    }
    const std::string first = operation(*stores[0].store);
    for (std::size_t i = 1; i < stores.size(); ++i) {
      CAPTURE(stores[i].name);
      REQUIRE(operation(*stores[i].store) == first);
    }
    JobQuery last;
    last.limit = 1;
    const auto jobs = stores[0].store->List(last);
    if (jobs.ok() && !jobs->empty()) newest = jobs->front().id;
    if (step % 250 != 249) continue;
    for (UnderTest& one : stores) {
      CAPTURE(one.name);
      if (one.durable) {
        one.store.reset();
        one.store = std::make_unique<JobStore>(one.queue.open(), clock.clock());
      }
      CheckRules(*one.store, clock.now->load());
      CHECK(one.store->Check()->empty());
    }
  }
  CHECK(newest > 200);
}

}  // namespace
}  // namespace dvren::server
