#include "dvren/analysis/cache_model.h"

#include <algorithm>

namespace dvren::analysis {

Count CacheMissBytes(const WorkCount& work, double capacity_bytes) {
  const Count traffic = work.TrafficBytes();
  const Count compulsory = Min(work.footprint_bytes, traffic);
  if (compulsory == 0) return traffic;
  const double left_out = std::max(0.0, 1 - capacity_bytes / compulsory.real());
  return compulsory + (traffic - compulsory) * Count(left_out);
}

}  // namespace dvren::analysis
