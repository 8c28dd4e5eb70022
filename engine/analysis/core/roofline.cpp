#include "dvren/analysis/roofline.h"

#include <algorithm>
#include <cmath>

namespace dvren::analysis {
namespace {

absl::Status CheckRate(const char* field, double rate) {
  if (rate > 0 && std::isfinite(rate)) return absl::OkStatus();
  return InvalidField(field, rate, "must be > 0 and finite");
}

absl::Status CheckShare(const char* field, double share) {
  if (share > 0 && share <= 1) return absl::OkStatus();
  return InvalidField(field, share, "must be > 0 and <= 1");
}

}  // namespace

absl::StatusOr<RooflinePoint> Roofline(const OperatorNode& node, const RooflineMachine& machine) {
  DVREN_RETURN_IF_ERROR(CheckRate("machine.bytes_per_second", machine.bytes_per_second));
  DVREN_RETURN_IF_ERROR(CheckRate("machine.flops", machine.flops));
  DVREN_RETURN_IF_ERROR(CheckRate("machine.frequency_hz", machine.frequency_hz));
  DVREN_RETURN_IF_ERROR(CheckShare("machine.compute_efficiency", machine.compute_efficiency));
  DVREN_RETURN_IF_ERROR(CheckShare("machine.memory_efficiency", machine.memory_efficiency));
  const bool reference = node.mode == Mode::kReference;
  const double elements = (node.input_a + node.input_w + node.output).real();
  const double work = reference ? node.num_ops.real() : node.work.Flops().real();
  const double bytes = reference ? 2 * elements : node.work.TrafficBytes().real();
  const double peak = (reference ? machine.flops / 2 : machine.flops) * machine.compute_efficiency;
  RooflinePoint point;
  point.compute_time_s = work / peak;
  point.memory_time_s = bytes / (machine.bytes_per_second * machine.memory_efficiency);
  point.time_s = std::max(point.compute_time_s, point.memory_time_s);
  point.compute_bound = point.compute_time_s > point.memory_time_s;
  point.intensity = work / (reference ? elements : bytes);
  point.throughput = work / point.time_s;
  point.cycles = point.time_s * machine.frequency_hz;
  return point;
}

}  // namespace dvren::analysis
