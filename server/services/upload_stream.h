// UploadStream: one UploadField call. A header, then chunks into the upload store, then, unless only the bytes are
// wanted, the import. One message is in hand at a time, so memory is bounded and a slow disk slows the sender.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <memory>

#include "dvren/v1/field_service.pb.h"
#include "server/middleware/request_scope.h"
#include "server/registries/upload_store.h"
#include "server/services/field_import.h"
#include "server/services/worker_pool.h"

namespace dvren::server {

class UploadStream final : public grpc::ServerReadReactor<v1::UploadFieldRequest> {
 public:
  // Deletes itself when the call is over. `files` takes one task per call at a time.
  UploadStream(ServiceContext& context, UploadStore& uploads, FieldImport& imports, WorkerPool& files,
               grpc::CallbackServerContext* call, v1::UploadFieldResponse* response);

  void OnReadDone(bool ok) override;
  void OnDone() override;

 private:
  void TakeMessage();
  void TakeHeader();
  void TakeEnd();
  [[nodiscard]] absl::Status OpenUpload(const v1::UploadHeader& header);
  void OnImported(absl::StatusOr<v1::Field> field);
  void End(const absl::Status& status);

  ServiceContext& context_;
  UploadStore& uploads_;
  FieldImport& imports_;
  WorkerPool& files_;
  grpc::CallbackServerContext* const call_;
  v1::UploadFieldResponse* const response_;
  RequestScope scope_;
  v1::UploadFieldRequest message_;
  std::unique_ptr<UploadLease> lease_;  // from the header on
  FieldImportSpec spec_;
  bool keep_only_ = false;
};

}  // namespace dvren::server
