#include "connection.h"

#include <fstream>
#include <iterator>
#include <random>

#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"

namespace dvren::client {
namespace {

constexpr char kRequestIdPayload[] = "type.googleapis.com/dvren.v1.RequestId";
// Metadata in which the daemon names the request.
constexpr char kRequestIdKey[] = "x-request-id";

bool IsLocal(const std::string& endpoint) {
  return absl::StartsWith(endpoint, "unix:") || absl::StartsWith(endpoint, "127.") ||
         absl::StartsWith(endpoint, "localhost:") || absl::StartsWith(endpoint, "[::1]:");
}

absl::Status CheckEndpoint(const std::string& endpoint) {
  constexpr char kRemedy[] = "must be host:port, such as 127.0.0.1:50551, or unix:/path";
  if (absl::StartsWith(endpoint, "unix:")) {
    return endpoint.size() > 5 ? absl::OkStatus() : InvalidField("endpoint", endpoint, kRemedy);
  }
  if (absl::StrContains(endpoint, "://")) return InvalidField("endpoint", endpoint, kRemedy);
  const auto colon = endpoint.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == endpoint.size()) {
    return InvalidField("endpoint", endpoint, kRemedy);
  }
  const std::string port = endpoint.substr(colon + 1);
  if (port.size() > 5 || port.find_first_not_of("0123456789") != std::string::npos || std::stoi(port) < 1 ||
      std::stoi(port) > 65535) {
    return InvalidField("endpoint", endpoint, kRemedy);
  }
  return absl::OkStatus();
}

// The whole of a PEM file; "" for an empty path.
absl::StatusOr<std::string> ReadPem(absl::string_view field, const std::string& path) {
  if (path.empty()) return std::string();
  std::ifstream file(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file || text.empty()) return InvalidField(field, path, "must be a readable PEM file");
  return text;
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> Credentials(const ConnectOptions& options) {
  const TlsOptions& files = options.tls_files;
  if (!options.tls && files.ca.empty() && files.cert.empty() && files.key.empty()) {
    return grpc::InsecureChannelCredentials();
  }
  if (files.cert.empty() != files.key.empty()) {
    return InvalidField("tls", files.cert.empty() ? files.key : files.cert,
                        "a client certificate needs both its certificate and its key file");
  }
  grpc::SslCredentialsOptions ssl;
  DVREN_ASSIGN_OR_RETURN(ssl.pem_root_certs, ReadPem("tls ca", files.ca));
  DVREN_ASSIGN_OR_RETURN(ssl.pem_cert_chain, ReadPem("tls cert", files.cert));
  DVREN_ASSIGN_OR_RETURN(ssl.pem_private_key, ReadPem("tls key", files.key));
  return grpc::SslCredentials(ssl);
}

// What the server said under `key`, in trailing or else initial metadata.
std::string Metadata(const grpc::ClientContext& context, const char* key) {
  for (const auto* metadata : {&context.GetServerTrailingMetadata(), &context.GetServerInitialMetadata()}) {
    if (const auto it = metadata->find(key); it != metadata->end()) return {it->second.data(), it->second.size()};
  }
  return {};
}

absl::Status Unreachable(const std::string& endpoint) {
  return absl::UnavailableError(
      absl::StrCat("endpoint = ", endpoint, ": no daemon answers there; start dvrend or name another endpoint"));
}

}  // namespace

Connection::Connection(std::shared_ptr<grpc::Channel> channel, std::string endpoint, ConnectOptions options)
    : admin(v1::AdminService::NewStub(channel)),
      fields(v1::FieldService::NewStub(channel)),
      renders(v1::RenderService::NewStub(channel)),
      training(v1::TrainingService::NewStub(channel)),
      jobs(v1::JobService::NewStub(channel)),
      channel_(std::move(channel)),
      endpoint_(std::move(endpoint)),
      options_(std::move(options)) {}

absl::StatusOr<std::shared_ptr<Connection>> Connection::Open(const std::string& endpoint, ConnectOptions options) {
  DVREN_RETURN_IF_ERROR(CheckEndpoint(endpoint));
  grpc::ChannelArguments arguments;
  // A proxy of the environment never leads to this machine.
  if (IsLocal(endpoint)) arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // A daemon that restarts is found again quickly: resumed uploads wait for it.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2000);
  arguments.SetMaxReceiveMessageSize(64 << 20);  // the most that a daemon can be configured to send
  DVREN_ASSIGN_OR_RETURN(auto credentials, Credentials(options));
  auto channel = grpc::CreateCustomChannel(endpoint, credentials, arguments);
  // WaitForConnected would keep trying where nobody listens; the first refusal is answer enough.
  const auto deadline = std::chrono::system_clock::now() + options.connect_timeout;
  for (auto state = channel->GetState(true); state != GRPC_CHANNEL_READY; state = channel->GetState(true)) {
    if (state == GRPC_CHANNEL_TRANSIENT_FAILURE || state == GRPC_CHANNEL_SHUTDOWN) return Unreachable(endpoint);
    if (!channel->WaitForStateChange(state, deadline)) return Unreachable(endpoint);
  }
  return std::shared_ptr<Connection>(new Connection(std::move(channel), endpoint, std::move(options)));
}

Deadline Connection::NewDeadline() const {
  if (options_.call_timeout.count() <= 0) return std::nullopt;
  return std::chrono::system_clock::now() + options_.call_timeout;
}

void Connection::Prepare(grpc::ClientContext& context, const Deadline& deadline) const {
  if (deadline) context.set_deadline(*deadline);
  // As metadata, not as call credentials: those are refused by unencrypted channels, such as those of this machine.
  if (!options_.token.empty()) context.AddMetadata("authorization", "Bearer " + options_.token);
}

absl::Status Connection::ToAbsl(const grpc::Status& status, const grpc::ClientContext& context) const {
  if (status.ok()) return absl::OkStatus();
  const std::string id = Metadata(context, kRequestIdKey);
  // One line, whatever the daemon or gRPC put into it.
  std::string message = absl::StrReplaceAll(status.error_message(), {{"\r\n", " "}, {"\n", " "}});
  if (message.empty()) message = "the daemon gave no reason";
  // What the daemon says itself names the request; the rest is gRPC's on this side.
  const bool local = id.empty() || !absl::StrContains(message, id);
  if (local && status.error_code() == grpc::StatusCode::UNAVAILABLE) {
    message =
        absl::StrCat("endpoint = ", endpoint_, ": connection lost or refused (", message, "); is dvrend running?");
  } else if (local && status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED && options_.call_timeout.count() > 0) {
    message = absl::StrCat("timeout = ", absl::FormatDuration(absl::FromChrono(options_.call_timeout)),
                           ": the call took longer; raise the timeout or ask for less work");
  }
  if (!id.empty() && local) absl::StrAppend(&message, " [request ", id, "]");
  // The numbers of absl::StatusCode are those of gRPC.
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), message);
  if (!id.empty()) result.SetPayload(kRequestIdPayload, absl::Cord(id));
  return result;
}

std::string RequestIdOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kRequestIdPayload);
  return payload ? std::string(*payload) : std::string();
}

std::string NewRequestId() {
  std::random_device device;
  std::string id;
  for (int word = 0; word < 4; ++word) absl::StrAppend(&id, absl::Hex(device(), absl::kZeroPad8));
  return id;
}

}  // namespace dvren::client
