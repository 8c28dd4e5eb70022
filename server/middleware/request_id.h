// Request ids: the caller's `x-request-id` where it is sane, else random. They name a request in logs and errors.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace dvren::server {

inline constexpr char kRequestIdKey[] = "x-request-id";

// 1 … 64 characters of [A-Za-z0-9._-]: safe in a log, a header and a shell.
[[nodiscard]] bool IsSaneRequestId(std::string_view id);
// 32 random lowercase hex digits.
[[nodiscard]] std::string NewRequestId();
[[nodiscard]] std::string RequestIdFrom(std::optional<std::string_view> supplied);

}  // namespace dvren::server
