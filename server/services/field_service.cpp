#include "server/services/field_service.h"

#include <grpcpp/server_context.h>

#include <filesystem>
#include <limits>
#include <utility>

#include "server/codec/gradient_codec.h"
#include "server/jobs/scheduler.h"
#include "server/middleware/request_scope.h"
#include "server/registries/field_registry.h"
#include "server/registries/gradient_registry.h"
#include "server/services/allowed_path.h"
#include "server/services/answer_now.h"
#include "server/services/device_task.h"
#include "server/services/download_stream.h"
#include "server/services/field_listing.h"
#include "server/services/field_update.h"
#include "server/services/gradient_download.h"
#include "server/services/upload_stream.h"

namespace dvren::server {
namespace {

constexpr int kFileThreads = 2, kUpdateThreads = 2;
constexpr std::size_t kMaxWaitingUpdates = 64;

// A creation in progress: what must live until its answer is sent.
struct Creation {
  Creation(ServiceContext& context, grpc::CallbackServerContext* c, const char* method, v1::Field* r)
      : call(c), reactor(c->DefaultReactor()), response(r), scope(context, c, method) {}

  void Finish(absl::StatusOr<v1::Field> field) {
    if (field.ok()) {
      if (lease != nullptr) lease->Discard();
      *response = *std::move(field);
    }
    lease.reset();
    reactor->Finish(scope.Finish(field.status()));
  }

