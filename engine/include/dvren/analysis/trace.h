// A trace of launches: what a device did, in order, with sizes, bytes and times. The daemon writes one of each of its
// jobs; launches carry the names of the operators of its pipelines.
//
// As JSON:
//   {"format": "dvren-trace", "version": 1, "name": "train lego", "device": "cpu, 16 threads",
//    "launches": [{"name": "fused", "rays": 4096, "samples": 786432, "active_samples": 91234, "bytes": 1460000,
//                  "start_ns": 0, "time_ns": 5200000, "after": []}, …]}
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "dvren/core/status.h"

namespace dvren::analysis {

struct TraceLaunch {
  std::string name;                            // "fused": of the launch and of the operator
  std::int64_t rays = 0;                       // or elements, of launches that know no rays
  std::int64_t samples = 0;                    // of all rays together, skipped ones included; 0 where there are none
  std::optional<std::int64_t> active_samples;  // of these, those that contributed; unset: not counted
  std::optional<std::int64_t> bytes;           // read and written, as the launch declares them; unset: not declared
  std::int64_t start_ns = 0;                   // from the start of the trace
  std::int64_t time_ns = 0;
  // Places of earlier launches whose results this one reads. Unset: it follows the one before it.
  std::optional<std::vector<std::uint32_t>> after;
};

struct Trace {
  std::string name;
  std::string device;
  std::vector<TraceLaunch> launches;
};

// Sums over the launches of one name.
struct LaunchTotals {
  std::int64_t launches = 0;
  std::int64_t rays = 0, samples = 0;
  std::optional<std::int64_t> active_samples, bytes;  // unset where a launch did not count them
  std::int64_t time_ns = 0;
  double share = 0;  // of the time of all launches
};
// OUT_OF_RANGE where a sum passes int64.
[[nodiscard]] absl::StatusOr<std::map<std::string, LaunchTotals>> TotalsByLaunch(const Trace& trace);

// INVALID_ARGUMENT for a name that is empty, a negative size or time, more active samples than samples, or an `after`
// that does not come before its launch.
[[nodiscard]] absl::Status CheckTrace(const Trace& trace);
// UTF-8, one launch a line. Reading it gives the same trace.
[[nodiscard]] absl::StatusOr<std::string> TraceToJson(const Trace& trace);
// At most 256 MiB and 10⁶ launches. INVALID_ARGUMENT names field, value and remedy; unknown keys are errors.
[[nodiscard]] absl::StatusOr<Trace> ParseTrace(absl::string_view json);

}  // namespace dvren::analysis
