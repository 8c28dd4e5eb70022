#include "server/middleware/logger.h"

#include <catch2/catch.hpp>
#include <limits>
#include <nlohmann/json.hpp>
#include <regex>
#include <vector>

#include "server/middleware/json_line.h"
#include "server/middleware/utf8.h"

namespace dvren::server {
namespace {

nlohmann::json Logged(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  std::vector<std::string> lines;
  const auto logger = Logger::ForTest(LogLevel::kDebug, [&](std::string_view line) { lines.emplace_back(line); });
  logger->Log(level, message, fields);
  REQUIRE(lines.size() == 1);
  REQUIRE(lines[0].back() == '\n');
  CHECK(lines[0].find('\n') == lines[0].size() - 1);
  return nlohmann::json::parse(lines[0]);  // throws on anything that is not JSON, invalid UTF-8 included
}

TEST_CASE("A log line is one JSON object with time, level, message and fields of their types") {
  const auto line = Logged(LogLevel::kWarn, "hello", {{"text", "a"}, {"count", 3}, {"ms", 1.5}, {"flag", true}});
  CHECK(std::regex_match(line["time"].get<std::string>(), std::regex(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)")));
  CHECK(line["level"] == "warn");
  CHECK(line["msg"] == "hello");
  CHECK(line["text"] == "a");
  CHECK(line["count"] == 3);
  CHECK(line["ms"] == 1.5);
  CHECK(line["flag"] == true);
}

TEST_CASE("Quotes, control characters and format characters come through unharmed") {
  const std::string nasty = "a\"b\\c\n\r\t\x01\x7F %s {} ü 🙂";
  CHECK(Logged(LogLevel::kInfo, nasty, {{nasty, nasty}})["msg"] == nasty);
  CHECK(Logged(LogLevel::kInfo, nasty, {{nasty, nasty}})[nasty] == nasty);
}

TEST_CASE("Bytes that are not UTF-8 become replacement characters") {
  CHECK(Logged(LogLevel::kInfo, "a\xFF\xC3(z", {})["msg"] == "a\uFFFD\uFFFD(z");
  CHECK(Logged(LogLevel::kInfo, "\xED\xA0\x80", {})["msg"] == "\uFFFD\uFFFD\uFFFD");  // a surrogate
}

TEST_CASE("Every pair of bytes gives valid JSON") {
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; ++b) {
      std::string json;
      AppendJsonString(std::string{static_cast<char>(a), static_cast<char>(b)}, &json);
      REQUIRE(nlohmann::json::accept(json));
    }
  }
}

TEST_CASE("Numbers that JSON lacks are null") {
  CHECK(Logged(LogLevel::kInfo, "x", {{"n", std::numeric_limits<double>::quiet_NaN()}})["n"].is_null());
  CHECK(Logged(LogLevel::kInfo, "x", {{"n", std::numeric_limits<double>::infinity()}})["n"].is_null());
}

TEST_CASE("Lines below the level are not written") {
  int lines = 0;
  const auto logger = Logger::ForTest(LogLevel::kWarn, [&](std::string_view) { ++lines; });
  logger->Debug("a");
  logger->Info("b");
  CHECK(lines == 0);
  logger->Warn("c");
  logger->Error("d");
  CHECK(lines == 2);
  CHECK_FALSE(logger->enabled(LogLevel::kInfo));
}

TEST_CASE("A log file that cannot be opened is an error that names it") {
  const auto logger = Logger::Open({LogLevel::kInfo, "/dev/null/log"});
  REQUIRE_FALSE(logger.ok());
  CHECK(std::string(logger.status().message()).find("log.file = /dev/null/log") == 0);
}

TEST_CASE("UTF-8 is recognised at its borders") {
  CHECK(IsUtf8("\xF4\x8F\xBF\xBF"));        // U+10FFFF
  CHECK_FALSE(IsUtf8("\xF4\x90\x80\x80"));  // beyond
  CHECK_FALSE(IsUtf8("\xC0\x80"));          // overlong
  CHECK_FALSE(IsUtf8("\xE0\x9F\xBF"));      // overlong
  CHECK_FALSE(IsUtf8("\xE2\x82"));          // cut off
  CHECK(IsUtf8(std::string(1, '\0')));
}

}  // namespace
}  // namespace dvren::server
