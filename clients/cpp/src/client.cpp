#include "dvren/client/client.h"

#include <google/protobuf/wrappers.pb.h>
#include <grpcpp/generic/generic_stub.h>

#include <future>

#include "connection.h"

namespace dvren::client {

absl::StatusOr<Client> Client::Connect(const std::string& endpoint, ConnectOptions options) {
  DVREN_ASSIGN_OR_RETURN(auto connection, Connection::Open(endpoint, std::move(options)));
  return Client(std::move(connection));
}

absl::StatusOr<v1::ServerInfo> Client::ServerInfo() const {
  grpc::ClientContext context;
  connection_->Prepare(context);
  v1::ServerInfo info;
  const auto status = connection_->admin->GetServerInfo(&context, {}, &info);
  DVREN_RETURN_IF_ERROR(connection_->ToAbsl(status, context));
  return info;
}

absl::StatusOr<std::vector<v1::DeviceStatus>> Client::Devices() const {
  grpc::ClientContext context;
  connection_->Prepare(context);
  v1::ListDevicesResponse response;
  const auto status = connection_->admin->ListDevices(&context, {}, &response);
  DVREN_RETURN_IF_ERROR(connection_->ToAbsl(status, context));
  return std::vector<v1::DeviceStatus>(response.devices().begin(), response.devices().end());
}

absl::StatusOr<Serving> Client::Health(const std::string& service) const {
  // grpc.health.v1 has one string in its request and one enum in its response, both field 1: on the wire the same as
  // these well-known types. Its generated code would clash with another copy in a program that has one.
  using Request = google::protobuf::StringValue;
  using Response = google::protobuf::Int32Value;
  grpc::ClientContext context;
  connection_->Prepare(context);
  Request request;
  request.set_value(service);
  Response response;
  std::promise<grpc::Status> done;
  grpc::TemplatedGenericStub<Request, Response> stub(connection_->channel());
  stub.UnaryCall(&context, "/grpc.health.v1.Health/Check", grpc::StubOptions(), &request, &response,
                 [&done](grpc::Status status) { done.set_value(std::move(status)); });
  DVREN_RETURN_IF_ERROR(connection_->ToAbsl(done.get_future().get(), context));
  switch (response.value()) {
    case 1:
      return Serving::kServing;
    case 2:
      return Serving::kNotServing;
    default:
      return Serving::kUnknown;
  }
}

absl::StatusOr<v1::Field> Client::CreateField(const v1::CreateFieldRequest& request) const {
  grpc::ClientContext context;
  connection_->Prepare(context);
  v1::Field field;
  const auto status = connection_->fields->CreateField(&context, request, &field);
  DVREN_RETURN_IF_ERROR(connection_->ToAbsl(status, context));
  return field;
}

absl::StatusOr<v1::Field> Client::ImportOnServer(const std::string& display_name, const std::string& path,
                                                 const v1::ImportOptions& options) const {
  grpc::ClientContext context;
  connection_->Prepare(context);
  v1::ImportFieldRequest request;
  request.set_display_name(display_name);
  request.set_path(path);
  *request.mutable_options() = options;
  request.set_request_id(NewRequestId());
  v1::Field field;
  const auto status = connection_->fields->ImportField(&context, request, &field);
  DVREN_RETURN_IF_ERROR(connection_->ToAbsl(status, context));
  return field;
}

absl::StatusOr<v1::Field> Client::GetField(const std::string& name) const {
  grpc::ClientContext context;
  connection_->Prepare(context);
  v1::GetFieldRequest request;
  request.set_name(name);
  v1::Field field;
  const auto status = connection_->fields->GetField(&context, request, &field);
  DVREN_RETURN_IF_ERROR(connection_->ToAbsl(status, context));
  return field;
}

absl::StatusOr<std::vector<v1::Field>> Client::ListFields(const std::string& filter,
                                                          const std::string& order_by) const {
  std::vector<v1::Field> fields;
  v1::ListFieldsRequest request;
  request.set_page_size(1000);
  request.set_filter(filter);
  request.set_order_by(order_by);
  const Deadline deadline = connection_->NewDeadline();
  do {
    grpc::ClientContext context;
    connection_->Prepare(context, deadline);
    v1::ListFieldsResponse page;
    const auto status = connection_->fields->ListFields(&context, request, &page);
    DVREN_RETURN_IF_ERROR(connection_->ToAbsl(status, context));
    for (auto& field : *page.mutable_fields()) fields.push_back(std::move(field));
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return fields;
}

absl::Status Client::DeleteField(const std::string& name, std::uint64_t expected_version) const {
  grpc::ClientContext context;
  connection_->Prepare(context);
  v1::DeleteFieldRequest request;
  request.set_name(name);
  request.set_expected_version(expected_version);
  v1::DeleteFieldResponse response;
  const auto status = connection_->fields->DeleteField(&context, request, &response);
  return connection_->ToAbsl(status, context);
}

absl::Status Client::ReleaseTape(const std::string& tape) const {
  grpc::ClientContext context;
  connection_->Prepare(context);
  v1::ReleaseTapeRequest request;
  request.set_tape(tape);
  v1::ReleaseTapeResponse response;
  const auto status = connection_->renders->ReleaseTape(&context, request, &response);
  return connection_->ToAbsl(status, context);
}

absl::Status Client::ZeroGradients(const std::string& name, std::optional<int> exponent) const {
  grpc::ClientContext context;
  connection_->Prepare(context);
  v1::ZeroGradientsRequest request;
  request.set_name(name);
  if (exponent) request.set_exponent(*exponent);
  v1::ZeroGradientsResponse response;
  const auto status = connection_->fields->ZeroGradients(&context, request, &response);
  return connection_->ToAbsl(status, context);
}

}  // namespace dvren::client
