#include "server/app/job_storage.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/app/queue_url.h"
#include "server/jobs/open_job_backend.h"
#include "server/jobs/shared_folder.h"
#include "server/registries/digest.h"
#include "server/registries/durable_file.h"

namespace dvren::server {
namespace {

absl::StatusOr<std::string> DaemonId(const std::string& folder) {
  constexpr std::size_t kMaxBytes = 64;
  const std::string path = folder + "/daemon";
  absl::StatusOr<std::string> id = ReadSmallFile(path, kMaxBytes);
  if (id.ok() && !id->empty()) return id;
  if (!id.ok() && !absl::IsNotFound(id.status())) return id;
  // By a rename: a crash leaves none, not an empty one, which would be every daemon's.
  id = RandomId();
  const std::string next = absl::StrCat(path, ".", *id);
  DVREN_RETURN_IF_ERROR(WriteFileDurably(next, *id, nullptr));
  DVREN_RETURN_IF_ERROR(RenamePath(next, path, nullptr));
  DVREN_RETURN_IF_ERROR(SyncDirectory(folder, nullptr));
  return id;
}

absl::Status InFolder(const std::string& folder, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat("store.objects = ", folder, ": ", status.message(),
                                                  "; every daemon of the queue must be able to write there"));
}

absl::StatusOr<JobStorage> OpenShared(const Config& config, const std::string& folder) {
  const std::string& shared = config.store.objects;
  DVREN_ASSIGN_OR_RETURN(std::unique_ptr<JobBackend> backend, OpenJobBackend(config.jobs.store));
  DVREN_RETURN_IF_ERROR(MakeDirectories(folder));
  DVREN_ASSIGN_OR_RETURN(std::string daemon_id, DaemonId(folder));
  DVREN_ASSIGN_OR_RETURN(std::string queue_id, ClaimSharedFolder(config.jobs.store, shared));
  absl::StatusOr<ObjectStore> objects = ObjectStore::Open(shared, nullptr, daemon_id);
  if (!objects.ok()) return InFolder(shared, objects.status());
  absl::StatusOr<CheckpointStore> checkpoints = CheckpointStore::OpenShared(shared);
  if (!checkpoints.ok()) return InFolder(shared, checkpoints.status());
  return JobStorage{std::move(backend), *std::move(objects), *std::move(checkpoints), std::move(daemon_id),
                    std::move(queue_id)};
}

}  // namespace

absl::StatusOr<JobStorage> OpenJobStorage(const Config& config) {
  const std::string folder = config.data_dir + "/jobs";
  if (IsQueueUrl(config.jobs.store)) return OpenShared(config, folder);
  DVREN_ASSIGN_OR_RETURN(std::unique_ptr<JobBackend> backend, OpenJobBackend(folder));
  DVREN_ASSIGN_OR_RETURN(ObjectStore objects, ObjectStore::Open(folder + "/objects"));
  DVREN_ASSIGN_OR_RETURN(CheckpointStore checkpoints, CheckpointStore::Open(config.data_dir));
  DVREN_ASSIGN_OR_RETURN(std::string daemon_id, DaemonId(folder));
  return JobStorage{std::move(backend), std::move(objects), std::move(checkpoints), std::move(daemon_id), ""};
}

}  // namespace dvren::server
