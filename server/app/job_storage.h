// JobStorage: where the jobs of a configuration are kept, opened: the queue, in data_dir or shared, the objects beside
// it, and this daemon's name in both.
#pragma once

#include <memory>
#include <string>

#include "dvren/core/status.h"
#include "server/app/config.h"
#include "server/jobs/job_backend.h"
#include "server/jobs/object_store.h"
#include "server/registries/checkpoint_store.h"

namespace dvren::server {

struct JobStorage {
  std::unique_ptr<JobBackend> backend;
  ObjectStore objects;
  CheckpointStore checkpoints;  // of jobs
  std::string daemon_id;        // the same at each start
  std::string queue_id;         // of a queue that daemons share; "" of one that they do not
};

// `config` is valid, and its data_dir held. Errors name jobs.store or store.objects, without passwords.
[[nodiscard]] absl::StatusOr<JobStorage> OpenJobStorage(const Config& config);

}  // namespace dvren::server
