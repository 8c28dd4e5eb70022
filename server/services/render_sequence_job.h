// The job kind render_sequence: an image file per camera.
#pragma once

#include "server/services/job_kind.h"

namespace dvren::server {

class RenderSequenceJob final : public JobKind {
 public:
  static std::unique_ptr<JobKind> Create() { return std::make_unique<RenderSequenceJob>(); }
  absl::StatusOr<std::int64_t> Check(const JobEnvironment& environment, const std::string& tenant,
                                     const v1::JobSpec& spec) const override;
  std::vector<std::string> Fields(const v1::JobSpec& spec) const override;
  absl::Status Run(const JobEnvironment& environment, JobRun& run) const override;
};

}  // namespace dvren::server
