// JobBackend: where a JobStore keeps its rows. It knows nothing of what they mean: rules are the JobStore's, the same
// for every backend. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "dvren/core/status.h"
#include "server/jobs/job.h"

namespace dvren::server {

struct JobQuery {
  std::string owner;             // "": of all
  std::vector<JobState> states;  // none: all
  std::string kind;              // "": all
  JobId before = 0;              // ids below this; 0: from the newest
  int limit = 100;
};

// Reads and writes of one transaction. What it reads nobody changes until it ends.
class JobTransaction {
 public:
  virtual ~JobTransaction() = default;
  // NOT_FOUND where there is none.
  [[nodiscard]] virtual absl::StatusOr<Job> Load(JobId id) = 0;
  [[nodiscard]] virtual absl::Status Save(const Job& job) = 0;
  // `job.id` is not read; gives the new one, above all that there were.
  [[nodiscard]] virtual absl::StatusOr<JobId> Insert(const Job& job) = 0;
  // Their numbers are those after the last one's.
  [[nodiscard]] virtual absl::Status Append(JobId id, const std::vector<JobEvent>& events) = 0;
  // In the place of one with the same name.
  [[nodiscard]] virtual absl::Status PutArtifact(JobId id, const JobArtifact& artifact) = 0;
  // The job of this owner with this request id, never "".
  [[nodiscard]] virtual absl::StatusOr<std::optional<JobId>> FindRequest(const std::string& owner,
                                                                         const std::string& request_id) = 0;
  // Jobs of an owner that are not finished.
  [[nodiscard]] virtual absl::StatusOr<std::int64_t> CountUnfinished(const std::string& owner) = 0;
  // Running ones that `daemon` has claimed.
  [[nodiscard]] virtual absl::StatusOr<std::vector<JobId>> RunningOf(const std::string& daemon) = 0;
  // Running ones of any daemon whose lease ended before `now_ms`.
  [[nodiscard]] virtual absl::StatusOr<std::vector<JobId>> Expired(std::int64_t now_ms) = 0;
  // With its events and artifacts.
  [[nodiscard]] virtual absl::Status Delete(JobId id) = 0;
};

class JobBackend {
 public:
  virtual ~JobBackend() = default;
  [[nodiscard]] virtual std::string name() const = 0;  // "sqlite", "postgresql", "memory"

  // Runs `body` in a transaction, maybe more than once, on any thread. OK: all that it wrote is durable. Otherwise
  // nothing has changed, and the error is the body's or the backend's: RESOURCE_EXHAUSTED for a full disk, UNAVAILABLE
  // for a store that is busy or away, DATA_LOSS for a damaged one.
  [[nodiscard]] virtual absl::Status Write(const std::function<absl::Status(JobTransaction&)>& body) = 0;

  // Reads see what was durable when they began.
  [[nodiscard]] virtual absl::StatusOr<Job> Get(JobId id) = 0;
  [[nodiscard]] virtual absl::StatusOr<std::vector<Job>> List(const JobQuery& query) = 0;  // newest first
  // Of each owner and class the queued job that is next: not_before_ms <= now_ms, highest priority, then lowest id.
  [[nodiscard]] virtual absl::StatusOr<std::vector<Job>> Heads(std::int64_t now_ms) = 0;
  [[nodiscard]] virtual absl::StatusOr<std::vector<JobEvent>> Events(JobId id, std::int64_t from, int limit) = 0;
  [[nodiscard]] virtual absl::StatusOr<std::vector<JobArtifact>> Artifacts(JobId id) = 0;  // by name
  // Finished before `finished_before_ms`, oldest first.
  [[nodiscard]] virtual absl::StatusOr<std::vector<JobId>> FinishedBefore(std::int64_t finished_before_ms,
                                                                          int limit) = 0;
  // SHA-256 of all artifacts of all jobs, each once.
  [[nodiscard]] virtual absl::StatusOr<std::vector<std::string>> Objects() = 0;
  // What is wrong with the rows; a sentence each. None: sound.
  [[nodiscard]] virtual absl::StatusOr<std::vector<std::string>> Check() = 0;

  // `changed` is called, from any thread, for jobs that other daemons have changed; null: no more.
  virtual void Listen(std::function<void(JobId)> changed) = 0;
};

}  // namespace dvren::server
