#include "dvren/diff/lbfgs.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <deque>
#include <utility>

namespace dvren {
namespace {

using Vector = std::vector<double>;

double Dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

double LargestIn(const Vector& v) {
  double largest = 0;
  for (const double value : v) largest = std::max(largest, std::abs(value));
  return largest;
}

struct Point {
  Vector x, gradient;
  double value = 0;
};

std::string TextOf(const Vector& x) {
  constexpr std::size_t kShown = 8;
  std::string text;
  for (std::size_t i = 0; i < std::min(x.size(), kShown); ++i) absl::StrAppend(&text, i == 0 ? "" : ", ", x[i]);
  return absl::StrCat("(", text, x.size() > kShown ? ", ..." : "", ")");
}

class Evaluator {
 public:
  explicit Evaluator(const LbfgsObjective& f) : f_(f) {}

  // Fills in value and gradient of point.x. A value of +inf passes where `inf_passes`; its gradient is not looked at.
  [[nodiscard]] absl::Status Evaluate(Point& point, bool inf_passes) {
    ++evaluations_;
    point.gradient.assign(point.x.size(), 0);
    point.value = f_(point.x, point.gradient);
    if (inf_passes && std::isinf(point.value) && point.value > 0) return absl::OkStatus();
    if (!std::isfinite(point.value)) return NotFinite("f", point.value, point.x);
    for (std::size_t i = 0; i < point.x.size(); ++i) {
      if (!std::isfinite(point.gradient[i])) {
        return NotFinite(absl::StrCat("df/dx[", i, "]"), point.gradient[i], point.x);
      }
    }
    return absl::OkStatus();
  }
  [[nodiscard]] int evaluations() const { return evaluations_; }

 private:
  [[nodiscard]] absl::Status NotFinite(absl::string_view what, double value, const Vector& x) const {
    return InvalidField(what, value, absl::StrCat("must be finite; at x = ", TextOf(x), ", evaluation ", evaluations_));
  }
  const LbfgsObjective& f_;
  int evaluations_ = 0;
};

// The last steps s and gradient changes y, and what they say of the inverse Hessian.
class History {
 public:
  explicit History(int most) : most_(static_cast<std::size_t>(most)) {}

  void Add(const Point& from, const Point& to) {
    Pair pair{to.x, to.gradient, 0};
    for (std::size_t i = 0; i < pair.s.size(); ++i) {
      pair.s[i] -= from.x[i];
      pair.y[i] -= from.gradient[i];
    }
    const double sy = Dot(pair.s, pair.y), yy = Dot(pair.y, pair.y);
    // A curvature that is lost in rounding would make the inverse Hessian indefinite or infinite.
    if (!(sy > 1e-14 * std::sqrt(Dot(pair.s, pair.s)) * std::sqrt(yy))) return;
    pair.rho = 1 / sy;
    scale_ = sy / yy;
    pairs_.push_back(std::move(pair));
    if (pairs_.size() > most_) pairs_.pop_front();
  }
  [[nodiscard]] bool empty() const { return pairs_.empty(); }
  void Clear() { pairs_.clear(); }

  // -H gradient.
  [[nodiscard]] Vector Direction(const Vector& gradient) const {
    Vector q = gradient;
    Vector alphas(pairs_.size());
    for (std::size_t k = pairs_.size(); k-- > 0;) {
      alphas[k] = pairs_[k].rho * Dot(pairs_[k].s, q);
      for (std::size_t i = 0; i < q.size(); ++i) q[i] -= alphas[k] * pairs_[k].y[i];
    }
    if (!pairs_.empty()) {
      for (double& value : q) value *= scale_;
    }
    for (std::size_t k = 0; k < pairs_.size(); ++k) {
      const double beta = pairs_[k].rho * Dot(pairs_[k].y, q);
      for (std::size_t i = 0; i < q.size(); ++i) q[i] += (alphas[k] - beta) * pairs_[k].s[i];
    }
    for (double& value : q) value = -value;
    return q;
  }