  grpc::CallbackServerContext* call;
  grpc::ServerUnaryReactor* reactor;
  v1::Field* response;
  RequestScope scope;
  std::unique_ptr<UploadLease> lease;  // of the upload that the field is made of
};

FieldImport::Call ImportCall(const std::shared_ptr<Creation>& creation) {
  FieldImport::Call call;
  call.deadline = creation->scope.deadline();
  call.cancelled = [creation] { return creation->call->IsCancelled(); };
  call.done = [creation](absl::StatusOr<v1::Field> field) { creation->Finish(std::move(field)); };
  return call;
}

}  // namespace

// Every upload and download has at most one task in `files_`, and gRPC bounds the calls: nothing to refuse there.
FieldService::FieldService(ServiceContext& context, UploadStore& uploads)
    : context_(context),
      uploads_(uploads),
      files_(kFileThreads, std::numeric_limits<std::size_t>::max()),
      updates_(kUpdateThreads, kMaxWaitingUpdates),
      imports_(context) {}

grpc::ServerUnaryReactor* FieldService::CreateField(grpc::CallbackServerContext* call,
                                                    const v1::CreateFieldRequest* request, v1::Field* response) {
  const auto creation = std::make_shared<Creation>(context_, call, "FieldService/CreateField", response);
  const auto start = [&]() -> absl::Status {
    if (!creation->scope.tenant().ok()) return creation->scope.tenant().status();
    const std::string& tenant = *creation->scope.tenant();
    FieldImportSpec spec{tenant, request->display_name(), request->source(), request->request_id(), request->options()};
    switch (request->payload().source_case()) {
      case v1::TensorPayload::kInline:
        break;
      case v1::TensorPayload::kUpload: {
        auto lease = uploads_.Resume(tenant, request->payload().upload());
        if (absl::IsNotFound(lease.status())) {  // used up by an earlier attempt of the same request?
          auto made = context_.fields.FindCreated(tenant, spec.request_id);
          if (made.ok()) {
            creation->Finish(std::move(made));
            return absl::OkStatus();
          }
        }
        if (!lease.ok()) return lease.status();
        creation->lease = *std::move(lease);
        if (spec.source.empty()) spec.source = creation->lease->header().source();
        if (!creation->lease->complete()) {
          return absl::FailedPreconditionError(
              absl::StrCat("payload.upload = ", creation->lease->name(), ": only ", creation->lease->received(), " of ",
                           creation->lease->header().total_bytes(), " bytes arrived; resume it"));
        }
        break;
      }
      case v1::TensorPayload::kSharedMemory:
        return absl::UnimplementedError("payload.shared_memory: not implemented yet; send inline bytes or an upload");
      case v1::TensorPayload::SOURCE_NOT_SET:
        return InvalidField("payload", "absent", "send inline bytes or name an upload");
    }
    DVREN_ASSIGN_OR_RETURN(std::optional<v1::Field> made, imports_.Check(spec));
    if (made) {
      creation->Finish(*std::move(made));
      return absl::OkStatus();
    }
    return creation->lease == nullptr
               ? imports_.StartInline(std::move(spec), request->payload().inline_(), ImportCall(creation))
               : imports_.Start(std::move(spec), creation->lease->data_path(), ImportCall(creation));
  };
  if (const absl::Status status = start(); !status.ok()) creation->Finish(status);
  return creation->reactor;
}

grpc::ServerReadReactor<v1::UploadFieldRequest>* FieldService::UploadField(grpc::CallbackServerContext* call,
                                                                           v1::UploadFieldResponse* response) {
  return new UploadStream(context_, uploads_, imports_, files_, call, response);
}

grpc::ServerUnaryReactor* FieldService::GetUpload(grpc::CallbackServerContext* call,
                                                  const v1::GetUploadRequest* request, v1::Upload* response) {
  return AnswerNow(context_, call, "FieldService/GetUpload", [&](const std::string& tenant) -> absl::Status {
    DVREN_ASSIGN_OR_RETURN(*response, uploads_.Get(tenant, request->name()));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* FieldService::ImportField(grpc::CallbackServerContext* call,
                                                    const v1::ImportFieldRequest* request, v1::Field* response) {
  const auto creation = std::make_shared<Creation>(context_, call, "FieldService/ImportField", response);
  const auto start = [&]() -> absl::Status {
    if (!creation->scope.tenant().ok()) return creation->scope.tenant().status();
    const std::string source = std::filesystem::path(request->path()).filename().string();
    FieldImportSpec spec{*creation->scope.tenant(), request->display_name(), source, request->request_id(),
                         request->options()};
    DVREN_ASSIGN_OR_RETURN(std::string path, ResolveAllowedPath(request->path(), context_.config.roots));
    DVREN_ASSIGN_OR_RETURN(std::optional<v1::Field> made, imports_.Check(spec));
    if (made) {
      creation->Finish(*std::move(made));
      return absl::OkStatus();
    }
    return imports_.Start(std::move(spec), std::move(path), ImportCall(creation));
  };
  if (const absl::Status status = start(); !status.ok()) creation->Finish(status);
  return creation->reactor;
}

grpc::ServerUnaryReactor* FieldService::GetField(grpc::CallbackServerContext* call, const v1::GetFieldRequest* request,
                                                 v1::Field* response) {
  return AnswerNow(context_, call, "FieldService/GetField", [&](const std::string& tenant) -> absl::Status {
    DVREN_ASSIGN_OR_RETURN(*response, context_.fields.Get(tenant, request->name()));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* FieldService::ListFields(grpc::CallbackServerContext* call,
                                                   const v1::ListFieldsRequest* request,
                                                   v1::ListFieldsResponse* response) {
  return AnswerNow(context_, call, "FieldService/ListFields", [&](const std::string& tenant) -> absl::Status {
    DVREN_ASSIGN_OR_RETURN(*response, ListPage(context_.fields.List(tenant), *request));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* FieldService::UpdateField(grpc::CallbackServerContext* call,
                                                    const v1::UpdateFieldRequest* request, v1::Field* response) {
  const auto scope = std::make_shared<RequestScope>(context_, call, "FieldService/UpdateField");
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  // The request and the response live until the answer is sent.
  const auto update = [this, scope, reactor, call, request, response] {
    absl::Status status = scope->tenant().status();
    if (status.ok()) {
      auto field =
          UpdateFieldValues(context_, uploads_, *scope->tenant(), *request, [call] { return call->IsCancelled(); });
      status = field.status();
      if (field.ok()) *response = *std::move(field);
    }
    reactor->Finish(scope->Finish(status));
  };
  if (!updates_.Post(update)) {
    reactor->Finish(scope->Finish(absl::ResourceExhaustedError(
        absl::StrCat("updates waiting = ", kMaxWaitingUpdates, ": the queue is full; retry later"))));
  }
  return reactor;
}

grpc::ServerUnaryReactor* FieldService::ZeroGradients(grpc::CallbackServerContext* call,
                                                      const v1::ZeroGradientsRequest* request,
                                                      v1::ZeroGradientsResponse*) {
  const auto scope = std::make_shared<RequestScope>(context_, call, "FieldService/ZeroGradients");
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  const auto submit = [&]() -> absl::Status {
    if (!scope->tenant().ok()) return scope->tenant().status();
    const std::string& tenant = *scope->tenant();
    const std::optional<int> exponent =
        request->has_exponent() ? std::optional<int>(request->exponent()) : std::nullopt;
    DVREN_RETURN_IF_ERROR(CheckExponent(exponent, "exponent"));
    DVREN_ASSIGN_OR_RETURN(const v1::Field field, context_.fields.Get(tenant, request->name()));
    WorkOptions options;
    options.label = "FieldService/ZeroGradients";
    options.tenant = tenant;
    options.work_class = WorkClass::kInteractive;
    options.deadline = scope->deadline();
    // Where it is; a new one is made where there is time.
    options.device = context_.gradients.DeviceOf(FieldKey::Of(field)).value_or("");
    auto task = std::make_shared<DeviceTask>(
        [this, tenant, exponent, name = field.name()](Stream& stream) -> absl::Status {
          DVREN_ASSIGN_OR_RETURN(FieldLease lease, context_.fields.Acquire(stream, tenant, name, 0));
          return context_.gradients.Zero(stream, FieldKey::Of(lease.description), std::move(lease.field), exponent);
        },
        [scope, reactor](const absl::Status& status) { reactor->Finish(scope->Finish(status)); });
    return context_.scheduler.Submit(std::move(task), std::move(options)).status();
  };
  if (const absl::Status status = submit(); !status.ok()) reactor->Finish(scope->Finish(status));
  return reactor;
}

grpc::ServerWriteReactor<v1::DownloadFieldResponse>* FieldService::DownloadField(
    grpc::CallbackServerContext* call, const v1::DownloadFieldRequest* request) {
  if (request->content() == v1::FIELD_CONTENT_GRADIENT) return new GradientDownload(context_, call, *request);
  return new DownloadStream(context_, files_, call, request);
}

grpc::ServerUnaryReactor* FieldService::DeleteField(grpc::CallbackServerContext* call,
                                                    const v1::DeleteFieldRequest* request, v1::DeleteFieldResponse*) {
  const auto scope = std::make_shared<RequestScope>(context_, call, "FieldService/DeleteField");
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  // Giving a large file's blocks back takes a while: not on an RPC thread. The request lives until the answer is sent.
  const auto remove = [this, scope, reactor, request] {
    const absl::StatusOr<std::string>& tenant = scope->tenant();
    absl::Status status = tenant.status();
    if (status.ok()) {
      const auto field = context_.fields.Get(*tenant, request->name());
      status = context_.fields.Delete(*tenant, request->name(), request->expected_version());
      if (status.ok() && field.ok()) context_.gradients.Drop(field->name());
    }
    reactor->Finish(scope->Finish(status));
  };
  if (!files_.Post(remove))
    reactor->Finish(scope->Finish(absl::ResourceExhaustedError("deletions: too many at once; retry later")));
  return reactor;
}

}  // namespace dvren::server
