// TenantResolver: the one seam from a caller's credentials to the tenant that owns its objects.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "server/app/config.h"

namespace dvren::server {

inline constexpr char kDefaultTenant[] = "default";

class TenantResolver {
 public:
  explicit TenantResolver(const AuthConfig& auth);

  // `authorization` is the metadata value of that name, absent when there is none. Without configured tokens everybody
  // is kDefaultTenant. UNAUTHENTICATED for a missing, malformed or unknown token; no message repeats the token.
  [[nodiscard]] absl::StatusOr<std::string> Resolve(std::optional<std::string_view> authorization) const;
  [[nodiscard]] bool open() const { return tenant_by_sha256_.empty(); }

 private:
  std::unordered_map<std::string, std::string> tenant_by_sha256_;  // lowercase hex
};

}  // namespace dvren::server
