#include "server/services/job_service.h"

#include <grpcpp/server_context.h>

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/codec/job_codec.h"
#include "server/jobs/failpoint.h"
#include "server/registries/display_name.h"
#include "server/services/answer_later.h"
#include "server/services/artifact_download.h"
#include "server/services/job_inputs.h"
#include "server/services/job_results.h"

namespace dvren::server {
namespace {

// Writers wait for the disk, all in one commit: as many as should share it.
constexpr int kWriters = 32, kReaders = 4;
constexpr std::size_t kMaxWaiting = 4096, kMaxReads = 1 << 16;
constexpr int kDefaultPage = 100, kMaxPage = 1000, kDefaultLogPage = 1000, kMaxLogPage = 10'000;
constexpr int kMaxPriority = 1000, kMaxAttempts = 10, kDefaultAttempts = 3;
constexpr std::size_t kMaxTitle = 200;

}  // namespace

JobService::JobService(const JobEnvironment& environment)
    : environment_(environment), writers_(kWriters, kMaxWaiting), readers_(kReaders, kMaxReads) {
  subscription_ = environment_.jobs.Subscribe([this](JobId id) { hub_.Changed(id); });
}

JobService::~JobService() {
  subscription_.reset();
}

grpc::ServerUnaryReactor* JobService::SubmitJob(grpc::CallbackServerContext* call, const v1::SubmitJobRequest* request,
                                                v1::Job* response) {
  return AnswerLater(environment_.context, writers_, call, "JobService/SubmitJob",
                     [this, request, response](const std::string& tenant) {
                       const absl::Status status = Submit(tenant, *request, response);
                       Failpoint("before_ack");
                       return status;
                     });
}

absl::Status JobService::Submit(const std::string& tenant, const v1::SubmitJobRequest& request, v1::Job* response) {
  DVREN_RETURN_IF_ERROR(ValidateRequestId(request.request_id()));
  if (request.title().size() > kMaxTitle) {
    return InvalidField("title", absl::StrCat(request.title().size(), " bytes"),
                        absl::StrCat("must be at most ", kMaxTitle, " bytes"));
  }
  if (request.priority() < -kMaxPriority || request.priority() > kMaxPriority) {
    return InvalidField("priority", request.priority(), absl::StrCat("must be ", -kMaxPriority, " to ", kMaxPriority));
  }
  if (request.max_attempts() < 0 || request.max_attempts() > kMaxAttempts) {
    return InvalidField("max_attempts", request.max_attempts(),
                        absl::StrCat("must be 1 to ", kMaxAttempts, ", or 0 for ", kDefaultAttempts));
  }
  JobSubmission submission;
  DVREN_ASSIGN_OR_RETURN(submission.work_class, DecodeJobClass(request.job_class(), "job_class"));
  DVREN_ASSIGN_OR_RETURN(submission.kind, KindOf(request.spec()));
  DVREN_ASSIGN_OR_RETURN(const auto make, BuiltinJobKinds().Find(submission.kind));
  const std::unique_ptr<JobKind> kind = make();
  DVREN_ASSIGN_OR_RETURN(submission.total, kind->Check(environment_, tenant, request.spec()));
  submission.owner = tenant;
  submission.title = request.title();
  submission.priority = request.priority();
  submission.max_attempts = request.max_attempts() == 0 ? kDefaultAttempts : request.max_attempts();
  submission.request_id = request.request_id();
  submission.spec = request.spec().SerializeAsString();
  submission.max_unfinished = environment_.context.config.jobs.max_unfinished;
  if (environment_.shared()) {
    DVREN_ASSIGN_OR_RETURN(submission.inputs, JobInputs::Store(environment_, tenant, *kind, request.spec()));
  }
  DVREN_ASSIGN_OR_RETURN(const SubmittedJob submitted, environment_.jobs.Submit(submission));
  if (environment_.shared() && request.spec().has_train()) {
    DVREN_RETURN_IF_ERROR(environment_.results->Await(submitted.job.id));
  }
  return Describe(submitted.job, response);
}

absl::Status JobService::Describe(const absl::StatusOr<Job>& job, v1::Job* response) const {
  DVREN_RETURN_IF_ERROR(job.status());
  if (environment_.shared()) environment_.results->Bring(*job);
  *response = EncodeJob(*job, true);
  DVREN_ASSIGN_OR_RETURN(const std::vector<JobArtifact> artifacts, environment_.jobs.Artifacts(job->id));
  for (const JobArtifact& artifact : artifacts) {
    if (!IsInput(artifact.name)) EncodeArtifact(artifact, response->add_artifacts());
  }
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* JobService::GetJob(grpc::CallbackServerContext* call, const v1::GetJobRequest* request,
                                             v1::Job* response) {
  return AnswerLater(environment_.context, readers_, call, "JobService/GetJob",
                     [this, request, response](const std::string& tenant) -> absl::Status {
                       DVREN_ASSIGN_OR_RETURN(const JobId id, DecodeJobName(request->name()));
                       return Describe(environment_.jobs.Get(tenant, id), response);
                     });
}

grpc::ServerUnaryReactor* JobService::ListJobs(grpc::CallbackServerContext* call, const v1::ListJobsRequest* request,
                                               v1::ListJobsResponse* response) {
  return AnswerLater(environment_.context, readers_, call, "JobService/ListJobs",
                     [this, request, response](const std::string& tenant) { return List(tenant, *request, response); });
}

absl::Status JobService::List(const std::string& tenant, const v1::ListJobsRequest& request,
                              v1::ListJobsResponse* response) {
  JobQuery query;
  query.owner = tenant;
  query.kind = request.kind();
  if (request.page_size() < 0) return InvalidField("page_size", request.page_size(), "must be >= 0");
  query.limit = request.page_size() == 0 ? kDefaultPage : std::min(request.page_size(), kMaxPage);
  if (!request.page_token().empty() && (!absl::SimpleAtoi(request.page_token(), &query.before) || query.before <= 0)) {
    return InvalidField("page_token", "of another kind", "must be the next_page_token of an earlier answer");
  }
  for (int i = 0; i < request.states_size(); ++i) {
    DVREN_ASSIGN_OR_RETURN(const JobState state, DecodeJobState(request.states(i), absl::StrCat("states[", i, "]")));
    query.states.push_back(state);
  }
  DVREN_ASSIGN_OR_RETURN(const std::vector<Job> jobs, environment_.jobs.List(query));
  for (const Job& job : jobs) *response->add_jobs() = EncodeJob(job, false);
  if (static_cast<int>(jobs.size()) == query.limit) response->set_next_page_token(absl::StrCat(jobs.back().id));
  return absl::OkStatus();
}

grpc::ServerWriteReactor<v1::WatchJobResponse>* JobService::WatchJob(grpc::CallbackServerContext* call,
                                                                     const v1::WatchJobRequest* request) {
  return JobWatch::Start(environment_, hub_, readers_, call, *request);
}

grpc::ServerUnaryReactor* JobService::ChangeJob(grpc::CallbackServerContext* call, const char* method,
                                                const std::string& name, Change change, v1::Job* response) {
  return AnswerLater(environment_.context, writers_, call, method,
                     [this, &name, change, response](const std::string& tenant) -> absl::Status {
                       DVREN_ASSIGN_OR_RETURN(const JobId id, DecodeJobName(name));
                       return Describe((environment_.jobs.*change)(tenant, id), response);
                     });
}

grpc::ServerUnaryReactor* JobService::CancelJob(grpc::CallbackServerContext* call, const v1::CancelJobRequest* request,
                                                v1::Job* response) {
  return ChangeJob(call, "JobService/CancelJob", request->name(), &JobStore::Cancel, response);
}

grpc::ServerUnaryReactor* JobService::RetryJob(grpc::CallbackServerContext* call, const v1::RetryJobRequest* request,
                                               v1::Job* response) {
  return ChangeJob(call, "JobService/RetryJob", request->name(), &JobStore::Retry, response);
}

grpc::ServerUnaryReactor* JobService::PauseJob(grpc::CallbackServerContext* call, const v1::PauseJobRequest* request,
                                               v1::Job* response) {
  return ChangeJob(call, "JobService/PauseJob", request->name(), &JobStore::Pause, response);
}

grpc::ServerUnaryReactor* JobService::ResumeJob(grpc::CallbackServerContext* call, const v1::ResumeJobRequest* request,
                                                v1::Job* response) {
  return ChangeJob(call, "JobService/ResumeJob", request->name(), &JobStore::Resume, response);
}

grpc::ServerUnaryReactor* JobService::UpdateJobPriority(grpc::CallbackServerContext* call,
                                                        const v1::UpdateJobPriorityRequest* request,
                                                        v1::Job* response) {
  return AnswerLater(environment_.context, writers_, call, "JobService/UpdateJobPriority",
                     [this, request, response](const std::string& tenant) -> absl::Status {
                       DVREN_ASSIGN_OR_RETURN(const JobId id, DecodeJobName(request->name()));
                       if (request->priority() < -kMaxPriority || request->priority() > kMaxPriority) {
                         return InvalidField("priority", request->priority(),
                                             absl::StrCat("must be ", -kMaxPriority, " to ", kMaxPriority));
                       }
                       return Describe(environment_.jobs.SetPriority(tenant, id, request->priority()), response);
                     });
}

grpc::ServerUnaryReactor* JobService::GetJobLogs(grpc::CallbackServerContext* call,
                                                 const v1::GetJobLogsRequest* request,
                                                 v1::GetJobLogsResponse* response) {
  return AnswerLater(environment_.context, readers_, call, "JobService/GetJobLogs",
                     [this, request, response](const std::string& tenant) { return Logs(tenant, *request, response); });
}

absl::Status JobService::Logs(const std::string& tenant, const v1::GetJobLogsRequest& request,
                              v1::GetJobLogsResponse* response) {
  DVREN_ASSIGN_OR_RETURN(const JobId id, DecodeJobName(request.name()));
  DVREN_RETURN_IF_ERROR(environment_.jobs.Get(tenant, id).status());
  if (request.page_size() < 0) return InvalidField("page_size", request.page_size(), "must be >= 0");
  if (request.from_event() < 0) return InvalidField("from_event", request.from_event(), "must be >= 0");
  const int limit = request.page_size() == 0 ? kDefaultLogPage : std::min(request.page_size(), kMaxLogPage);
  DVREN_ASSIGN_OR_RETURN(const std::vector<JobEvent> events,
                         environment_.jobs.Events(id, std::max<std::int64_t>(request.from_event(), 1), limit));
  for (const JobEvent& event : events) {
    if (event.kind == JobEventKind::kLog || event.kind == JobEventKind::kState) {
      *response->add_lines() = EncodeJobEvent(event, {});
    }
  }
  if (static_cast<int>(events.size()) == limit) response->set_next_from_event(events.back().number + 1);
  return absl::OkStatus();
}

grpc::ServerWriteReactor<v1::DownloadArtifactResponse>* JobService::DownloadArtifact(
    grpc::CallbackServerContext* call, const v1::DownloadArtifactRequest* request) {
  return new ArtifactDownload(environment_.context, environment_.jobs, environment_.objects, readers_, call, *request);
}

}  // namespace dvren::server
