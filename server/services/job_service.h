// JobService: dvren.v1.JobService. Jobs that run are the JobRunner's; this is who talks about them.
#pragma once

#include <memory>

#include "dvren/v1/job_service.grpc.pb.h"
#include "server/app/service_context.h"
#include "server/services/job_kind.h"
#include "server/services/job_watch.h"
#include "server/services/worker_pool.h"

namespace dvren::server {

class JobService final : public v1::JobService::CallbackService {
 public:
  // What `environment` refers to outlives the service. Destroy it when no call is left.
  explicit JobService(const JobEnvironment& environment);
  ~JobService() override;

  grpc::ServerUnaryReactor* SubmitJob(grpc::CallbackServerContext* call, const v1::SubmitJobRequest* request,
                                      v1::Job* response) override;
  grpc::ServerUnaryReactor* GetJob(grpc::CallbackServerContext* call, const v1::GetJobRequest* request,
                                   v1::Job* response) override;
  grpc::ServerUnaryReactor* ListJobs(grpc::CallbackServerContext* call, const v1::ListJobsRequest* request,
                                     v1::ListJobsResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchJobResponse>* WatchJob(grpc::CallbackServerContext* call,
                                                           const v1::WatchJobRequest* request) override;
  grpc::ServerUnaryReactor* CancelJob(grpc::CallbackServerContext* call, const v1::CancelJobRequest* request,
                                      v1::Job* response) override;
  grpc::ServerUnaryReactor* RetryJob(grpc::CallbackServerContext* call, const v1::RetryJobRequest* request,
                                     v1::Job* response) override;
  grpc::ServerUnaryReactor* PauseJob(grpc::CallbackServerContext* call, const v1::PauseJobRequest* request,
                                     v1::Job* response) override;
  grpc::ServerUnaryReactor* ResumeJob(grpc::CallbackServerContext* call, const v1::ResumeJobRequest* request,
                                      v1::Job* response) override;
  grpc::ServerUnaryReactor* UpdateJobPriority(grpc::CallbackServerContext* call,
                                              const v1::UpdateJobPriorityRequest* request, v1::Job* response) override;
  grpc::ServerUnaryReactor* GetJobLogs(grpc::CallbackServerContext* call, const v1::GetJobLogsRequest* request,
                                       v1::GetJobLogsResponse* response) override;
  grpc::ServerWriteReactor<v1::DownloadArtifactResponse>* DownloadArtifact(
      grpc::CallbackServerContext* call, const v1::DownloadArtifactRequest* request) override;

 private:
  [[nodiscard]] absl::Status Submit(const std::string& tenant, const v1::SubmitJobRequest& request, v1::Job* response);
  [[nodiscard]] absl::Status List(const std::string& tenant, const v1::ListJobsRequest& request,
                                  v1::ListJobsResponse* response);
  [[nodiscard]] absl::Status Logs(const std::string& tenant, const v1::GetJobLogsRequest& request,
                                  v1::GetJobLogsResponse* response);
  // One change of one job, and the job as it then is.
  using Change = absl::StatusOr<Job> (JobStore::*)(const std::string& owner, JobId id);
  grpc::ServerUnaryReactor* ChangeJob(grpc::CallbackServerContext* call, const char* method, const std::string& name,
                                      Change change, v1::Job* response);
  [[nodiscard]] absl::Status Describe(const absl::StatusOr<Job>& job, v1::Job* response) const;

  const JobEnvironment environment_;
  JobWatchHub hub_;
  JobStore::SubscriptionPtr subscription_;
  WorkerPool writers_, readers_;
};

}  // namespace dvren::server
