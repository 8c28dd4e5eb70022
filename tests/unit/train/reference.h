// A second opinion from Python: a script of reference/ gets numbers and gives numbers.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace dvren::test {

// Runs reference/<script> with `arguments`, then the paths of a file that holds `numbers`, one a line, and of the one
// that it writes. Nothing, said on stderr, where `modules` cannot be imported; throws what the script prints when it
// fails.
[[nodiscard]] std::optional<std::vector<double>> AskReference(const std::string& script, const std::string& modules,
                                                              const std::vector<std::string>& arguments,
                                                              const std::vector<double>& numbers);

}  // namespace dvren::test
