#include "dvren/analysis/work_measure.h"

namespace dvren::analysis {

const std::vector<std::string>& WorkMeasureNames() {
  static const std::vector<std::string> names = {"fma",     "add",     "mul",        "special", "integer",
                                                 "compare", "gathers", "operations", "samples", "outputs"};
  return names;
}

}  // namespace dvren::analysis
