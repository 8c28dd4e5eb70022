// ArtifactDownload: one DownloadArtifact call: the description, then the bytes from an offset on in chunks. Their
// SHA-256 is taken on the way; a damaged file ends the stream with DATA_LOSS.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "dvren/v1/job_service.pb.h"
#include "server/jobs/job_store.h"
#include "server/jobs/object_store.h"
#include "server/middleware/request_scope.h"
#include "server/registries/digest.h"
#include "server/services/worker_pool.h"

namespace dvren::server {

class ArtifactDownload final : public grpc::ServerWriteReactor<v1::DownloadArtifactResponse> {
 public:
  // Deletes itself when the call is over.
  ArtifactDownload(ServiceContext& context, JobStore& jobs, const ObjectStore& objects, WorkerPool& files,
                   grpc::CallbackServerContext* call, const v1::DownloadArtifactRequest& request);

  void OnWriteDone(bool ok) override;
  void OnDone() override { delete this; }

 private:
  [[nodiscard]] absl::Status Open(JobStore& jobs, const ObjectStore& objects,
                                  const v1::DownloadArtifactRequest& request);
  void Post(void (ArtifactDownload::*task)());
  void SendFirst();
  void SendNext();
  void End(const absl::Status& status);

  ServiceContext& context_;
  WorkerPool& files_;
  RequestScope scope_;
  JobArtifact artifact_;
  FileHandle file_;
  std::uint64_t offset_ = 0;
  Sha256 hash_;  // of what lies before offset_
  v1::DownloadArtifactResponse message_;
};

}  // namespace dvren::server
