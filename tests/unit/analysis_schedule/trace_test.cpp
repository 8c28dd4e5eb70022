// The project's own traces.
#include "dvren/analysis/trace.h"

#include <catch2/catch.hpp>

namespace dvren::analysis {
namespace {

Trace Small() {
  Trace trace;
  trace.name = "render smoke";
  trace.device = "cpu, 2 threads";
  TraceLaunch ray, fused, again;
  ray.name = "ray";
  ray.rays = 100;
  ray.time_ns = 10;
  fused.name = "fused";
  fused.rays = 100;
  fused.samples = 6400;
  fused.active_samples = 900;
  fused.bytes = 123456;
  fused.start_ns = 10;
  fused.time_ns = 60;
  fused.after = {0};
  again = fused;
  again.start_ns = 70;
  again.time_ns = 30;
  again.active_samples.reset();
  again.after = std::vector<std::uint32_t>{};
  trace.launches = {ray, fused, again};
  return trace;
}

std::string Error(const Trace& trace) {
  return std::string(CheckTrace(trace).message());
}
std::string ParseError(const std::string& json) {
  return std::string(ParseTrace(json).status().message());
}

TEST_CASE("A trace that is written and read is the same trace") {
  const auto json = TraceToJson(Small());
  REQUIRE(json.ok());
  const auto read = ParseTrace(*json);
  INFO(read.status().message());
  REQUIRE(read.ok());
  CHECK(read->name == "render smoke");
  CHECK(read->device == "cpu, 2 threads");
  REQUIRE(read->launches.size() == 3);
  CHECK(read->launches[0].samples == 0);
  CHECK_FALSE(read->launches[0].active_samples.has_value());
  CHECK_FALSE(read->launches[0].after.has_value());
  CHECK(read->launches[1].active_samples == 900);
  CHECK(read->launches[1].bytes == 123456);
  CHECK(*read->launches[1].after == std::vector<std::uint32_t>{0});
  CHECK(read->launches[2].after->empty());
  CHECK(*TraceToJson(*read) == *json);
}

TEST_CASE("Totals by name sum what every launch counted, and leave unset what one did not") {
  const auto totals = TotalsByLaunch(Small());
  REQUIRE(totals.ok());
  const LaunchTotals& fused = totals->at("fused");
  CHECK(fused.launches == 2);
  CHECK(fused.samples == 12800);
  CHECK_FALSE(fused.active_samples.has_value());
  CHECK(fused.bytes == 2 * 123456);
  CHECK(fused.time_ns == 90);
  CHECK(fused.share == Approx(0.9));
  CHECK_FALSE(totals->at("ray").bytes.has_value());
}

TEST_CASE("Sums past int64 are errors") {
  Trace trace = Small();
  trace.launches[1].bytes = trace.launches[2].bytes = INT64_MAX;
  const auto totals = TotalsByLaunch(trace);
  CHECK(totals.status().code() == absl::StatusCode::kOutOfRange);
  CHECK(totals.status().message() == "trace: bytes of all launches of fused: passes int64");
}

TEST_CASE("Launches that cannot be are refused by place and field") {
  Trace trace = Small();
  trace.launches[1].active_samples = 6401;
  CHECK(Error(trace) == "launches[1].active_samples = 6401: must be <= samples = 6400");
  trace = Small();
  trace.launches[1].time_ns = -1;
  CHECK(Error(trace) == "launches[1].time_ns = -1: must be >= 0");
  trace = Small();
  trace.launches[1].after = std::vector<std::uint32_t>{1};
  CHECK(Error(trace) == "launches[1].after = 1: must name an earlier launch");
  trace = Small();
  trace.launches[0].name.clear();
  CHECK(Error(trace) == "launches[0].name = : must be printable text that is not empty");
  trace.device = "two\nlines";
  CHECK(Error(trace) == "trace.device = two?lines: must be one line of text that is not empty");
}

TEST_CASE("Text that is no trace of this version is refused by field, value and remedy") {
  const std::string head = R"({"format": "dvren-trace", "version": 1, "name": "a", "device": "b", "launches": [)";
  CHECK(ParseError("{").find("trace: is not JSON") == 0);
  CHECK(ParseError("{}") == "trace.format: is missing; give it");
  CHECK(ParseError(R"({"format": "chrome"})") == "trace.format = chrome: must be dvren-trace");
  CHECK(ParseError(R"({"format": "dvren-trace", "version": 2})") ==
        "trace.version = 2: must be 1, the one this program reads");
  CHECK(ParseError(head + R"({"name": "x"}]})") == "trace.launches[0].rays: is missing; give it");
  CHECK(ParseError(head + R"({"name": "x", "rays": 1, "samples": 1, "start_ns": 0, "time_ns": 1.5}]})") ==
        "trace.launches[0].time_ns = 1.5: must be an integer from 0 to 9223372036854775807");
  CHECK(ParseError(head +
                   R"({"name": "x", "rays": 1, "samples": 18446744073709551615, "start_ns": 0, "time_ns": 1}]})") ==
        "trace.launches[0].samples = 18446744073709551615: must be an integer from 0 to 9223372036854775807");
  CHECK(ParseError(head + R"({"name": "x", "rays": 1, "samples": 1, "start_ns": 0, "time_ns": 1, "byte": 1}]})") ==
        "trace.launches[0].byte = 1: is no known key; nearest is bytes");
  CHECK(ParseError(head + R"({"name": "x", "rays": 1, "samples": 1, "start_ns": 0, "time_ns": 1, "after": [0]}]})") ==
        "trace.launches[0].after = 0: must name an earlier launch");
  CHECK(ParseError(head + "[]]}") == "trace.launches[0] = an array of 0: must be an object, {…}");
}

}  // namespace
}  // namespace dvren::analysis
