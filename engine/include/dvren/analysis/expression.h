// Expression: a formula of named quantities, from a file: + - * / ( ) and ceil floor log2 min max pow.
// Whole numbers stay exact and overflow is an error, as everywhere in the cost model.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "dvren/analysis/count.h"

namespace dvren::analysis {

using Quantities = std::map<std::string, Count>;

class Expression {
 public:
  // The constant 0.
  Expression();
  // `field` names the place in messages: `TriPlane.fma = "3*raise": unknown name raise; nearest is rays`.
  [[nodiscard]] static absl::StatusOr<Expression> Parse(const std::string& field, const std::string& text,
                                                        const std::vector<std::string>& names);
  // Precondition: `quantities` has every name of Parse. Invalid where a step overflows or divides by zero.
  [[nodiscard]] Count Evaluate(const Quantities& quantities) const;
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  friend class ExpressionParser;

  // Reverse Polish: each step takes its operands from a stack.
  struct Step {
    enum class Kind { kNumber, kName, kCall };
    Kind kind = Kind::kNumber;
    Count number;
    std::string name;
    Count (*call)(const Count&, const Count&) = nullptr;  // of one operand: the second is not read
    int operands = 0;
  };

  std::string text_ = "0";
  std::vector<Step> steps_;
};

}  // namespace dvren::analysis
