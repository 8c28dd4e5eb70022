#include "dvren/analysis/expression.h"

#include <algorithm>
#include <cctype>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "analysis/core/nearest_name.h"

namespace dvren::analysis {
namespace {

constexpr std::size_t kMaxLength = 4096;
constexpr int kMaxDepth = 64;

Count Add(const Count& a, const Count& b) {
  return a + b;
}
Count Subtract(const Count& a, const Count& b) {
  return a - b;
}
Count Multiply(const Count& a, const Count& b) {
  return a * b;
}
Count Divide(const Count& a, const Count& b) {
  return a / b;
}
Count Negate(const Count& a, const Count&) {
  return 0 - a;
}
Count CeilOf(const Count& a, const Count&) {
  return CeilDivide(a, 1);
}
Count FloorOf(const Count& a, const Count&) {
  return FloorDivide(a, 1);
}
Count Log2Of(const Count& a, const Count&) {
  return Log2(a);
}

// Exact for whole numbers and exponents from 0 on.
Count Power(const Count& base, const Count& exponent) {
  if (!base.valid() || !exponent.valid()) return base + exponent;
  if (!base.exact() || !exponent.exact() || exponent.integer() < 0) {
    return Count(std::pow(base.real(), exponent.real()));
  }
  Count power = 1, square = base;
  for (std::int64_t rest = exponent.integer(); rest > 0; rest /= 2) {
    if (rest % 2 == 1) power = power * square;
    if (rest > 1) square = square * square;
  }
  return power;
}

struct Function {
  const char* name;
  int operands;
  Count (*call)(const Count&, const Count&);
};

constexpr Function kFunctions[] = {{"ceil", 1, CeilOf}, {"floor", 1, FloorOf}, {"log2", 1, Log2Of},
                                   {"min", 2, Min},     {"max", 2, Max},       {"pow", 2, Power}};

}  // namespace

// Recursive descent: sum = product {(+|-) product}; product = factor {(*|/) factor}; factor = -factor | number | name |
// function(sum, …) | (sum).
class ExpressionParser {
 public:
  ExpressionParser(const std::string& field, const std::string& text, const std::vector<std::string>& names)
      : field_(field), text_(text), names_(names) {}

  absl::StatusOr<Expression> Parse() {
    if (text_.size() > kMaxLength) {
      return InvalidField(field_, absl::StrCat(text_.size(), " characters"), absl::StrCat("must be <= ", kMaxLength));
    }
    DVREN_RETURN_IF_ERROR(Sum(0));
    if (Peek() != '\0') return Wrong(absl::StrCat("unexpected ", std::string(1, Peek())));
    expression_.text_ = text_;
    return std::move(expression_);
  }

 private:
  using Step = Expression::Step;

  absl::Status Wrong(const std::string& why) const {
    return InvalidField(field_, absl::StrCat("\"", text_, "\""), absl::StrCat(why, " (character ", at_ + 1, ")"));
  }

