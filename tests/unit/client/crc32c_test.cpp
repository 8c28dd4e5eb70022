#include "crc32c.h"

#include <catch2/catch.hpp>
#include <string>

namespace dvren::client {
namespace {

TEST_CASE("CRC32C gives the published check value") {
  CHECK(Crc32c("123456789", 9) == 0xE3069283u);
  CHECK(Crc32c("", 0) == 0u);
  const std::string zeros(32, '\0');
  CHECK(Crc32c(zeros.data(), zeros.size()) == 0x8A9136AAu);  // RFC 3720, B.4
}

}  // namespace
}  // namespace dvren::client
