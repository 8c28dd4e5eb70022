#include "server/app/listen_address.h"

#include <catch2/catch.hpp>

namespace dvren::server {
namespace {

TEST_CASE("Addresses are read and written back") {
  for (const char* text : {"127.0.0.1:50551", "localhost:0", "[::1]:443", "unix:/run/x", "my-host.lan:65535"}) {
    const absl::StatusOr<ListenAddress> address = ParseListenAddress(text);
    REQUIRE(address.ok());
    CHECK(address->ToString() == text);
  }
  CHECK(ParseListenAddress("unix:///run/x")->ToString() == "unix:/run/x");
}

TEST_CASE("What is no address is refused") {
  for (const char* text : {"", ":", ":1", "host", "host:", "host:x", "host:65536", "host:-1", "a b:1", "[::1]", "::1:1",
                           "[zz]:1", "unix:", "unix:relative", "host:1,host:2"}) {
    INFO(text);
    CHECK_FALSE(ParseListenAddress(text).ok());
  }
  CHECK_FALSE(ParseListenAddress("unix:/" + std::string(200, 'x')).ok());
}

}  // namespace
}  // namespace dvren::server
