// JobKind: what a kind of job does. One file and one line in job_kinds.cpp each.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "dvren/core/registry.h"
#include "dvren/v1/job_service.pb.h"
#include "server/app/service_context.h"
#include "server/jobs/job_store.h"
#include "server/jobs/object_store.h"
#include "server/registries/checkpoint_store.h"

namespace dvren::server {

class JobResults;
class JobRun;

// What jobs are made of and run with; all of it outlives them.
struct JobEnvironment {
  ServiceContext& context;
  const CheckpointStore& checkpoints;  // of jobs
  JobStore& jobs;
  const ObjectStore& objects;
  // Where other daemons share the queue, which know other fields: null otherwise.
  JobResults* results = nullptr;
  [[nodiscard]] bool shared() const { return results != nullptr; }
};

class JobKind {
 public:
  virtual ~JobKind() = default;
  // Of a spec of this kind, when it is submitted: what can be said without running it. Gives the job's `total`. On an
  // RPC thread: quick.
  [[nodiscard]] virtual absl::StatusOr<std::int64_t> Check(const JobEnvironment& environment, const std::string& tenant,
                                                           const v1::JobSpec& spec) const = 0;
  // The fields, by name, that a spec which has passed Check reads. Where jobs are shared they go with the job as they
  // are when it is submitted (JobInputs).
  [[nodiscard]] virtual std::vector<std::string> Fields(const v1::JobSpec& spec) const;
  // One attempt, on a thread of its own, from where the job's `resume` says to its end. Returns at once with any error
  // when run.CheckStop() or a call of `run` has one. An error that another attempt cannot mend is one of the codes of
  // IsFinal.
  [[nodiscard]] virtual absl::Status Run(const JobEnvironment& environment, JobRun& run) const = 0;
};

// INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED, FAILED_PRECONDITION, OUT_OF_RANGE, UNIMPLEMENTED.
[[nodiscard]] bool IsFinal(absl::StatusCode code);

using JobKindRegistry = Registry<std::function<std::unique_ptr<JobKind>()>>;
void RegisterBuiltinJobKinds(JobKindRegistry& registry);
// render_sequence, train, bench: the names of the fields of v1::JobSpec.
[[nodiscard]] const JobKindRegistry& BuiltinJobKinds();
// The kind of a spec; INVALID_ARGUMENT where it has none.
[[nodiscard]] absl::StatusOr<std::string> KindOf(const v1::JobSpec& spec);

}  // namespace dvren::server
