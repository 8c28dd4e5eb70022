#include "values.h"

#include <cmath>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "nearest.h"

namespace dvren::ctl {

std::vector<std::string> SplitList(const std::string& text) {
  std::vector<std::string> parts;
  if (text.empty()) return parts;
  for (const absl::string_view part : absl::StrSplit(text, ',')) parts.emplace_back(absl::StripAsciiWhitespace(part));
  return parts;
}

absl::StatusOr<std::vector<double>> ParseNumbers(const std::string& option, const std::string& text, std::size_t count,
                                                 const std::string& form) {
  const std::vector<std::string> parts = SplitList(text);
  std::vector<double> numbers;
  for (const std::string& part : parts) {
    double number = 0;
    if (!absl::SimpleAtod(part, &number) || !std::isfinite(number)) {
      return InvalidField(option, text, absl::StrCat("\"", part, "\" is not a finite number; the form is ", form));
    }
    numbers.push_back(number);
  }
  if (numbers.size() != count) {
    return InvalidField(option, text, absl::StrCat("must be ", count, " numbers, ", form, ", not ", numbers.size()));
  }
  return numbers;
}

absl::StatusOr<std::vector<int>> ParseIntegers(const std::string& option, const std::string& text, std::size_t count,
                                               const std::string& form) {
  DVREN_ASSIGN_OR_RETURN(const auto numbers, ParseNumbers(option, text, count, form));
  std::vector<int> integers;
  for (const double number : numbers) {
    if (number != std::floor(number) || std::abs(number) > std::numeric_limits<int>::max()) {
      return InvalidField(option, text, absl::StrCat("must be whole numbers, ", form));
    }
    integers.push_back(static_cast<int>(number));
  }
  return integers;
}

absl::StatusOr<std::size_t> ParseChoice(const std::string& option, const std::string& text,
                                        std::span<const std::string> choices) {
  std::string all;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    if (choices[i] == text) return i;
    all += (i == 0 ? "" : i + 1 == choices.size() ? " or " : ", ") + choices[i];
  }
  const std::string near = Nearest(text, choices);
  return InvalidField(option, text, absl::StrCat("must be ", all, near.empty() ? "" : "; did you mean " + near + "?"));
}

}  // namespace dvren::ctl
