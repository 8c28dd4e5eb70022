#include <catch2/catch.hpp>
#include <string>

#include "server/registries/display_name.h"

namespace dvren::server {
namespace {

TEST_CASE("Display names are short text without slashes and control characters") {
  CHECK(ValidateDisplayName("smoke").ok());
  CHECK(ValidateDisplayName("wdas cloud, half resolution (2)").ok());
  CHECK(ValidateDisplayName("\xe9\x9b\xb2").ok());
  CHECK(ValidateDisplayName(std::string(128, 'x')).ok());
  std::string kanji;
  for (int i = 0; i < 128; ++i) kanji += "\xe9\x9b\xb2";
  CHECK(ValidateDisplayName(kanji).ok());

  for (const std::string& bad :
       {std::string(), std::string(129, 'x'), kanji + "x", std::string("a/b"), std::string("fields/0"),
        std::string("a\nb"), std::string("a\0b", 3), std::string("a\x7f"), std::string(" a"), std::string("a ")}) {
    const absl::Status status = ValidateDisplayName(bad);
    CHECK(absl::IsInvalidArgument(status));
    CHECK(std::string(status.message()).find("display_name = \"") == 0);
    CHECK(status.message().find('\n') == absl::string_view::npos);
  }
}

TEST_CASE("Request ids are printable ASCII, or absent") {
  CHECK(ValidateRequestId("").ok());
  CHECK(ValidateRequestId("6f9619ff-8b86-d011-b42d-00cf4fc964ff").ok());
  CHECK(absl::IsInvalidArgument(ValidateRequestId("a b")));
  CHECK(absl::IsInvalidArgument(ValidateRequestId("\xe9\x9b\xb2")));
  CHECK(absl::IsInvalidArgument(ValidateRequestId(std::string(129, 'x'))));
}

}  // namespace
}  // namespace dvren::server
