#include "server/jobs/memory_job_backend.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/jobs/mutex.h"
#include "server/jobs/thread_annotations.h"

namespace dvren::server {
namespace {

struct Row {
  Job job;
  std::vector<JobEvent> events;
  std::map<std::string, JobArtifact> artifacts;
};
using Rows = std::map<JobId, Row>;

absl::Status NoJob(JobId id) {
  return absl::NotFoundError(absl::StrCat("job = jobs/", id, ": there is none; dvrenctl job list shows yours"));
}

// Writes go to copies of the rows that they touch; they take the rows' places when all has gone well.
class MemoryTransaction final : public JobTransaction {
 public:
  MemoryTransaction(const Rows& rows, JobId last_id) : rows_(rows), last_id_(last_id) {}

  absl::StatusOr<Job> Load(JobId id) override {
    const Row* row = Find(id);
    if (row == nullptr) return NoJob(id);
    return row->job;
  }
  absl::Status Save(const Job& job) override {
    Row* row = Touch(job.id);
    if (row == nullptr) return NoJob(job.id);
    row->job = job;
    return absl::OkStatus();
  }
  absl::StatusOr<JobId> Insert(const Job& job) override {
    Row row;
    row.job = job;
    row.job.id = ++last_id_;
    touched_[last_id_] = std::move(row);
    return last_id_;
  }
  absl::Status Append(JobId id, const std::vector<JobEvent>& events) override {
    Row* row = Touch(id);
    if (row == nullptr) return NoJob(id);
    row->events.insert(row->events.end(), events.begin(), events.end());
    return absl::OkStatus();
  }
  absl::Status PutArtifact(JobId id, const JobArtifact& artifact) override {
    Row* row = Touch(id);
    if (row == nullptr) return NoJob(id);
    row->artifacts[artifact.name] = artifact;
    return absl::OkStatus();
  }
  absl::StatusOr<std::optional<JobId>> FindRequest(const std::string& owner, const std::string& request_id) override {
    std::optional<JobId> found;
    ForEach([&](const Job& job) {
      if (job.owner == owner && job.request_id == request_id) found = job.id;
    });
    return found;
  }
  absl::StatusOr<std::int64_t> CountUnfinished(const std::string& owner) override {
    std::int64_t count = 0;
    ForEach([&](const Job& job) { count += job.owner == owner && !IsFinished(job.state) ? 1 : 0; });
    return count;
  }
  absl::StatusOr<std::vector<JobId>> RunningOf(const std::string& daemon) override {
    std::vector<JobId> ids;
    ForEach([&](const Job& job) {
      if (job.state == JobState::kRunning && job.daemon == daemon) ids.push_back(job.id);
    });
    return ids;
  }
  absl::StatusOr<std::vector<JobId>> Expired(std::int64_t now_ms) override {
    std::vector<JobId> ids;
    ForEach([&](const Job& job) {
      if (job.state == JobState::kRunning && job.lease_until_ms < now_ms) ids.push_back(job.id);
    });
    return ids;
  }
  absl::Status Delete(JobId id) override {
    if (Find(id) == nullptr) return NoJob(id);
    touched_[id] = std::nullopt;
    return absl::OkStatus();
  }

  void Commit(Rows& rows, JobId& last_id) && {
    last_id = last_id_;
    for (auto& [id, row] : touched_) {
      if (row) {
        rows[id] = *std::move(row);
      } else {
        rows.erase(id);
      }
    }
  }

 private:
  const Row* Find(JobId id) const {
    if (const auto it = touched_.find(id); it != touched_.end()) return it->second ? &*it->second : nullptr;
    const auto it = rows_.find(id);
    return it == rows_.end() ? nullptr : &it->second;
  }
  Row* Touch(JobId id) {
    const Row* row = Find(id);
    if (row == nullptr) return nullptr;
    return &*touched_.try_emplace(id, *row).first->second;
  }
  template <class Visit>
  void ForEach(const Visit& visit) const {
    for (const auto& [id, row] : rows_) {
      if (const Row* now = Find(id)) visit(now->job);
    }
    for (const auto& [id, row] : touched_) {
      if (row && rows_.count(id) == 0) visit(row->job);
    }
  }

