// DownloadStream: one DownloadField call: the description, then the payload from an offset on in chunks. The payload's
// SHA-256 is taken on the way; a damaged one ends the stream with DATA_LOSS.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <memory>
#include <optional>

#include "dvren/v1/field_service.pb.h"
#include "server/middleware/request_scope.h"
#include "server/registries/digest.h"
#include "server/registries/durable_file.h"
#include "server/services/worker_pool.h"

namespace dvren::server {

class DownloadStream final : public grpc::ServerWriteReactor<v1::DownloadFieldResponse> {
 public:
  // Deletes itself when the call is over. `files` takes one task per call at a time.
  DownloadStream(ServiceContext& context, WorkerPool& files, grpc::CallbackServerContext* call,
                 const v1::DownloadFieldRequest* request);

  void OnWriteDone(bool ok) override;
  void OnDone() override;

 private:
  [[nodiscard]] absl::Status Open(const v1::DownloadFieldRequest& request);
  [[nodiscard]] absl::Status HashUntil(std::uint64_t offset);
  void Post(void (DownloadStream::*task)());
  void SendFirst();
  void SendNext();
  void End(const absl::Status& status);

  ServiceContext& context_;
  WorkerPool& files_;
  grpc::CallbackServerContext* const call_;
  RequestScope scope_;
  v1::Field field_;
  FileHandle file_;
  std::uint64_t offset_ = 0;
  Sha256 hash_;  // of what lies before offset_
  v1::DownloadFieldResponse message_;
};

}  // namespace dvren::server
