// The job kind train: a recipe's steps, with a checkpoint every so often; at the end the field is kept.
#pragma once

#include "server/services/job_kind.h"

namespace dvren::server {

// Checkpoints of jobs are called so, then the job's number, a '-', and more.
inline constexpr char kJobCheckpointPrefix[] = "job-";

class TrainJob final : public JobKind {
 public:
  static std::unique_ptr<JobKind> Create() { return std::make_unique<TrainJob>(); }
  absl::StatusOr<std::int64_t> Check(const JobEnvironment& environment, const std::string& tenant,
                                     const v1::JobSpec& spec) const override;
  absl::Status Run(const JobEnvironment& environment, JobRun& run) const override;
};

}  // namespace dvren::server
