#include "server/middleware/error_details.h"

#include <cstdint>
#include <optional>
#include <string_view>

#include "server/jobs/retry_after.h"

namespace dvren::server {
namespace {

void PutVarint(std::uint64_t value, std::string* out) {
  while (value >= 0x80) {
    *out += static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *out += static_cast<char>(value);
}

void PutInt(int field, std::uint64_t value, std::string* out) {
  PutVarint(static_cast<std::uint64_t>(field) << 3, out);
  PutVarint(value, out);
}

void PutBytes(int field, std::string_view bytes, std::string* out) {
  PutVarint(static_cast<std::uint64_t>(field) << 3 | 2, out);
  PutVarint(bytes.size(), out);
  *out += bytes;
}

void PutDetail(std::string_view type, std::string_view message, std::string* status) {
  std::string any;
  PutBytes(1, std::string("type.googleapis.com/google.rpc.").append(type), &any);
  PutBytes(2, message, &any);
  PutBytes(3, any, status);
}

// The field of `field = value: remedy`; empty when the message does not have that shape.
std::string_view FieldOf(std::string_view message) {
  const std::size_t equals = message.find(" = ");
  if (equals == std::string_view::npos) return {};
  const std::string_view field = message.substr(0, equals);
  return field.find(' ') == std::string_view::npos ? field : std::string_view{};
}

}  // namespace

std::string SerializeErrorDetails(const absl::Status& status, const std::string& message,
                                  const std::string& request_id) {
  std::string out;
  PutInt(1, static_cast<std::uint64_t>(status.raw_code()), &out);
  PutBytes(2, message, &out);

  std::string request_info;
  PutBytes(1, request_id, &request_info);
  PutDetail("RequestInfo", request_info, &out);

  const std::string_view field = FieldOf(message);
  if (status.code() == absl::StatusCode::kInvalidArgument && !field.empty()) {
    std::string violation, bad_request;
    PutBytes(1, field, &violation);
    PutBytes(2, std::string_view(message).substr(field.size() + 3), &violation);
    PutBytes(1, violation, &bad_request);
    PutDetail("BadRequest", bad_request, &out);
  }
  if (const std::optional<int> retry_after_ms = RetryAfterMs(status)) {
    std::string duration, retry_info;
    PutInt(1, static_cast<std::uint64_t>(*retry_after_ms / 1000), &duration);
    PutInt(2, static_cast<std::uint64_t>(*retry_after_ms % 1000) * 1'000'000, &duration);
    PutBytes(1, duration, &retry_info);
    PutDetail("RetryInfo", retry_info, &out);
  }
  return out;
}

}  // namespace dvren::server
