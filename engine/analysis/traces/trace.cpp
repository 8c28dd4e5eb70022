#include "dvren/analysis/trace.h"

#include <nlohmann/json.hpp>

#include "analysis/json/checked_json.h"
#include "analysis/json/strict_object.h"
#include "io/printable.h"

namespace dvren::analysis {
namespace {

using nlohmann::json;

constexpr const char* kFormat = "dvren-trace";
constexpr std::int64_t kVersion = 1;
constexpr std::size_t kMostBytes = std::size_t{256} << 20;
constexpr std::size_t kMostLaunches = 1'000'000;
constexpr int kMostDepth = 4;
constexpr std::int64_t kMost = INT64_MAX;

absl::Status Add(std::int64_t value, const std::string& launch, const char* what, std::int64_t* sum) {
  if (__builtin_add_overflow(*sum, value, sum)) {
    return absl::OutOfRangeError(
        absl::StrCat("trace: ", what, " of all launches of ", io::Printable(launch), ": passes int64"));
  }
  return absl::OkStatus();
}

// A sum that is known only while every term is.
absl::Status Add(const std::optional<std::int64_t>& value, bool first, const std::string& launch, const char* what,
                 std::optional<std::int64_t>* sum) {
  if (first) *sum = 0;
  if (!value) sum->reset();
  if (!sum->has_value()) return absl::OkStatus();
  return Add(*value, launch, what, &**sum);
}

absl::Status CheckLaunch(const TraceLaunch& launch, std::size_t place) {
  const auto field = [&](const char* name) { return absl::StrCat("launches[", place, "].", name); };
  if (launch.name.empty() || !io::IsPrintable(launch.name)) {
    return InvalidField(field("name"), io::Printable(launch.name), "must be printable text that is not empty");
  }
  const std::pair<const char*, std::int64_t> sizes[] = {{"rays", launch.rays},
                                                        {"samples", launch.samples},
                                                        {"active_samples", launch.active_samples.value_or(0)},
                                                        {"bytes", launch.bytes.value_or(0)},
                                                        {"start_ns", launch.start_ns},
                                                        {"time_ns", launch.time_ns}};
  for (const auto& [name, value] : sizes) {
    if (value < 0) return InvalidField(field(name), value, "must be >= 0");
  }
  if (launch.active_samples.value_or(0) > launch.samples) {
    return InvalidField(field("active_samples"), *launch.active_samples,
                        absl::StrCat("must be <= samples = ", launch.samples));
  }
  if (!launch.after) return absl::OkStatus();
  for (const std::uint32_t before : *launch.after) {
    if (before >= place) return InvalidField(field("after"), before, "must name an earlier launch");
  }
  return absl::OkStatus();
}

absl::StatusOr<TraceLaunch> ReadLaunch(const json& value, std::size_t place) {
  DVREN_ASSIGN_OR_RETURN(StrictObject object, StrictObject::Of(value, absl::StrCat("trace.launches[", place, "]")));
  TraceLaunch launch;
  DVREN_ASSIGN_OR_RETURN(launch.name, object.Text("name"));
  const auto required = [&](const char* key, std::int64_t* size) -> absl::Status {
    DVREN_ASSIGN_OR_RETURN(const std::optional<std::int64_t> read, object.OptionalInteger(key, 0, kMost));
    if (!read) return absl::InvalidArgumentError(absl::StrCat(object.PathOf(key), ": is missing; give it"));
    *size = *read;
    return absl::OkStatus();
  };
  DVREN_RETURN_IF_ERROR(required("rays", &launch.rays));
  DVREN_RETURN_IF_ERROR(required("samples", &launch.samples));
  DVREN_ASSIGN_OR_RETURN(launch.active_samples, object.OptionalInteger("active_samples", 0, kMost));
  DVREN_ASSIGN_OR_RETURN(launch.bytes, object.OptionalInteger("bytes", 0, kMost));
  DVREN_RETURN_IF_ERROR(required("start_ns", &launch.start_ns));
  DVREN_RETURN_IF_ERROR(required("time_ns", &launch.time_ns));
  if (const json* after = object.Get("after"); after != nullptr) {
    if (!after->is_array()) return InvalidField(object.PathOf("after"), ShowJson(*after), "must be an array of places");
    launch.after.emplace();
    for (const json& before : *after) {
      if (!before.is_number_unsigned() || before.get<std::uint64_t>() >= place) {
        return InvalidField(object.PathOf("after"), ShowJson(before), "must name an earlier launch");
      }
      launch.after->push_back(before.get<std::uint32_t>());
    }
  }
  DVREN_RETURN_IF_ERROR(object.RefuseOthers());
  return launch;
}

json LaunchJson(const TraceLaunch& launch) {
  json value = {{"name", launch.name},
                {"rays", launch.rays},
                {"samples", launch.samples},
                {"start_ns", launch.start_ns},
                {"time_ns", launch.time_ns}};
  if (launch.active_samples) value["active_samples"] = *launch.active_samples;
  if (launch.bytes) value["bytes"] = *launch.bytes;
  if (launch.after) value["after"] = *launch.after;
  return value;
}

}  // namespace

absl::Status CheckTrace(const Trace& trace) {
  for (const auto& [field, text] : {std::pair("name", &trace.name), std::pair("device", &trace.device)}) {
    if (text->empty() || !io::IsPrintable(*text)) {
      return InvalidField(absl::StrCat("trace.", field), io::Printable(*text),
                          "must be one line of text that is not empty");
    }
  }
  if (trace.launches.size() > kMostLaunches) {
    return InvalidField("trace.launches", trace.launches.size(), absl::StrCat("must be at most ", kMostLaunches));
  }
  for (std::size_t i = 0; i < trace.launches.size(); ++i) DVREN_RETURN_IF_ERROR(CheckLaunch(trace.launches[i], i));
  return absl::OkStatus();
}

absl::StatusOr<std::map<std::string, LaunchTotals>> TotalsByLaunch(const Trace& trace) {
  std::map<std::string, LaunchTotals> totals;
  std::int64_t time_ns = 0;
  for (const TraceLaunch& launch : trace.launches) {
    LaunchTotals& sum = totals[launch.name];
    const bool first = sum.launches++ == 0;
    DVREN_RETURN_IF_ERROR(Add(launch.rays, launch.name, "rays", &sum.rays));
    DVREN_RETURN_IF_ERROR(Add(launch.samples, launch.name, "samples", &sum.samples));
    DVREN_RETURN_IF_ERROR(Add(launch.active_samples, first, launch.name, "active_samples", &sum.active_samples));
    DVREN_RETURN_IF_ERROR(Add(launch.bytes, first, launch.name, "bytes", &sum.bytes));
    DVREN_RETURN_IF_ERROR(Add(launch.time_ns, launch.name, "time_ns", &sum.time_ns));
    DVREN_RETURN_IF_ERROR(Add(launch.time_ns, launch.name, "time_ns", &time_ns));
  }
  for (auto& [name, sum] : totals) {
    if (time_ns > 0) sum.share = static_cast<double>(sum.time_ns) / static_cast<double>(time_ns);
  }
  return totals;
}

absl::StatusOr<std::string> TraceToJson(const Trace& trace) {
  DVREN_RETURN_IF_ERROR(CheckTrace(trace));
  std::string text = absl::StrCat("{\n  \"format\": \"", kFormat, "\",\n  \"version\": ", kVersion,
                                  ",\n  \"name\": ", json(trace.name).dump(),
                                  ",\n  \"device\": ", json(trace.device).dump(), ",\n  \"launches\": [");
  for (std::size_t i = 0; i < trace.launches.size(); ++i) {
    absl::StrAppend(&text, i == 0 ? "\n    " : ",\n    ", LaunchJson(trace.launches[i]).dump());
  }
  return text + "\n  ]\n}\n";
}

absl::StatusOr<Trace> ParseTrace(absl::string_view text) {
  DVREN_ASSIGN_OR_RETURN(const json value, ParseCheckedJson(text, "trace", kMostBytes, kMostDepth));
  DVREN_ASSIGN_OR_RETURN(StrictObject object, StrictObject::Of(value, "trace"));
  DVREN_ASSIGN_OR_RETURN(const std::string format, object.Text("format"));
  if (format != kFormat) return InvalidField("trace.format", format, absl::StrCat("must be ", kFormat));
  DVREN_ASSIGN_OR_RETURN(const std::optional<std::int64_t> version, object.OptionalInteger("version", 1, kMost));
  if (version != kVersion) {
    return InvalidField("trace.version", version.value_or(0),
                        absl::StrCat("must be ", kVersion, ", the one this program reads"));
  }
  Trace trace;
  DVREN_ASSIGN_OR_RETURN(trace.name, object.Text("name"));
  DVREN_ASSIGN_OR_RETURN(trace.device, object.Text("device"));
  DVREN_ASSIGN_OR_RETURN(const json* launches, object.Required("launches"));
  if (!launches->is_array()) return InvalidField("trace.launches", ShowJson(*launches), "must be an array");
  for (std::size_t i = 0; i < launches->size(); ++i) {
    DVREN_ASSIGN_OR_RETURN(TraceLaunch launch, ReadLaunch((*launches)[i], i));
    trace.launches.push_back(std::move(launch));
  }
  DVREN_RETURN_IF_ERROR(object.RefuseOthers());
  DVREN_RETURN_IF_ERROR(CheckTrace(trace));
  return trace;
}

}  // namespace dvren::analysis
