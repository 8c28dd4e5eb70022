// What a traced function is, by its name.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace dvren::analysis {

struct FunctionKind {
  std::string name;           // "MLP.forward": the last two parts, without shapes and call number
  std::string type;           // "MLP_COMPUTATION", "HELPER", "MODEL_WRAPPER", …
  std::string hardware_type;  // "MLP", "IGNORE", …
  bool known = true;          // false: no rule matched, and the reference takes it for FIELD_COMPUTATION
};

// The first implementation's rules: markers of chunks, then a table of names, then substrings in order.
[[nodiscard]] FunctionKind ClassifyFunction(absl::string_view function);

}  // namespace dvren::analysis
