// JobInputs: the fields that a job of a shared queue works on, as they were when it was submitted: objects beside the
// queue, so that every daemon has them, whatever fields it knows.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "server/registries/field_objects.h"
#include "server/services/job_kind.h"
#include "server/services/render_plan.h"

namespace dvren::server {

class JobInputs {
 public:
  // Stores what `spec`, which has passed Check, reads. Durable when it returns; the job must refer to it within a day.
  [[nodiscard]] static absl::StatusOr<std::vector<JobArtifact>> Store(const JobEnvironment& environment,
                                                                      const std::string& tenant, const JobKind& kind,
                                                                      const v1::JobSpec& spec);
  // Of a job whose kind has the fields `names`.
  [[nodiscard]] static absl::StatusOr<JobInputs> Load(const JobEnvironment& environment, JobId id,
                                                      const std::vector<std::string>& names);

  // The field of an instance. ABORTED when its version is not the one that the instance asks for.
  [[nodiscard]] absl::StatusOr<FieldLease> Acquire(const JobEnvironment& environment, Stream& stream,
                                                   const InstanceSpec& instance) const;

 private:
  std::map<std::string, FieldObject> fields_;  // by the names that the spec has for them
};

}  // namespace dvren::server
