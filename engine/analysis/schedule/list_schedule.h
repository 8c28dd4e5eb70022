// The first implementation's list scheduler ("DAGS"): always the ready task of the highest score, which starts when its
// unit and its producers allow. score = 0.6 · successors + 0.4 · impact; successors counts paths, so that diamonds
// count twice.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dvren/analysis/reference_schedule.h"

namespace dvren::analysis {

struct ListTask {
  std::string id;
  std::size_t unit = 0;
  std::int64_t duration = 0;
  double base_duration = 0;  // before strategies shortened it
};

// Tasks of a cycle never become ready: they are appended to their units, dependencies ignored.
[[nodiscard]] ReferenceSchedule ListSchedule(const std::vector<ListTask>& tasks, const ReferenceEdges& edges,
                                             std::vector<ReferenceUnit> units);

}  // namespace dvren::analysis
