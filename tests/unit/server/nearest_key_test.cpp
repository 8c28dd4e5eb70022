#include "server/app/nearest_key.h"

#include <catch2/catch.hpp>

namespace dvren::server {
namespace {

TEST_CASE("Edit distance counts insertions, deletions, substitutions and swaps of neighbours") {
  CHECK(EditDistance("", "") == 0);
  CHECK(EditDistance("abc", "") == 3);
  CHECK(EditDistance("", "abc") == 3);
  CHECK(EditDistance("kitten", "sitting") == 3);
  CHECK(EditDistance("listen", "lisetn") == 1);
  CHECK(EditDistance("listen", "lisen") == 1);
}

TEST_CASE("The nearest key is the closest, and the first of equals") {
  CHECK(NearestKey("treads", {"roots", "threads", "tls"}) == "threads");
  CHECK(NearestKey("x", {"a", "b"}) == "a");
  CHECK(NearestKey("x", {}).empty());
  CHECK(NearestKey(std::string(1 << 20, 'x'), {"a"}) == "a");
}

}  // namespace
}  // namespace dvren::server
