// What the job store on SQLite does with disks and files that are not as they should be.
#include <sqlite3.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <thread>

#include "absl/strings/match.h"
#include "server/jobs/job_store.h"
#include "server/jobs/open_job_backend.h"
#include "server/jobs/sqlite_connection.h"
#include "server/jobs/sqlite_job_schema.h"
#include "support/temp_folder.h"
#include "unit/jobs/job_backends.h"
#include "unit/jobs/sqlite_faults.h"

namespace dvren::server {
namespace {

using absl::StatusCode;

JobSubmission Plain() {
  JobSubmission submission;
  submission.owner = "alice";
  submission.kind = "bench";
  return submission;
}

std::unique_ptr<JobStore> OpenStore(const std::string& folder) {
  absl::StatusOr<std::unique_ptr<JobBackend>> backend = OpenJobBackend(folder);
  INFO(backend.status());
  REQUIRE(backend.ok());
  return std::make_unique<JobStore>(*std::move(backend), TestClock().clock());
}

std::size_t CountJobs(JobStore& store) {
  JobQuery query;
  query.limit = 100'000;
  const auto jobs = store.List(query);
  REQUIRE(jobs.ok());
  return jobs->size();
}

TEST_CASE("A full disk refuses every submit, loses none that was acknowledged, and works again once there is room",
          "[sqlite_jobs]") {
  const test::TempFolder folder;
  test::SetSqliteFault(0);
  auto store = OpenStore(folder.path());
  for (int i = 0; i < 10; ++i) REQUIRE(store->Submit(Plain()).ok());
  test::SetSqliteFault(SQLITE_FULL);
  std::vector<std::thread> threads;
  std::atomic<int> exhausted{0};
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5; ++i) {
        const absl::Status status = store->Submit(Plain()).status();
        if (absl::IsResourceExhausted(status) && absl::StrContains(status.message(), "free space")) ++exhausted;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(exhausted == 40);
  CHECK(CountJobs(*store) == 10);
  CHECK(store->Get("alice", 1).ok());
  test::SetSqliteFault(0);
  CHECK(store->Submit(Plain()).ok());
  store = OpenStore(folder.path());
  CHECK(CountJobs(*store) == 11);
  CHECK(store->Check()->empty());
}

TEST_CASE("What a disk did not take at an fsync is not acknowledged", "[sqlite_jobs]") {
  const test::TempFolder folder;
  test::SetSqliteFault(0);
  auto store = OpenStore(folder.path());
  REQUIRE(store->Submit(Plain()).ok());
  test::SetSqliteFault(SQLITE_IOERR_FSYNC, true);
  CHECK(store->Submit(Plain()).status().code() == StatusCode::kUnavailable);
  test::SetSqliteFault(0);
  CHECK(CountJobs(*store) == 1);
  REQUIRE(store->Submit(Plain()).ok());
  store = OpenStore(folder.path());
  CHECK(CountJobs(*store) == 2);
}

TEST_CASE("A queue whose file is gone is refused, not begun anew", "[sqlite_jobs]") {
  const test::TempFolder folder;
  OpenStore(folder.path());
  std::filesystem::remove(folder / "queue.sqlite");
  const absl::Status status = OpenJobBackend(folder.path()).status();
  CHECK(status.code() == StatusCode::kDataLoss);
  CHECK(absl::StrContains(status.message(), "restore it from a backup"));
}

TEST_CASE("A damaged queue is refused with what to do", "[sqlite_jobs]") {
  const test::TempFolder folder;
  {
    auto store = OpenStore(folder.path());
    for (int i = 0; i < 200; ++i) REQUIRE(store->Submit(Plain()).ok());
  }
  const std::string path = folder / "queue.sqlite";
  const auto size = std::filesystem::file_size(path);
  SECTION("in its middle") {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(size / 2 / 4096 * 4096));
    file << std::string(4096, '\x5a');
  }
  SECTION("at its start") {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file << "not a database at all";
  }
  SECTION("cut off") {
    std::filesystem::resize_file(path, size / 2);
  }
  SECTION("emptied") {  // SQLite takes an empty file for a new database
    std::filesystem::resize_file(path, 0);
  }
  const absl::Status status = OpenJobBackend(folder.path()).status();
  INFO(status);
  CHECK(status.code() == StatusCode::kDataLoss);
  CHECK(absl::StrContains(status.message(), "queue.sqlite"));
  CHECK(absl::StrContains(status.message(), "backup"));
}

TEST_CASE("A queue that a newer dvrend wrote is refused and stays as it is", "[sqlite_jobs]") {
  const test::TempFolder folder;
  REQUIRE(OpenStore(folder.path())->Submit(Plain()).ok());
  const std::string path = folder / "queue.sqlite";
  const auto set_version = [&](int version) {
    const auto connection = SqliteConnection::Open(path, false);
    REQUIRE(connection.ok());
    REQUIRE((*connection)->Run("PRAGMA user_version = " + std::to_string(version)).ok());
  };
  set_version(99);
  const absl::Status status = OpenJobBackend(folder.path()).status();
  CHECK(status.code() == StatusCode::kFailedPrecondition);
  CHECK(absl::StrContains(status.message(), "has version 99"));
  set_version(kSqliteJobSchemaVersion);
  CHECK(CountJobs(*OpenStore(folder.path())) == 1);
}

TEST_CASE("A queue of version 1 is brought up to date, and its unfinished jobs count", "[sqlite_jobs]") {
  const test::TempFolder folder;
  {
    const auto store = OpenStore(folder.path());
    REQUIRE(store->Submit(Plain()).ok());
    REQUIRE(store->Submit(Plain()).ok());
    REQUIRE(store->Cancel("", 1).ok());
  }
  {
    const auto connection = SqliteConnection::Open(folder / "queue.sqlite", false);
    REQUIRE(connection.ok());
    // As version 1 left it.
    REQUIRE((*connection)
                ->Run("DROP TRIGGER unfinished_inserted; DROP TRIGGER unfinished_changed; DROP TRIGGER "
                      "unfinished_deleted; DROP TABLE unfinished; PRAGMA user_version = 1")
                .ok());
  }
  const auto store = OpenStore(folder.path());
  CHECK(CountJobs(*store) == 2);
  JobSubmission submission = Plain();
  submission.max_unfinished = 2;
  CHECK(store->Submit(submission).ok());
  CHECK(store->Submit(submission).status().code() == StatusCode::kResourceExhausted);
  const auto findings = store->Check();
  REQUIRE(findings.ok());
  CHECK(findings->empty());
}

TEST_CASE("A count of unfinished jobs that is wrong is found", "[sqlite_jobs]") {
  const test::TempFolder folder;
  const auto store = OpenStore(folder.path());
  REQUIRE(store->Submit(Plain()).ok());
  const auto connection = SqliteConnection::Open(folder / "queue.sqlite", false);
  REQUIRE(connection.ok());
  REQUIRE((*connection)->Run("UPDATE unfinished SET jobs = 5").ok());
  const auto findings = store->Check();
  REQUIRE(findings.ok());
  REQUIRE(findings->size() == 1);
  CHECK(absl::StrContains(findings->front(), "alice"));
}

TEST_CASE("While another program holds the queue's file, all who write hear so after one wait", "[sqlite_jobs]") {
  const test::TempFolder folder;
  auto store = OpenStore(folder.path());
  REQUIRE(store->Submit(Plain()).ok());
  const auto other = SqliteConnection::Open(folder / "queue.sqlite", false);
  REQUIRE(other.ok());
  REQUIRE((*other)->Run("BEGIN IMMEDIATE").ok());
  const auto begin = std::chrono::steady_clock::now();
  std::vector<std::thread> threads;
  std::atomic<int> refused{0};
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      const absl::Status status = store->Submit(Plain()).status();
      if (absl::IsUnavailable(status) && absl::StrContains(status.message(), "another program holds it")) ++refused;
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::chrono::duration<double> waited = std::chrono::steady_clock::now() - begin;
  CHECK(refused == 8);
  // The wait is 5 s: the first group's, and that of the group which came meanwhile. One for each writer would be 40 s.
  CHECK(waited.count() < 30);
  CHECK(CountJobs(*store) == 1);
  REQUIRE((*other)->Run("ROLLBACK").ok());
  CHECK(store->Submit(Plain()).ok());
  CHECK(CountJobs(*store) == 2);
}

TEST_CASE("The store finds rows that do not belong together", "[sqlite_jobs]") {
  const test::TempFolder folder;
  auto store = OpenStore(folder.path());
  const auto job = store->Submit(Plain());
  REQUIRE(job.ok());
  {
    const auto connection = SqliteConnection::Open(folder / "queue.sqlite", false);
    REQUIRE(connection.ok());
    REQUIRE((*connection)
                ->Run("DELETE FROM events; UPDATE jobs SET state = 1;"
                      " INSERT INTO artifacts VALUES (77, 'a', 'b', 1, 'c')")
                .ok());
  }
  const auto findings = store->Check();
  REQUIRE(findings.ok());
  CHECK(*findings == std::vector<std::string>{"artifacts without a job: jobs/77",
                                              "events are not numbered without gaps: jobs/1",
                                              "runs, and nobody runs it: jobs/1"});
}

TEST_CASE("One commit for many submits is faster than one for each, and reads are fast", "[sqlite_jobs]") {
  const test::TempFolder folder;
  test::SetSqliteFault(0);
  using Clock = std::chrono::steady_clock;
  const auto seconds = [](Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
  };
  // The same rows by SQLite itself, one after the other.
  constexpr int kSingle = 1000, kGrouped = 20'000, kThreads = 64, kReads = 20'000;
  const auto bare = SqliteConnection::Open(folder / "bare.sqlite", false);
  REQUIRE(bare.ok());
  REQUIRE((*bare)->ReadText("PRAGMA journal_mode = WAL").ok());
  REQUIRE((*bare)
              ->Run("PRAGMA synchronous = FULL; CREATE TABLE jobs (id INTEGER PRIMARY KEY, spec BLOB);"
                    "CREATE TABLE events (job_id INTEGER, number INTEGER, data BLOB)")
              .ok());
  auto begin = Clock::now();
  for (int i = 0; i < kSingle; ++i) {
    REQUIRE((*bare)
                ->Run("BEGIN; INSERT INTO jobs (spec) VALUES ('x'); INSERT INTO events VALUES (1, 1, 'queued'); COMMIT")
                .ok());
  }
  const double single = kSingle / seconds(begin);
  auto store = OpenStore(folder.path() + "/store");
  begin = Clock::now();
  std::vector<std::thread> threads;
  std::atomic<int> errors{0};
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kGrouped / kThreads; ++i) errors += store->Submit(Plain()).ok() ? 0 : 1;
    });
  }
  for (std::thread& thread : threads) thread.join();
  const double grouped = kGrouped / kThreads * kThreads / seconds(begin);
  CHECK(errors == 0);
  begin = Clock::now();
  for (int i = 0; i < kReads; ++i) errors += store->Get("alice", 1 + i % 1000).ok() ? 0 : 1;
  const double reads = kReads / seconds(begin);
  CHECK(errors == 0);
  std::cout << "sqlite alone: " << single << " commits/s; job store: " << grouped << " submits/s from " << kThreads
            << " threads, " << reads << " reads/s from one\n";
}

}  // namespace
}  // namespace dvren::server