 private:
  struct Pair {
    Vector s, y;
    double rho;
  };
  std::size_t most_;
  std::deque<Pair> pairs_;
  double scale_ = 1;
};

// A step along the direction: its length, and value and slope there.
struct Trial {
  double step = 0, slope = 0;
  Point point;
};

class LineSearch {
 public:
  LineSearch(Evaluator& evaluator, const LbfgsOptions& options, const Point& from, const Vector& direction)
      : evaluator_(evaluator), options_(options), from_(from), direction_(direction) {
    start_.slope = Dot(from.gradient, direction);
    start_.point = from;
  }

  // Algorithm 3.5. The accepted point; false when none was found within the evaluations allowed, and then the best
  // point seen that still decreases enough, if any, is in `accepted`.
  [[nodiscard]] absl::StatusOr<bool> Run(double first_step, Point* accepted) {
    Trial before = start_;
    double step = first_step;
    while (left_ > 0) {
      DVREN_ASSIGN_OR_RETURN(Trial trial, Try(step));
      if (!Decreases(trial) || (before.step > 0 && trial.point.value >= before.point.value)) {
        return Zoom(std::move(before), std::move(trial), accepted);
      }
      if (IsFlat(trial)) {
        *accepted = std::move(trial.point);
        return true;
      }
      if (trial.slope >= 0) return Zoom(std::move(trial), std::move(before), accepted);
      before = std::move(trial);
      step *= 2;
      if (!std::isfinite(step)) break;
    }
    return Best(std::move(before), accepted);
  }

 private:
  // Algorithm 3.6. `low` decreases enough and has the least value so far; the interval to `high` holds a step that
  // meets both conditions.
  [[nodiscard]] absl::StatusOr<bool> Zoom(Trial low, Trial high, Point* accepted) {
    while (left_ > 0) {
      const double step = Between(low, high);
      if (step == low.step || step == high.step) break;  // rounding left nothing in between
      DVREN_ASSIGN_OR_RETURN(Trial trial, Try(step));
      if (!Decreases(trial) || trial.point.value >= low.point.value) {
        high = std::move(trial);
        continue;
      }
      if (IsFlat(trial)) {
        *accepted = std::move(trial.point);
        return true;
      }
      if (trial.slope * (high.step - low.step) >= 0) high = std::move(low);
      low = std::move(trial);
    }
    return Best(std::move(low), accepted);
  }

  bool Best(Trial low, Point* accepted) const {
    if (low.step > 0 && low.point.value < start_.point.value) *accepted = std::move(low.point);
    return false;
  }

  // Minimum of the cubic through both ends (equation 3.59), kept a tenth away from them; the middle where there is
  // none.
  [[nodiscard]] static double Between(const Trial& a, const Trial& b) {
    const double width = b.step - a.step, middle = a.step + 0.5 * width;
    const double d1 = a.slope + b.slope - 3 * (a.point.value - b.point.value) / (a.step - b.step);
    const double d2 = std::copysign(std::sqrt(d1 * d1 - a.slope * b.slope), width);
    const double step = b.step - width * (b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2);
    if (!std::isfinite(step)) return middle;
    const double low = std::min(a.step, b.step) + 0.1 * std::abs(width);
    const double high = std::max(a.step, b.step) - 0.1 * std::abs(width);
    return low < high ? std::clamp(step, low, high) : middle;
  }

  [[nodiscard]] absl::StatusOr<Trial> Try(double step) {
    --left_;
    Trial trial{step, 0, {from_.x, {}, 0}};
    for (std::size_t i = 0; i < direction_.size(); ++i) trial.point.x[i] += step * direction_[i];
    DVREN_RETURN_IF_ERROR(evaluator_.Evaluate(trial.point, true));
    trial.slope = std::isinf(trial.point.value) ? trial.point.value : Dot(trial.point.gradient, direction_);
    return trial;
  }
  [[nodiscard]] bool Decreases(const Trial& trial) const {
    return trial.point.value <= start_.point.value + options_.sufficient_decrease * trial.step * start_.slope;
  }
  [[nodiscard]] bool IsFlat(const Trial& trial) const {
    return std::abs(trial.slope) <= -options_.curvature * start_.slope;
  }

