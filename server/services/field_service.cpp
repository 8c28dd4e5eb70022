#include "server/services/field_service.h"

#include <grpcpp/server_context.h>

#include <filesystem>
#include <limits>
#include <utility>

#include "server/middleware/request_scope.h"
#include "server/registries/field_registry.h"
#include "server/services/allowed_path.h"
#include "server/services/download_stream.h"
#include "server/services/field_listing.h"
#include "server/services/upload_stream.h"

namespace dvren::server {
namespace {

constexpr int kFileThreads = 2;

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

// Answers a call whose work is done here and now.
template <class Answer>
grpc::ServerUnaryReactor* AnswerNow(ServiceContext& context, grpc::CallbackServerContext* call, const char* method,
                                    const Answer& answer) {
  RequestScope scope(context, call, method);
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  const absl::Status status = scope.tenant().ok() ? answer(*scope.tenant()) : scope.tenant().status();
  reactor->Finish(scope.Finish(status));
  return reactor;
}

}  // namespace

// Every upload and download has at most one task in `files_`, and gRPC bounds the calls: nothing to refuse there.
FieldService::FieldService(ServiceContext& context, UploadStore& uploads)
    : context_(context),
      uploads_(uploads),
      files_(kFileThreads, std::numeric_limits<std::size_t>::max()),
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

grpc::ServerWriteReactor<v1::DownloadFieldResponse>* FieldService::DownloadField(
    grpc::CallbackServerContext* call, const v1::DownloadFieldRequest* request) {
  return new DownloadStream(context_, files_, call, request);
}

grpc::ServerUnaryReactor* FieldService::DeleteField(grpc::CallbackServerContext* call,
                                                    const v1::DeleteFieldRequest* request, v1::DeleteFieldResponse*) {
  const auto scope = std::make_shared<RequestScope>(context_, call, "FieldService/DeleteField");
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  // Giving a large file's blocks back takes a while: not on an RPC thread. The request lives until the answer is sent.
  const auto remove = [this, scope, reactor, request] {
    const absl::StatusOr<std::string>& tenant = scope->tenant();
    const absl::Status status =
        tenant.ok() ? context_.fields.Delete(*tenant, request->name(), request->expected_version()) : tenant.status();
    reactor->Finish(scope->Finish(status));
  };
  if (!files_.Post(remove))
    reactor->Finish(scope->Finish(absl::ResourceExhaustedError("deletions: too many at once; retry later")));
  return reactor;
}

}  // namespace dvren::server
