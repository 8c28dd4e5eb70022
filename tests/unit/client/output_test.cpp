#include "output.h"

#include <catch2/catch.hpp>
#include <sstream>

#include "progress.h"

namespace dvren::ctl {
namespace {

TEST_CASE("A table aligns its columns by characters, not bytes") {
  CHECK(ToText({{"NAME", "SIZE"}, {{"smoke", "1"}, {"r\xC3\xA4uchlein", "22"}}}) ==
        "NAME       SIZE\nsmoke      1\nr\xC3\xA4uchlein  22\n");
  CHECK(ToText({{}, {{"version", "1.0"}, {"up", "yes"}}}) == "version  1.0\nup       yes\n");
}

TEST_CASE("YAML keeps types, order and nesting") {
  const Value value = {{"name", "smoke"},
                       {"note", "yes"},
                       {"text", "a: b\n\"c\""},
                       {"empty", ""},
                       {"number", 1.5},
                       {"flag", true},
                       {"none", nullptr},
                       {"box", {{"min", {1, 2, 3}}, {"tags", Value::array()}}},
                       {"list", {{{"id", "x"}, {"size", 1}}, {{"id", "0y"}, {"size", 2}}}}};
  CHECK(ToYaml(value) ==
        "name: smoke\n"
        "note: \"yes\"\n"
        "text: \"a: b\\n\\\"c\\\"\"\n"
        "empty: \"\"\n"
        "number: 1.5\n"
        "flag: true\n"
        "none: null\n"
        "box:\n"
        "  min: [1, 2, 3]\n"
        "  tags: []\n"
        "list:\n"
        "  - id: x\n"
        "    size: 1\n"
        "  - id: \"0y\"\n"
        "    size: 2\n");
}

TEST_CASE("YAML of a list, of lists of lists and of scalars stands alone") {
  CHECK(ToYaml(Value{{{"a", 1}}, {{"a", 2}}}) == "- a: 1\n- a: 2\n");
  CHECK(ToYaml(Value::array()) == "[]\n");
  CHECK(ToYaml(Value::array({1, 2})) == "[1, 2]\n");
  CHECK(ToYaml(Value{{"m", Value::array({Value::array({1, 2}), Value::array({3, 4})})}}) ==
        "m:\n  - [1, 2]\n  - [3, 4]\n");
  CHECK(ToYaml(Value("x")) == "x\n");
}

TEST_CASE("Names are the first column, one to a line") {
  std::ostringstream out;
  Print(out, Format::kNames, Value::array(), {{"NAME", "ID"}, {{"a b", "1"}, {"c", "2"}}});
  CHECK(out.str() == "a b\nc\n");
}

TEST_CASE("An unknown output format names those there are") {
  CHECK(*ParseFormat("json") == Format::kJson);
  CHECK(ParseFormat("jsn").status().message() == "--output = jsn: must be table, json or yaml; did you mean json?");
}

TEST_CASE("Bytes and numbers are written for people") {
  CHECK(HumanBytes(12) == "12 B");
  CHECK(HumanBytes(1536) == "1.5 KiB");
  CHECK(HumanBytes(std::uint64_t{8} << 30) == "8.0 GiB");
  CHECK(HumanBytes((std::uint64_t{1} << 20) - 1) == "1.0 MiB");
  CHECK(Grouped(0) == "0");
  CHECK(Grouped(999) == "999");
  CHECK(Grouped(1048576) == "1,048,576");
  CHECK(Grouped(-1234) == "-1,234");
}

TEST_CASE("Control characters of a foreign name cannot reach the terminal") {
  CHECK(Printable("a\033[31mb\n") == "a\\x1b[31mb\\x0a");
}

TEST_CASE("Progress says how far, how fast and how long") {
  const std::string text = ProgressText(ProgressBar::Unit::kBytes, 1 << 20, 4 << 20, 2.0);
  CHECK_THAT(text, Catch::StartsWith("[#######"));
  CHECK_THAT(text, Catch::Contains("25%") && Catch::Contains("1.0 MiB of 4.0 MiB") && Catch::Contains("512.0 KiB/s") &&
                       Catch::Contains("7 s left"));
  CHECK_THAT(ProgressText(ProgressBar::Unit::kPixels, 0, 0, 0), Catch::Contains("100%"));
}

}  // namespace
}  // namespace dvren::ctl
