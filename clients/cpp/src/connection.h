// Connection: the channel, its stubs, and what every call carries: token, deadline, request id.
#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "dvren/client/options.h"
#include "dvren/client/status.h"
#include "dvren/v1/admin_service.grpc.pb.h"
#include "dvren/v1/field_service.grpc.pb.h"
#include "dvren/v1/job_service.grpc.pb.h"
#include "dvren/v1/render_service.grpc.pb.h"
#include "dvren/v1/training_service.grpc.pb.h"

namespace dvren::client {

using Deadline = std::optional<std::chrono::system_clock::time_point>;

class Connection {
 public:
  [[nodiscard]] static absl::StatusOr<std::shared_ptr<Connection>> Open(const std::string& endpoint,
                                                                        ConnectOptions options);

  // Now + call_timeout, for an operation that may take several calls.
  [[nodiscard]] Deadline NewDeadline() const;
  void Prepare(grpc::ClientContext& context, const Deadline& deadline) const;
  void Prepare(grpc::ClientContext& context) const { Prepare(context, NewDeadline()); }
  // The code and message of a finished call, with its request id.
  [[nodiscard]] absl::Status ToAbsl(const grpc::Status& status, const grpc::ClientContext& context) const;

  [[nodiscard]] const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

  std::unique_ptr<v1::AdminService::Stub> admin;
  std::unique_ptr<v1::FieldService::Stub> fields;
  std::unique_ptr<v1::RenderService::Stub> renders;
  std::unique_ptr<v1::TrainingService::Stub> training;
  std::unique_ptr<v1::JobService::Stub> jobs;

 private:
  Connection(std::shared_ptr<grpc::Channel> channel, std::string endpoint, ConnectOptions options);
  std::shared_ptr<grpc::Channel> channel_;
  std::string endpoint_;
  ConnectOptions options_;
};

// 128 random bits in hex, for request_id fields: a repeated mutation with the same id is carried out once.
[[nodiscard]] std::string NewRequestId();

}  // namespace dvren::client