  const Rows& rows_;
  JobId last_id_;
  std::map<JobId, std::optional<Row>> touched_;
};

class MemoryJobBackend final : public JobBackend {
 public:
  std::string name() const override { return "memory"; }

  absl::Status Write(const std::function<absl::Status(JobTransaction&)>& body) override {
    MutexLock lock(mutex_);
    MemoryTransaction transaction(rows_, last_id_);
    DVREN_RETURN_IF_ERROR(body(transaction));
    std::move(transaction).Commit(rows_, last_id_);
    return absl::OkStatus();
  }
  absl::StatusOr<Job> Get(JobId id) override {
    MutexLock lock(mutex_);
    const auto it = rows_.find(id);
    if (it == rows_.end()) return NoJob(id);
    return it->second.job;
  }
  absl::StatusOr<std::vector<Job>> List(const JobQuery& query) override {
    MutexLock lock(mutex_);
    std::vector<Job> jobs;
    for (auto it = rows_.rbegin(); it != rows_.rend() && jobs.size() < static_cast<std::size_t>(query.limit); ++it) {
      const Job& job = it->second.job;
      const bool state =
          query.states.empty() || std::find(query.states.begin(), query.states.end(), job.state) != query.states.end();
      if (state && (query.owner.empty() || job.owner == query.owner) &&
          (query.kind.empty() || job.kind == query.kind) && (query.before == 0 || job.id < query.before)) {
        jobs.push_back(job);
      }
    }
    return jobs;
  }
  absl::StatusOr<std::vector<Job>> Heads(std::int64_t now_ms) override {
    MutexLock lock(mutex_);
    std::map<std::pair<std::string, WorkClass>, const Job*> heads;
    for (const auto& [id, row] : rows_) {
      const Job& job = row.job;
      if (job.state != JobState::kQueued || job.not_before_ms > now_ms) continue;
      const Job*& head = heads[{job.owner, job.work_class}];
      if (head == nullptr || job.priority > head->priority) head = &job;
    }
    std::vector<Job> jobs;
    for (const auto& [key, job] : heads) jobs.push_back(*job);
    return jobs;
  }
  absl::StatusOr<std::vector<JobEvent>> Events(JobId id, std::int64_t from, int limit) override {
    MutexLock lock(mutex_);
    const auto it = rows_.find(id);
    if (it == rows_.end()) return NoJob(id);
    std::vector<JobEvent> events;
    for (const JobEvent& event : it->second.events) {
      if (event.number >= from && events.size() < static_cast<std::size_t>(limit)) events.push_back(event);
    }
    return events;
  }
  absl::StatusOr<std::vector<JobArtifact>> Artifacts(JobId id) override {
    MutexLock lock(mutex_);
    const auto it = rows_.find(id);
    if (it == rows_.end()) return NoJob(id);
    std::vector<JobArtifact> artifacts;
    for (const auto& [name, artifact] : it->second.artifacts) artifacts.push_back(artifact);
    return artifacts;
  }
  absl::StatusOr<std::vector<JobId>> FinishedBefore(std::int64_t finished_before_ms, int limit) override {
    MutexLock lock(mutex_);
    std::vector<JobId> ids;
    for (const auto& [id, row] : rows_) {
      if (IsFinished(row.job.state) && row.job.finished_ms < finished_before_ms &&
          ids.size() < static_cast<std::size_t>(limit)) {
        ids.push_back(id);
      }
    }
    return ids;
  }
  absl::StatusOr<std::vector<std::string>> Objects() override {
    MutexLock lock(mutex_);
    std::set<std::string> objects;
    for (const auto& [id, row] : rows_) {
      for (const auto& [name, artifact] : row.artifacts) objects.insert(artifact.sha256);
    }
    return std::vector<std::string>(objects.begin(), objects.end());
  }
  absl::StatusOr<std::vector<std::string>> Check() override { return std::vector<std::string>(); }
  void Listen(std::function<void(JobId)>) override {}  // nobody else writes

 private:
  Mutex mutex_;
  Rows rows_ DVREN_GUARDED_BY(mutex_);
  JobId last_id_ DVREN_GUARDED_BY(mutex_) = 0;
};

}  // namespace

std::unique_ptr<JobBackend> MakeMemoryJobBackend() {
  return std::make_unique<MemoryJobBackend>();
}

}  // namespace dvren::server
