// The order and place of all parts: a list schedule in which memory takes no time. Whenever an instance is free it
// takes, of the parts of its unit whose inputs are there and whose outputs have room, that of the earliest tile and
// then of the highest rank.
#pragma once

#include <vector>

#include "analysis/schedule/plan.h"

namespace dvren::analysis {

struct PlacedPart {
  std::uint32_t task = 0, part = 0;
  std::uint32_t instance = 0;
};

// By their start: producers come before consumers, and the parts of one instance in the order in which it runs them.
[[nodiscard]] std::vector<PlacedPart> ListOrder(const TaskGraph& graph, const Hardware& hardware,
                                                const SchedulePlan& plan);

}  // namespace dvren::analysis
