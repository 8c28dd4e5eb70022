#include <catch2/catch.hpp>
#include <set>
#include <string>
#include <vector>

#include "server/registries/digest.h"

namespace dvren::server {
namespace {

TEST_CASE("CRC-32C gives the published check value") {
  const std::string text = "123456789";
  CHECK(Crc32c(text.data(), text.size()) == 0xE3069283u);
  CHECK(Crc32c(text.data(), 0) == 0u);
  const std::vector<char> zeros(32, '\0');  // RFC 3720, B.4
  CHECK(Crc32c(zeros.data(), zeros.size()) == 0x8A9136AAu);
}

TEST_CASE("SHA-256 gives the published value of abc, in one piece or in three") {
  const std::string expected(
      "\xba\x78\x16\xbf\x8f\x01\xcf\xea\x41\x41\x40\xde\x5d\xae\x22\x23\xb0\x03\x61\xa3\x96\x17\x7a\x9c\xb4\x10\xff\x61"
      "\xf2\x00\x15\xad",
      32);
  CHECK(Sha256Of("abc", 3) == expected);
  Sha256 hash;
  for (const char* letter : {"a", "b", "c"}) hash.Update(letter, 1);
  CHECK(hash.Finish() == expected);
}

TEST_CASE("Random ids are 32 hexadecimal digits and differ") {
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i) {
    const std::string id = RandomId();
    CHECK(id.size() == 32);
    CHECK(id.find_first_not_of("0123456789abcdef") == std::string::npos);
    ids.insert(id);
  }
  CHECK(ids.size() == 1000);
}

}  // namespace
}  // namespace dvren::server
