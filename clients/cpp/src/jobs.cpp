#include <optional>

#include "connection.h"
#include "crc32c.h"
#include "dvren/client/client.h"
#include "dvren/io/atomic_file.h"
#include "retry.h"

namespace dvren::client {
namespace {

constexpr int kAttempts = 5;  // of what is asked again after a lost connection
constexpr std::chrono::milliseconds kDelay{200};

}  // namespace

absl::StatusOr<v1::Job> Client::SubmitJob(v1::SubmitJobRequest request) const {
  // The same request each time: a job is made once.
  if (request.request_id().empty()) request.set_request_id(NewRequestId());
  const auto deadline = connection_->NewDeadline();
  Retry retry(kAttempts, kDelay, deadline);
  while (true) {
    grpc::ClientContext context;
    connection_->Prepare(context, deadline);
    v1::Job job;
    const absl::Status status = connection_->ToAbsl(connection_->jobs->SubmitJob(&context, request, &job), context);
    if (status.ok()) return job;
    if (!retry.Again(absl::IsUnavailable(status))) return status;
  }
}

// One call of one job.
#define DVREN_JOB_CALL(Name, Request)                                     \
  absl::StatusOr<v1::Job> Client::Name(const std::string& name) const {   \
    grpc::ClientContext context;                                          \
    connection_->Prepare(context);                                        \
    v1::Request request;                                                  \
    request.set_name(name);                                               \
    v1::Job job;                                                          \
    const auto status = connection_->jobs->Name(&context, request, &job); \
    DVREN_RETURN_IF_ERROR(connection_->ToAbsl(status, context));          \
    return job;                                                           \
  }
DVREN_JOB_CALL(GetJob, GetJobRequest)
DVREN_JOB_CALL(CancelJob, CancelJobRequest)
DVREN_JOB_CALL(RetryJob, RetryJobRequest)
DVREN_JOB_CALL(PauseJob, PauseJobRequest)
DVREN_JOB_CALL(ResumeJob, ResumeJobRequest)
#undef DVREN_JOB_CALL

absl::StatusOr<v1::Job> Client::UpdateJobPriority(const std::string& name, int priority) const {
  grpc::ClientContext context;
  connection_->Prepare(context);
  v1::UpdateJobPriorityRequest request;
  request.set_name(name);
  request.set_priority(priority);
  v1::Job job;
  const auto status = connection_->jobs->UpdateJobPriority(&context, request, &job);
  DVREN_RETURN_IF_ERROR(connection_->ToAbsl(status, context));
  return job;
}

absl::StatusOr<std::vector<v1::Job>> Client::ListJobs(v1::ListJobsRequest request, std::size_t limit) const {
  std::vector<v1::Job> jobs;
  while (true) {
    grpc::ClientContext context;
    connection_->Prepare(context);
    v1::ListJobsResponse response;
    const auto status = connection_->jobs->ListJobs(&context, request, &response);
    DVREN_RETURN_IF_ERROR(connection_->ToAbsl(status, context));
    for (v1::Job& job : *response.mutable_jobs()) {
      if (jobs.size() == limit) return jobs;
      jobs.push_back(std::move(job));
    }
    if (response.next_page_token().empty()) return jobs;
    request.set_page_token(response.next_page_token());
  }
}

absl::StatusOr<v1::Job> Client::WatchJob(const std::string& name, std::int64_t from_event,
                                         const OnJobEvent& on_event) const {
  const auto deadline = connection_->NewDeadline();
  Retry retry(kAttempts, kDelay, deadline);
  v1::WatchJobRequest request;
  request.set_name(name);
  request.set_from_event(from_event);
  while (true) {
    grpc::ClientContext context;
    connection_->Prepare(context, deadline);
    auto reader = connection_->jobs->WatchJob(&context, request);
    v1::WatchJobResponse response;
    bool stopped = false;
    while (!stopped && reader->Read(&response)) {
      retry.Progressed();
      request.set_from_event(response.event().number() + 1);
      if (!on_event(response.event())) {
        stopped = true;
        context.TryCancel();
      }
    }
    const absl::Status status = connection_->ToAbsl(reader->Finish(), context);
    if (stopped || status.ok()) return GetJob(name);
    // A daemon that comes back goes on with the job, and this with its events.
    if (!retry.Again(absl::IsUnavailable(status))) return status;
  }
}

absl::StatusOr<std::vector<v1::JobEvent>> Client::GetJobLogs(const std::string& name) const {
  std::vector<v1::JobEvent> lines;
  v1::GetJobLogsRequest request;
  request.set_name(name);
  do {
    grpc::ClientContext context;
    connection_->Prepare(context);
    v1::GetJobLogsResponse response;
    const auto status = connection_->jobs->GetJobLogs(&context, request, &response);
    DVREN_RETURN_IF_ERROR(connection_->ToAbsl(status, context));
    for (v1::JobEvent& line : *response.mutable_lines()) lines.push_back(std::move(line));
    request.set_from_event(response.next_from_event());
  } while (request.from_event() != 0);
  return lines;
}

absl::StatusOr<v1::Artifact> Client::DownloadArtifact(const std::string& job, const std::string& artifact,
                                                      const std::string& path) const {
  const auto deadline = connection_->NewDeadline();
  Retry retry(kAttempts, kDelay, deadline);
  DVREN_ASSIGN_OR_RETURN(io::AtomicFile file, io::AtomicFile::Create(path));
  v1::DownloadArtifactRequest request;
  request.set_name(job);
  request.set_artifact(artifact);
  std::optional<v1::Artifact> described;
  while (true) {
    grpc::ClientContext context;
    connection_->Prepare(context, deadline);
    auto reader = connection_->jobs->DownloadArtifact(&context, request);
    v1::DownloadArtifactResponse response;
    absl::Status taken;
    while (taken.ok() && reader->Read(&response)) {
      if (response.has_artifact()) {
        if (described && described->sha256() != response.artifact().sha256()) {
          taken = absl::AbortedError(absl::StrCat("artifact = ", artifact, ": has changed; download it again"));
        }
        described = response.artifact();
      }
      if (!response.has_chunk()) continue;
      const v1::Chunk& chunk = response.chunk();
      if (chunk.offset() != request.offset() || Crc32c(chunk.data().data(), chunk.data().size()) != chunk.crc32c()) {
        taken = absl::DataLossError(absl::StrCat("artifact = ", artifact, ": a piece came damaged; download it again"));
        break;
      }
      taken = file.Write(chunk.data().data(), chunk.data().size());
      request.set_offset(chunk.offset() + chunk.data().size());
      retry.Progressed();
    }
    if (!taken.ok()) context.TryCancel();
    const absl::Status status = connection_->ToAbsl(reader->Finish(), context);
    DVREN_RETURN_IF_ERROR(taken);
    if (status.ok()) break;
    if (!retry.Again(absl::IsUnavailable(status))) return status;
  }
  if (!described || request.offset() != described->bytes()) {
    return absl::DataLossError(
        absl::StrCat("artifact = ", artifact, ": the stream ended before its end; download it again"));
  }
  DVREN_RETURN_IF_ERROR(file.Commit());
  return *described;
}

}  // namespace dvren::client
