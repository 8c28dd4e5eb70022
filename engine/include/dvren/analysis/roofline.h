// Roofline: the least time of an operator on a machine of one peak rate and one bandwidth (Williams et al. 2009).
#pragma once

#include "dvren/analysis/operator_graph.h"

namespace dvren::analysis {

struct RooflineMachine {
  double bytes_per_second = 0;
  double flops = 0;  // FLOP/s, a fused multiply-add counted as two
  double frequency_hz = 0;
  double compute_efficiency = 1;  // of the peak that is reached
  double memory_efficiency = 1;
};

struct RooflinePoint {
  double compute_time_s = 0;
  double memory_time_s = 0;
  double time_s = 0;  // the larger
  bool compute_bound = false;
  double intensity = 0;   // corrected: FLOP per byte of traffic; reference: operations per element
  double throughput = 0;  // corrected: FLOP/s; reference: operations/s
  double cycles = 0;      // time_s · frequency_hz
};

// By the node's mode. Corrected: FLOP over the reached peak, traffic over the reached bandwidth. Reference: the
// published script, which halves the peak though a multiply-add counts as two, and takes 2 bytes an element whatever
// its width. INVALID_ARGUMENT where a rate is not above 0 or an efficiency not in (0, 1].
[[nodiscard]] absl::StatusOr<RooflinePoint> Roofline(const OperatorNode& node, const RooflineMachine& machine);

}  // namespace dvren::analysis
