#include "server/middleware/tenant_resolver.h"

#include <cstddef>

#include "absl/strings/escaping.h"
#include "server/registries/digest.h"

namespace dvren::server {
namespace {

constexpr char kRemedy[] = "send the metadata `authorization: Bearer TOKEN` (dvrenctl: DVREN_TOKEN)";

// RFC 9110: the scheme is case-insensitive.
std::optional<std::string_view> BearerToken(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  if (authorization.size() <= kScheme.size()) return std::nullopt;
  for (std::size_t i = 0; i < kScheme.size(); ++i) {
    const char c = authorization[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c) != kScheme[i]) return std::nullopt;
  }
  authorization.remove_prefix(kScheme.size());
  while (!authorization.empty() && authorization.front() == ' ') authorization.remove_prefix(1);
  if (authorization.empty()) return std::nullopt;
  return authorization;
}

}  // namespace

TenantResolver::TenantResolver(const AuthConfig& auth) {
  for (const AuthToken& token : auth.tokens) tenant_by_sha256_.emplace(token.sha256, token.tenant);
}

absl::StatusOr<std::string> TenantResolver::Resolve(std::optional<std::string_view> authorization) const {
  if (open()) return std::string(kDefaultTenant);
  if (!authorization) return absl::UnauthenticatedError(absl::StrCat("authorization: missing; ", kRemedy));
  const std::optional<std::string_view> token = BearerToken(*authorization);
  if (!token) return absl::UnauthenticatedError(absl::StrCat("authorization: not a bearer token; ", kRemedy));
  // Looking up a hash leaks nothing about the token through timing: a caller cannot choose the hash it compares.
  const auto it = tenant_by_sha256_.find(absl::BytesToHexString(Sha256Of(token->data(), token->size())));
  if (it == tenant_by_sha256_.end()) {
    return absl::UnauthenticatedError("authorization: unknown token; ask the operator for one (auth.tokens)");
  }
  return it->second;
}

}  // namespace dvren::server
