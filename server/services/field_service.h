// FieldService: dvren.v1.FieldService. A method decodes, hands over, encodes; the work is in the registries,
// FieldImport, FieldUpdate, UploadStream, DownloadStream and GradientDownload.
#pragma once

#include <memory>

#include "dvren/v1/field_service.grpc.pb.h"
#include "server/app/service_context.h"
#include "server/registries/upload_store.h"
#include "server/services/field_import.h"
#include "server/services/worker_pool.h"

namespace dvren::server {

class FieldService final : public v1::FieldService::CallbackService {
 public:
  // `context` and `uploads` outlive the service. Destroy it when no call is left (after grpc::Server is gone).
  FieldService(ServiceContext& context, UploadStore& uploads);

  grpc::ServerUnaryReactor* CreateField(grpc::CallbackServerContext* call, const v1::CreateFieldRequest* request,
                                        v1::Field* response) override;
  grpc::ServerReadReactor<v1::UploadFieldRequest>* UploadField(grpc::CallbackServerContext* call,
                                                               v1::UploadFieldResponse* response) override;
  grpc::ServerUnaryReactor* GetUpload(grpc::CallbackServerContext* call, const v1::GetUploadRequest* request,
                                      v1::Upload* response) override;
  grpc::ServerUnaryReactor* ImportField(grpc::CallbackServerContext* call, const v1::ImportFieldRequest* request,
                                        v1::Field* response) override;
  grpc::ServerUnaryReactor* GetField(grpc::CallbackServerContext* call, const v1::GetFieldRequest* request,
                                     v1::Field* response) override;
  grpc::ServerUnaryReactor* ListFields(grpc::CallbackServerContext* call, const v1::ListFieldsRequest* request,
                                       v1::ListFieldsResponse* response) override;
  grpc::ServerUnaryReactor* UpdateField(grpc::CallbackServerContext* call, const v1::UpdateFieldRequest* request,
                                        v1::Field* response) override;
  grpc::ServerUnaryReactor* ZeroGradients(grpc::CallbackServerContext* call, const v1::ZeroGradientsRequest* request,
                                          v1::ZeroGradientsResponse* response) override;
  grpc::ServerWriteReactor<v1::DownloadFieldResponse>* DownloadField(grpc::CallbackServerContext* call,
                                                                     const v1::DownloadFieldRequest* request) override;
  grpc::ServerUnaryReactor* DeleteField(grpc::CallbackServerContext* call, const v1::DeleteFieldRequest* request,
                                        v1::DeleteFieldResponse* response) override;

 private:
  ServiceContext& context_;
  UploadStore& uploads_;
  WorkerPool files_;
  WorkerPool updates_;  // of their own: values are checked and written, which may take long
  FieldImport imports_;
};

}  // namespace dvren::server
