// JobResults: fields that jobs which were submitted here have trained, here or elsewhere. Such a job is awaited, which
// is on disk before its submission is acknowledged; once it has succeeded its field becomes one of this daemon's.
// Thread-safe.
#pragma once

#include <memory>
#include <string>

#include "server/app/service_context.h"
#include "server/jobs/job_store.h"
#include "server/jobs/object_store.h"

namespace dvren::server {

class JobResults {
 public:
  // Keeps its records in `folder`. `queue`: the queue's id, since numbers of jobs are its own. What it is given
  // outlives it.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<JobResults>> Open(ServiceContext& context, JobStore& jobs,
                                                                        const ObjectStore& objects,
                                                                        const std::string& folder,
                                                                        const std::string& queue);
  ~JobResults();

  // Durable when it returns.
  [[nodiscard]] absl::Status Await(JobId id);
  // When it returns, whoever is told that `job` has succeeded finds its field, if it was submitted here: or the log
  // says why not, and it is tried again later. Blocks.
  void Bring(const Job& job);

 private:
  class Impl;
  explicit JobResults(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace dvren::server
