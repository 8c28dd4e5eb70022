// Which grid (or array) of a file is meant, the same for every format. Internal to dvren::io.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "dvren/core/status.h"
#include "printable.h"

namespace dvren::io {

// Index of the asked name; else of the first preferred name that is there; else of the only one. INVALID_ARGUMENT
// `file: grid = foo: …; there are a, b`.
[[nodiscard]] inline absl::StatusOr<std::size_t> ChooseGrid(const std::vector<std::string>& names,
                                                            const std::string& asked,
                                                            const std::vector<std::string>& preferred,
                                                            absl::string_view file) {
  const auto place = [&](const std::string& name) {
    return static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
  };
  if (names.empty()) return absl::InvalidArgumentError(absl::StrCat(file, ": holds no grid"));
  if (!asked.empty()) {
    if (place(asked) < names.size()) return place(asked);
    return InvalidField(absl::StrCat(file, ": grid"), Printable(asked),
                        absl::StrCat("not there; there are ", Printable(absl::StrJoin(names, ", "))));
  }
  for (const std::string& name : preferred) {
    if (place(name) < names.size()) return place(name);
  }
  if (names.size() == 1) return std::size_t{0};
  return absl::InvalidArgumentError(absl::StrCat(file, ": holds several grids, none named ",
                                                 absl::StrJoin(preferred, " or "), ": name one of ",
                                                 Printable(absl::StrJoin(names, ", "))));
}

}  // namespace dvren::io
