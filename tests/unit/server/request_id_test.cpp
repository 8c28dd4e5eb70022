#include "server/middleware/request_id.h"

#include <catch2/catch.hpp>

namespace dvren::server {
namespace {

TEST_CASE("A sane request id is kept") {
  for (const char* id : {"a", "0f3c-77.retry_2", "ABCDEF"}) CHECK(RequestIdFrom(id) == id);
  CHECK(RequestIdFrom(std::string(64, 'x')) == std::string(64, 'x'));
}

TEST_CASE("A request id that could hurt a log, a header or a shell is replaced") {
  for (const char* id : {"", "a b", "a\nb", "a\"b", "$(x)", "ü", "a/b"}) CHECK(RequestIdFrom(id) != id);
  CHECK(RequestIdFrom(std::string(65, 'x')).size() == 32);
}

TEST_CASE("New request ids are sane and differ") {
  const std::string a = RequestIdFrom(std::nullopt), b = NewRequestId();
  CHECK(a.size() == 32);
  CHECK(IsSaneRequestId(a));
  CHECK(a != b);
}

}  // namespace
}  // namespace dvren::server
