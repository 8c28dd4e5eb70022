#include "server/services/field_publishing.h"

#include <memory>
#include <new>
#include <optional>
#include <utility>

#include "server/jobs/scheduler.h"
#include "server/middleware/request_scope.h"
#include "server/registries/display_name.h"
#include "server/registries/field_registry.h"
#include "server/registries/gradient_registry.h"
#include "server/registries/session_registry.h"
#include "server/services/device_task.h"

namespace dvren::server {
namespace {

constexpr char kMethod[] = "TrainingService/PublishField";

class FieldPublishing : public std::enable_shared_from_this<FieldPublishing> {
 public:
  FieldPublishing(ServiceContext& context, WorkerPool& files, grpc::CallbackServerContext* call,
                  const v1::PublishFieldRequest& request, v1::Field* response)
      : context_(context),
        files_(files),
        call_(call),
        request_(request),
        response_(response),
        reactor_(call->DefaultReactor()),
        scope_(context, call, kMethod) {}

  grpc::ServerUnaryReactor* reactor() { return reactor_; }

  void Start() {
    if (const absl::Status status = Submit(); !status.ok() || answered_) Finish(status);
  }

 private:
  absl::Status Submit() {
    if (!scope_.tenant().ok()) return scope_.tenant().status();
    DVREN_RETURN_IF_ERROR(ValidateRequestId(request_.request_id()));
    DVREN_ASSIGN_OR_RETURN(session_, context_.sessions.Find(*scope_.tenant(), request_.session()));
    auto made = context_.fields.FindCreated(*scope_.tenant(), request_.request_id());
    if (made.ok()) {
      *response_ = *std::move(made);
      answered_ = true;
      return absl::OkStatus();
    }
    WorkOptions options;
    options.label = kMethod;
    options.tenant = *scope_.tenant();
    options.work_class = WorkClass::kNormal;
    options.deadline = scope_.deadline();
    options.device = session_->device();
    auto task = std::make_shared<DeviceTask>([self = shared_from_this()](Stream& stream) { return self->Copy(stream); },
                                             [self = shared_from_this()](const absl::Status& status) {
                                               if (!status.ok()) self->Finish(status);
                                             });
    return context_.scheduler.Submit(std::move(task), std::move(options)).status();
  }

  absl::Status Copy(Stream& stream) {
    step_ = session_->trainer().steps_done();
    try {
      DVREN_ASSIGN_OR_RETURN(volume_, session_->trainer().ExportGrid(stream));
    } catch (const std::bad_alloc&) {
      return NoMemory();
    }
    const bool accepted = files_.Post([self = shared_from_this()] { self->Finish(self->Store()); });
    return accepted ? absl::OkStatus()
                    : absl::ResourceExhaustedError("fields: too many are being written; retry later");
  }

  absl::Status Store() {
    try {
      const std::string& tenant = *scope_.tenant();
      const auto cancelled = [this] { return call_->IsCancelled(); };
      absl::StatusOr<v1::Field> field = context_.fields.Get(tenant, session_->field());
      if (field.ok()) {
        field =
            context_.fields.Replace({tenant, field->name(), 0, request_.request_id(), cancelled}, std::move(volume_));
        if (field.ok()) context_.gradients.Drop(field->name());
      } else if (absl::IsNotFound(field.status())) {
        FieldCreation creation;
        creation.description.set_display_name(session_->field());
        creation.description.set_owner(tenant);
        creation.description.set_source(absl::StrCat("training, step ", step_));
        creation.request_id = request_.request_id();
        creation.cancelled = cancelled;
        field = context_.fields.Add(std::move(creation), io::Volume(std::move(volume_)));
      }
      if (!field.ok()) return field.status();
      *response_ = *std::move(field);
      return absl::OkStatus();
    } catch (const std::bad_alloc&) {
      return NoMemory();
    } catch (const std::exception& error) {
      return absl::InternalError(absl::StrCat("publish: ", error.what()));
    }
  }

  static absl::Status NoMemory() {
    return absl::ResourceExhaustedError("publish: no host memory left for a copy of the values; retry later");
  }

  void Finish(const absl::Status& status) { reactor_->Finish(scope_.Finish(status)); }

  ServiceContext& context_;
  WorkerPool& files_;
  grpc::CallbackServerContext* const call_;
  const v1::PublishFieldRequest& request_;  // lives until the answer is sent
  v1::Field* const response_;
  grpc::ServerUnaryReactor* const reactor_;
  RequestScope scope_;
  bool answered_ = false;
  std::shared_ptr<TrainingSession> session_;
  std::int64_t step_ = 0;
  io::DenseVolume volume_;
};

}  // namespace

grpc::ServerUnaryReactor* StartFieldPublishing(ServiceContext& context, WorkerPool& files,
                                               grpc::CallbackServerContext* call,
                                               const v1::PublishFieldRequest* request, v1::Field* response) {
  const auto publishing = std::make_shared<FieldPublishing>(context, files, call, *request, response);
  grpc::ServerUnaryReactor* reactor = publishing->reactor();
  publishing->Start();
  return reactor;
}

}  // namespace dvren::server
