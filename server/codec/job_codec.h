// Jobs on the wire.
#pragma once

#include <string>
#include <vector>

#include "dvren/v1/job_service.pb.h"
#include "server/jobs/job_store.h"

namespace dvren::server {

// "jobs/17", also "17". NOT_FOUND for anything else.
[[nodiscard]] absl::StatusOr<JobId> DecodeJobName(const std::string& name);
[[nodiscard]] absl::StatusOr<WorkClass> DecodeJobClass(v1::JobClass job_class, const std::string& path);
[[nodiscard]] absl::StatusOr<JobState> DecodeJobState(v1::JobState state, const std::string& path);
[[nodiscard]] v1::JobState EncodeJobState(JobState state);
// `with_spec`: what it does, too.
[[nodiscard]] v1::Job EncodeJob(const Job& job, bool with_spec);
void EncodeArtifact(const JobArtifact& artifact, v1::Artifact* message);
// `artifacts`: of the job; an artifact's event is described by them.
[[nodiscard]] v1::JobEvent EncodeJobEvent(const JobEvent& event, const std::vector<JobArtifact>& artifacts);

}  // namespace dvren::server
