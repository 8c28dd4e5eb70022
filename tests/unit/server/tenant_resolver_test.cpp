#include "server/middleware/tenant_resolver.h"

#include <catch2/catch.hpp>

namespace dvren::server {
namespace {

// sha256sum of "secret" and of "other".
AuthConfig TwoTenants() {
  AuthConfig auth;
  auth.tokens = {{"alice", "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"},
                 {"bob", "d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa"}};
  return auth;
}

TEST_CASE("Without configured tokens everybody is the default tenant") {
  const TenantResolver tenants{AuthConfig{}};
  CHECK(tenants.open());
  CHECK(*tenants.Resolve(std::nullopt) == "default");
  CHECK(*tenants.Resolve("Bearer whatever") == "default");
}

TEST_CASE("A token gives its tenant") {
  const TenantResolver tenants(TwoTenants());
  CHECK(*tenants.Resolve("Bearer secret") == "alice");
  CHECK(*tenants.Resolve("bearer  other") == "bob");
}

TEST_CASE("A missing, malformed or unknown token is unauthenticated, and no message repeats it") {
  const TenantResolver tenants(TwoTenants());
  for (const std::optional<std::string_view> authorization : {std::optional<std::string_view>{},
                                                              {""},
                                                              {"Bearer"},
                                                              {"Bearer "},
                                                              {"Basic secret"},
                                                              {"secret"},
                                                              {"Bearer guessed"},
                                                              {"Bearer secret "},
                                                              {"Bearer SECRET"}}) {
    const absl::StatusOr<std::string> tenant = tenants.Resolve(authorization);
    REQUIRE_FALSE(tenant.ok());
    CHECK(tenant.status().code() == absl::StatusCode::kUnauthenticated);
    CHECK(std::string(tenant.status().message()).find("guessed") == std::string::npos);
  }
}

}  // namespace
}  // namespace dvren::server
