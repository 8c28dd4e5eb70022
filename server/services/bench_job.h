// The job kind bench: one image, rendered again and again.
#pragma once

#include "server/services/job_kind.h"

namespace dvren::server {

class BenchJob final : public JobKind {
 public:
  static std::unique_ptr<JobKind> Create() { return std::make_unique<BenchJob>(); }
  absl::StatusOr<std::int64_t> Check(const JobEnvironment& environment, const std::string& tenant,
                                     const v1::JobSpec& spec) const override;
  std::vector<std::string> Fields(const v1::JobSpec& spec) const override;
  absl::Status Run(const JobEnvironment& environment, JobRun& run) const override;
};

}  // namespace dvren::server
