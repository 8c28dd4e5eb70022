// GradientDownload: one DownloadField call for a field's gradient: a copy is made on the gradient's device, then it
// goes out from an offset on in chunks. A download that is resumed sees the gradient as it is then.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <memory>
#include <optional>

#include "dvren/v1/field_service.pb.h"
#include "server/jobs/mutex.h"
#include "server/jobs/scheduler.h"
#include "server/jobs/thread_annotations.h"
#include "server/middleware/request_scope.h"
#include "server/services/gradient_values.h"

namespace dvren::server {

class GradientDownload final : public grpc::ServerWriteReactor<v1::DownloadFieldResponse> {
 public:
  // Deletes itself when the call is over.
  GradientDownload(ServiceContext& context, grpc::CallbackServerContext* call, const v1::DownloadFieldRequest& request);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  [[nodiscard]] absl::Status Submit(const v1::DownloadFieldRequest& request);
  [[nodiscard]] absl::Status Copy(Stream& stream, const FieldGradient& gradient, DType dtype);
  void SendFirst();
  void SendNext();
  void End(const absl::Status& status);

  ServiceContext& context_;
  RequestScope scope_;
  v1::Field field_;
  std::uint64_t offset_ = 0;
  std::optional<GradientValues> values_;
  v1::DownloadFieldResponse message_;

  Mutex mutex_;
  std::optional<WorkId> work_ DVREN_GUARDED_BY(mutex_);
};

}  // namespace dvren::server
