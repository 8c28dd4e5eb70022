// What the job store on PostgreSQL does beside what every store does: many daemons, and a server that comes and goes.
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <map>
#include <mutex>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/jobs/job_store.h"
#include "server/jobs/open_job_backend.h"
#include "server/jobs/postgres_connection.h"
#include "unit/jobs/job_backends.h"
#include "unit/jobs/postgres_server.h"

namespace dvren::server {
namespace {

using absl::StatusCode;

JobSubmission Plain() {
  JobSubmission submission;
  submission.owner = "alice";
  submission.kind = "bench";
  return submission;
}

std::unique_ptr<JobStore> OpenStore(const std::string& url, const TestClock& clock) {
  absl::StatusOr<std::unique_ptr<JobBackend>> backend = OpenJobBackend(url);
  INFO(backend.status());
  REQUIRE(backend.ok());
  return std::make_unique<JobStore>(*std::move(backend), clock.clock());
}

// Which jobs a store's subscriber was told of.
struct Heard {
  std::mutex mutex;
  std::map<JobId, int> times;
  std::function<void(JobId)> callback() {
    return [this](JobId id) {
      const std::lock_guard<std::mutex> lock(mutex);
      ++times[id];
    };
  }
  bool WaitFor(JobId id) {
    for (int i = 0; i < 1000; ++i) {
      {
        const std::lock_guard<std::mutex> lock(mutex);
        if (times.count(id) > 0) return true;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }
};

TEST_CASE("A daemon hears what another has changed, and of its own changes once", "[postgres_jobs]") {
  const auto server = test::PostgresServer::Start();
  if (server == nullptr) return;
  const TestClock clock;
  const std::string url = server->NewDatabase();
  const auto a = OpenStore(url, clock), b = OpenStore(url, clock);
  Heard at_a, at_b;
  const auto subscribed_a = a->Subscribe(at_a.callback()), subscribed_b = b->Subscribe(at_b.callback());
  // The listeners connect by themselves, some time later: until then nothing is heard.
  JobId first = 0;
  for (bool heard = false; !heard;) {
    first = a->Submit(Plain())->job.id;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const std::lock_guard<std::mutex> lock(at_b.mutex);
    heard = at_b.times.count(first) > 0;
  }
  const JobId last = b->Submit(Plain())->job.id;
  CHECK(at_a.WaitFor(last));
  const std::lock_guard<std::mutex> lock(at_a.mutex);
  CHECK(at_a.times[first] == 1);
}

TEST_CASE("Two daemons of one server run each of 200 jobs exactly once", "[postgres_jobs]") {
  const auto server = test::PostgresServer::Start();
  if (server == nullptr) return;
  const TestClock clock;
  const std::string url = server->NewDatabase();
  const auto a = OpenStore(url, clock), b = OpenStore(url, clock);
  for (int i = 0; i < 200; ++i) {
    JobSubmission submission = Plain();
    submission.owner = absl::StrCat("tenant-", i % 5);
    REQUIRE(a->Submit(submission).ok());
  }
  std::mutex mutex;
  std::map<JobId, int> runs;
  std::atomic<int> errors{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&, store = t % 2 == 0 ? a.get() : b.get(), name = absl::StrCat(t % 2 == 0 ? "a" : "b")] {
      while (true) {
        const auto heads = store->Heads();
        if (!heads.ok()) ++errors;
        if (!heads.ok() || heads->empty()) return;
        for (const Job& head : *heads) {
          const auto claimed = store->Claim(head.id, name, 30'000);
          if (!claimed.ok() && !absl::IsAborted(claimed.status())) ++errors;
          if (!claimed.ok()) continue;
          {
            const std::lock_guard<std::mutex> lock(mutex);
            ++runs[head.id];
          }
          if (!store->Renew(name, 30'000).ok()) ++errors;
          if (!store->Finish(head.id, claimed->epoch, {}, false).ok()) ++errors;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(errors == 0);
  CHECK(runs.size() == 200);
  for (const auto& [id, times] : runs) CHECK(times == 1);
}

TEST_CASE("The same request from many daemons at once makes one job", "[postgres_jobs]") {
  const auto server = test::PostgresServer::Start();
  if (server == nullptr) return;
  const TestClock clock;
  const std::string url = server->NewDatabase();
  const auto a = OpenStore(url, clock), b = OpenStore(url, clock);
  std::mutex mutex;
  std::map<std::string, std::map<JobId, int>> made;
  std::vector<std::thread> threads;
  std::atomic<int> errors{0};
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, store = t % 2 == 0 ? a.get() : b.get()] {
      for (int i = 0; i < 25; ++i) {
        JobSubmission submission = Plain();
        submission.request_id = absl::StrCat("r", i);
        submission.max_unfinished = 25;
        const auto submitted = store->Submit(submission);
        if (!submitted.ok()) {
          ++errors;
          continue;
        }
        const std::lock_guard<std::mutex> lock(mutex);
        ++made[submission.request_id][submitted->job.id];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(errors == 0);
  CHECK(made.size() == 25);
  for (const auto& [request, ids] : made) CHECK(ids.size() == 1);
  CHECK(a->Submit(Plain()).ok());
}

TEST_CASE("Daemons that start together on an empty server all get their tables", "[postgres_jobs]") {
  const auto server = test::PostgresServer::Start();
  if (server == nullptr) return;
  const std::string url = server->NewDatabase();
  std::atomic<int> errors{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t) threads.emplace_back([&] { errors += OpenJobBackend(url).ok() ? 0 : 1; });
  for (std::thread& thread : threads) thread.join();
  CHECK(errors == 0);
}

TEST_CASE("A server that crashes loses no acknowledged job, and daemons go on when it is back", "[postgres_jobs]") {
  const auto server = test::PostgresServer::Start();
  if (server == nullptr) return;
  const TestClock clock;
  const std::string url = server->NewDatabase();
  const auto a = OpenStore(url, clock), b = OpenStore(url, clock);
  Heard at_b;
  const auto subscription = b->Subscribe(at_b.callback());
  // Four threads submit over the crashes.
  std::atomic<bool> stop{false};
  std::mutex mutex;
  std::map<std::string, JobId> acknowledged;
  std::atomic<int> wrong{0}, next{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      while (!stop) {
        JobSubmission submission = Plain();
        submission.request_id = absl::StrCat("r", next++);
        const auto submitted = a->Submit(submission);
        if (submitted.ok()) {
          const std::lock_guard<std::mutex> lock(mutex);
          acknowledged[submission.request_id] = submitted->job.id;
        } else {
          wrong += absl::IsUnavailable(submitted.status()) ? 0 : 1;
          std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
      }
    });
  }
  // Several times: some commits were under way each time, before or after their fsync.
  for (int crash = 0; crash < 4; ++crash) {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    server->Crash();
    CHECK(b->Get("alice", 1).status().code() == StatusCode::kUnavailable);
    server->Restart();
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  stop = true;
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(acknowledged.size() > 10);
  for (const auto& [request, id] : acknowledged) {
    const auto job = b->Get("alice", id);
    INFO(job.status());
    REQUIRE(job.ok());
    CHECK(job->request_id == request);
  }
  // The listener connects again, and tells of what it may have missed.
  CHECK(at_b.WaitFor(a->Submit(Plain())->job.id));
}

TEST_CASE("What cannot be a queue is refused with what to do, and passwords are not shown", "[postgres_jobs]") {
  const absl::Status nobody = OpenJobBackend("postgresql://eve:hunter2@/queue?host=/nowhere").status();
  CHECK(nobody.code() == StatusCode::kUnavailable);
  CHECK_FALSE(absl::StrContains(nobody.message(), "hunter2"));
  const absl::Status wrong = OpenJobBackend("postgresql://eve:hunter2@/queue?what=ever").status();
  CHECK(wrong.code() == StatusCode::kInvalidArgument);
  CHECK_FALSE(absl::StrContains(wrong.message(), "hunter2"));
  const auto server = test::PostgresServer::Start();
  if (server == nullptr) return;
  const TestClock clock;
  const std::string url = server->NewDatabase();
  REQUIRE(OpenStore(url, clock)->Submit(Plain()).ok());
  const auto connection = PostgresConnection::Open(url);
  REQUIRE(connection.ok());
  REQUIRE((*connection)->Run("UPDATE version SET version = 99").ok());
  const absl::Status newer = OpenJobBackend(url).status();
  CHECK(newer.code() == StatusCode::kFailedPrecondition);
  CHECK(absl::StrContains(newer.message(), "has version 99"));
  // As version 1 left it: it is brought up to date, and keeps its jobs.
  REQUIRE(
      (*connection)->Run("UPDATE version SET version = 1; DROP TABLE shared_folder; DROP INDEX jobs_unfinished").ok());
  CHECK(OpenStore(url, clock)->Get("alice", 1).ok());
  REQUIRE((*connection)->Run("ALTER SYSTEM SET fsync = off").ok());
  REQUIRE((*connection)->Run("SELECT pg_reload_conf()").ok());
  absl::Status lossy;
  for (int i = 0; i < 100 && lossy.ok(); ++i) {  // the server takes a moment
    lossy = OpenJobBackend(url).status();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  CHECK(lossy.code() == StatusCode::kFailedPrecondition);
  CHECK(absl::StrContains(lossy.message(), "fsync = off"));
}

TEST_CASE("An error message that is no UTF-8 is kept, a title that is none is refused", "[postgres_jobs]") {
  const auto server = test::PostgresServer::Start();
  if (server == nullptr) return;
  const TestClock clock;
  const auto store = OpenStore(server->NewDatabase(), clock);
  JobSubmission submission = Plain();
  submission.title = std::string(1, '\xff');
  CHECK(store->Submit(submission).status().code() == StatusCode::kInvalidArgument);
  const auto job = store->Claim(store->Submit(Plain())->job.id, "a", 1000);
  REQUIRE(job.ok());
  const auto failed =
      store->Return(job->id, job->epoch, {JobReturn::Reason::kRefused, absl::NotFoundError("no file \xe4.png")});
  REQUIRE(failed.ok());
  CHECK(store->Get("", job->id)->error_message == "no file \xe4.png");
}

}  // namespace
}  // namespace dvren::server