  char Peek() {
    while (at_ < text_.size() && absl::ascii_isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  bool Take(char symbol) {
    if (Peek() != symbol) return false;
    ++at_;
    return true;
  }

  void Call(Count (*call)(const Count&, const Count&), int operands) {
    Step step;
    step.kind = Step::Kind::kCall;
    step.call = call;
    step.operands = operands;
    expression_.steps_.push_back(std::move(step));
  }

  absl::Status Sum(int depth) {
    DVREN_RETURN_IF_ERROR(Product(depth));
    for (;;) {
      const char symbol = Peek();
      if (symbol != '+' && symbol != '-') return absl::OkStatus();
      ++at_;
      DVREN_RETURN_IF_ERROR(Product(depth));
      Call(symbol == '+' ? Add : Subtract, 2);
    }
  }

  absl::Status Product(int depth) {
    DVREN_RETURN_IF_ERROR(Factor(depth));
    for (;;) {
      const char symbol = Peek();
      if (symbol != '*' && symbol != '/') return absl::OkStatus();
      ++at_;
      DVREN_RETURN_IF_ERROR(Factor(depth));
      Call(symbol == '*' ? Multiply : Divide, 2);
    }
  }

  absl::Status Factor(int depth) {
    if (depth > kMaxDepth) return Wrong(absl::StrCat("nested deeper than ", kMaxDepth, " levels"));
    if (Take('-')) {
      DVREN_RETURN_IF_ERROR(Factor(depth + 1));
      Call(Negate, 1);
      return absl::OkStatus();
    }
    if (Take('(')) {
      DVREN_RETURN_IF_ERROR(Sum(depth + 1));
      return Take(')') ? absl::OkStatus() : Wrong("a closing parenthesis is missing");
    }
    const char symbol = Peek();
    if (absl::ascii_isdigit(static_cast<unsigned char>(symbol)) || symbol == '.') return Number();
    if (absl::ascii_isalpha(static_cast<unsigned char>(symbol)) || symbol == '_') return Name(depth);
    return Wrong(symbol == '\0' ? "a quantity is missing" : absl::StrCat("unexpected ", std::string(1, symbol)));
  }

  absl::Status Number() {
    const std::size_t begin = at_;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      const bool sign = (c == '+' || c == '-') && at_ > begin && (text_[at_ - 1] == 'e' || text_[at_ - 1] == 'E');
      if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '.' && !sign) break;
      ++at_;
    }
    const std::string digits = text_.substr(begin, at_ - begin);
    Step step;
    std::int64_t whole = 0;
    double real = 0;
    if (absl::SimpleAtoi(digits, &whole)) {
      step.number = whole;
    } else if (absl::SimpleAtod(digits, &real) && Count(real).valid()) {
      step.number = real;
    } else {
      return Wrong(absl::StrCat(digits, " is no number below 2^63"));
    }
    expression_.steps_.push_back(std::move(step));
    return absl::OkStatus();
  }

  absl::Status Name(int depth) {
    const std::size_t begin = at_;
    while (at_ < text_.size() && (absl::ascii_isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '_')) {
      ++at_;
    }
    const std::string name = text_.substr(begin, at_ - begin);
    if (Take('(')) return Arguments(name, begin, depth);
    if (std::find(names_.begin(), names_.end(), name) == names_.end()) {
      at_ = begin;
      return Wrong(absl::StrCat("unknown name ", name, NearestHint(name, names_)));
    }
    Step step;
    step.kind = Step::Kind::kName;
    step.name = name;
    expression_.steps_.push_back(std::move(step));
    return absl::OkStatus();
  }

  absl::Status Arguments(const std::string& name, std::size_t begin, int depth) {
    const auto* function = std::find_if(std::begin(kFunctions), std::end(kFunctions),
                                        [&](const Function& candidate) { return name == candidate.name; });
    if (function == std::end(kFunctions)) {
      at_ = begin;
      std::vector<std::string> known;
      for (const Function& candidate : kFunctions) known.push_back(candidate.name);
      return Wrong(absl::StrCat("unknown function ", name, NearestHint(name, known)));
    }
    for (int i = 0; i < function->operands; ++i) {
      if (i > 0 && !Take(',')) return Wrong(absl::StrCat(name, " takes ", function->operands, " quantities"));
      DVREN_RETURN_IF_ERROR(Sum(depth + 1));
    }
    if (!Take(')')) return Wrong(absl::StrCat(name, " takes ", function->operands, " and ends with a parenthesis"));
    Call(function->call, function->operands);
    return absl::OkStatus();
  }

  const std::string& field_;
  const std::string& text_;
  const std::vector<std::string>& names_;
  std::size_t at_ = 0;
  Expression expression_ = EmptyExpression();

  static Expression EmptyExpression() {
    Expression expression;
    expression.steps_.clear();
    return expression;
  }
};

Expression::Expression() : steps_(1) {}

absl::StatusOr<Expression> Expression::Parse(const std::string& field, const std::string& text,
                                             const std::vector<std::string>& names) {
  return ExpressionParser(field, text, names).Parse();
}

Count Expression::Evaluate(const Quantities& quantities) const {
  std::vector<Count> stack;
  for (const Step& step : steps_) {
    if (step.kind == Step::Kind::kNumber) {
      stack.push_back(step.number);
    } else if (step.kind == Step::Kind::kName) {
      stack.push_back(quantities.at(step.name));
    } else {
      const Count last = stack.back();
      if (step.operands == 2) stack.pop_back();
      stack.back() = step.operands == 2 ? step.call(stack.back(), last) : step.call(last, last);
    }
  }
  return stack.back();
}

}  // namespace dvren::analysis
