// Job: work that outlives the call that asked for it, as plain data, and the states that it goes through:
//
//   Queued -> Running -> Succeeded | Failed | Cancelled
//   Queued <-> Paused, Running -> Queued (another attempt, a daemon that stops or has died) | Paused
//   Failed | Cancelled -> Queued (a retry that was asked for)
//
// Times are milliseconds since 1970 UTC.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dvren/core/status.h"
#include "server/jobs/work_class.h"

namespace dvren::server {

using JobId = std::int64_t;

enum class JobState : std::uint8_t { kQueued, kRunning, kPaused, kSucceeded, kFailed, kCancelled };
inline constexpr int kJobStates = 6;
[[nodiscard]] const char* JobStateName(JobState state);  // "queued", …
[[nodiscard]] constexpr bool IsFinished(JobState state) {
  return state == JobState::kSucceeded || state == JobState::kFailed || state == JobState::kCancelled;
}
// Whether a job may go from one to the other.
[[nodiscard]] bool MayGo(JobState from, JobState to);

// A file that a job has made, or works on; its bytes lie in the object store under their hash, and stay there while the
// job is remembered.
struct JobArtifact {
  std::string name;    // once per job
  std::string sha256;  // 64 lowercase hex digits
  std::uint64_t bytes = 0;
  std::string media_type;
  friend bool operator==(const JobArtifact&, const JobArtifact&) = default;
};

// Names with a '/' are those of what a job works on: no artifact to show, and no event.
[[nodiscard]] inline bool IsInput(const std::string& artifact_name) {
  return artifact_name.find('/') != std::string::npos;
}

enum class JobEventKind : std::uint8_t { kState, kProgress, kArtifact, kLog };
inline constexpr int kJobEventKinds = 4;

struct JobEvent {
  std::int64_t number = 0;  // 1, 2, … of its job, without gaps
  std::int64_t time_ms = 0;
  JobEventKind kind = JobEventKind::kLog;
  std::string data;  // the state's name; bytes of the job kind's own; an artifact's name; a line
  friend bool operator==(const JobEvent&, const JobEvent&) = default;
};

struct Job {
  JobId id = 0;  // grows with each submit
  std::string owner, kind, title;
  std::string spec;  // bytes of the kind's own
  WorkClass work_class = WorkClass::kBatch;
  int priority = 0;  // among the queued ones of its owner and class: the highest first, then the oldest
  std::string request_id;

  JobState state = JobState::kQueued;
  int attempts = 0;  // that were begun
  int max_attempts = 3;
  int crashes = 0;  // times that its daemon died while it ran
  std::int64_t not_before_ms = 0;
  bool cancel_requested = false, pause_requested = false;  // while it runs
  std::string error_code, error_message;                   // of the last attempt that failed
  std::int64_t done = 0, total = 0;
  std::string resume;  // where the next attempt goes on; bytes of the kind's own
  std::int64_t created_ms = 0, started_ms = 0, finished_ms = 0;

  // Who runs it. What a daemon writes about a job that it runs carries the epoch of its claim; after another claim that
  // is stale, and refused.
  std::int64_t epoch = 0;
  std::string daemon;
  std::int64_t lease_until_ms = 0;

  std::int64_t last_event = 0;
  friend bool operator==(const Job&, const Job&) = default;
};

// Calls visit(column, value) for every member, in order; of the strings `spec` and `resume` are bytes and go to
// visit.Bytes. `AnyJob` is Job or const Job. Stores read, write and create their columns by it.
template <class AnyJob, class Visit>
void VisitJobColumns(AnyJob& job, Visit& visit) {
  visit("id", job.id);
  visit("owner", job.owner);
  visit("kind", job.kind);
  visit("title", job.title);
  visit.Bytes("spec", job.spec);
  visit("work_class", job.work_class);
  visit("priority", job.priority);
  visit("request_id", job.request_id);
  visit("state", job.state);
  visit("attempts", job.attempts);
  visit("max_attempts", job.max_attempts);
  visit("crashes", job.crashes);
  visit("not_before_ms", job.not_before_ms);
  visit("cancel_requested", job.cancel_requested);
  visit("pause_requested", job.pause_requested);
  visit("error_code", job.error_code);
  visit("error_message", job.error_message);
  visit("done", job.done);
  visit("total", job.total);
  visit.Bytes("resume", job.resume);
  visit("created_ms", job.created_ms);
  visit("started_ms", job.started_ms);
  visit("finished_ms", job.finished_ms);
  visit("epoch", job.epoch);
  visit("daemon", job.daemon);
  visit("lease_until_ms", job.lease_until_ms);
  visit("last_event", job.last_event);
}

// "id", "owner", …
[[nodiscard]] const std::vector<std::string>& JobColumns();

}  // namespace dvren::server