  Evaluator& evaluator_;
  const LbfgsOptions& options_;
  const Point& from_;
  const Vector& direction_;
  Trial start_;
  int left_ = options_.max_line_search;
};

absl::Status CheckOptions(const LbfgsOptions& options) {
  if (options.history < 1) return InvalidField("lbfgs.history", options.history, "must be >= 1");
  if (options.max_iterations < 0) return InvalidField("lbfgs.max_iterations", options.max_iterations, "must be >= 0");
  if (options.max_line_search < 1) {
    return InvalidField("lbfgs.max_line_search", options.max_line_search, "must be >= 1");
  }
  if (!(std::isfinite(options.gradient_tolerance) && options.gradient_tolerance >= 0)) {
    return InvalidField("lbfgs.gradient_tolerance", options.gradient_tolerance, "must be finite and >= 0");
  }
  if (!(options.curvature > 0 && options.curvature < 1)) {
    return InvalidField("lbfgs.curvature", options.curvature, "must be in (0, 1)");
  }
  if (!(options.sufficient_decrease > 0 && options.sufficient_decrease < options.curvature)) {
    return InvalidField("lbfgs.sufficient_decrease", options.sufficient_decrease,
                        absl::StrCat("must be above 0 and below lbfgs.curvature = ", options.curvature));
  }
  return absl::OkStatus();
}

absl::Status CheckStart(const Vector& x0) {
  if (x0.empty()) return InvalidField("lbfgs.x0", "()", "must have at least one component");
  for (std::size_t i = 0; i < x0.size(); ++i) {
    if (!std::isfinite(x0[i])) return InvalidField(absl::StrCat("lbfgs.x0[", i, "]"), x0[i], "must be finite");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<LbfgsResult> MinimiseLbfgs(const LbfgsObjective& f, std::vector<double> x0,
                                          const LbfgsOptions& options) {
  DVREN_RETURN_IF_ERROR(CheckOptions(options));
  DVREN_RETURN_IF_ERROR(CheckStart(x0));
  Evaluator evaluator(f);
  Point at{std::move(x0), {}, 0};
  DVREN_RETURN_IF_ERROR(evaluator.Evaluate(at, false));
  History history(options.history);
  LbfgsResult result;
  for (;; ++result.iterations) {
    result.end = LbfgsEnd::kConverged;
    if (LargestIn(at.gradient) <= options.gradient_tolerance) break;
    result.end = LbfgsEnd::kMaxIterations;
    if (result.iterations >= options.max_iterations) break;
    Vector direction = history.Direction(at.gradient);
    if (!(Dot(direction, at.gradient) < 0)) {  // rounding made it point uphill: begin anew with steepest descent
      history.Clear();
      direction = history.Direction(at.gradient);
    }
    // Without curvature a unit step has no meaning: begin with one of length 1 at most.
    const double first_step = history.empty() ? std::min(1.0, 1 / std::sqrt(Dot(direction, direction))) : 1.0;
    Point next;
    DVREN_ASSIGN_OR_RETURN(const bool found, LineSearch(evaluator, options, at, direction).Run(first_step, &next));
    if (next.x.empty()) {
      result.end = LbfgsEnd::kNoProgress;
      if (history.empty()) break;
      history.Clear();  // once more, along the gradient itself
      continue;
    }
    if (found) {
      history.Add(at, next);
    } else {
      history.Clear();
    }
    at = std::move(next);
  }
  result.value = at.value;
  result.gradient_norm = LargestIn(at.gradient);
  result.x = std::move(at.x);
  result.evaluations = evaluator.evaluations();
  return result;
}

}  // namespace dvren
