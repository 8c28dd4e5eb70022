// Differences at three step sizes, and what they say about a gradient.
#pragma once

#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdio>
#include <map>
#include <string>

namespace dvren::test {

// Values of a function at +-h, +-h/2, +-h/4 (or, one-sided, at h, 2h, …), and its slope from each pair.
class Differences {
 public:
  explicit Differences(double step, bool one_sided = false) : step_(step), one_sided_(one_sided) {}
  [[nodiscard]] double Step(std::size_t pair) const { return step_ / (1 << pair); }
  // Where value n (0 … 5) is taken.
  [[nodiscard]] double Offset(std::size_t n) const {
    const double h = Step(n / 2);
    return one_sided_ ? (n % 2 ? h : 2 * h) : (n % 2 ? -h : h);
  }
  void Set(std::size_t n, double value) { values_[n] = value; }
  void SetBase(double value) { base_ = value; }  // at 0, for one-sided ones
  [[nodiscard]] double Slope(std::size_t pair) const {
    const double h = Step(pair), a = values_[2 * pair], b = values_[2 * pair + 1];
    return one_sided_ ? (4 * b - a - 3 * base_) / (2 * h) : (a - b) / (2 * h);
  }
  [[nodiscard]] double Smallest() const { return Step(2); }

 private:
  double step_, base_ = 0;
  bool one_sided_;
  std::array<double, 6> values_{};
};

// Judges slopes, and keeps account of what has been compared.
class Verdicts {
 public:
  // "" when the slopes say that `gradient` is right. `group_norm`: of the gradients it belongs to; `magnitude`: sum of
  // the losses' magnitudes, whose rounding is in the differences.
  std::string Judge(const std::string& group, const Differences& d, double gradient, double group_norm,
                    double magnitude) {
    std::array<double, 3> e;
    for (std::size_t n = 0; n < 3; ++n) e[n] = std::fabs(d.Slope(n) - gradient);
    return Judge(group, e, gradient, group_norm, magnitude, d.Smallest());
  }
  // The same of vectors: `e` are the distances of the three slopes from the gradient, `gradient` its norm.
  std::string Judge(const std::string& group, const std::array<double, 3>& e, double gradient, double group_norm,
                    double magnitude, double smallest_step) {
    const double scale = std::fabs(gradient) + 0.01 * group_norm;
    // Places on a ray are known to about 100 units in the last place of the loss.
    const double floor = 1e-13 * (magnitude + group_norm) / smallest_step * 0.25 + 1e-11;
    Group& g = groups_[group];
    ++g.compared;
    g.nonzero += std::fabs(gradient) > 1e-4 * (1e-3 + group_norm) && std::fabs(gradient) > 1e-7;
    const bool small = e[2] <= 1e-7 * scale + floor;
    const bool quartered = e[0] / e[1] > 3 && e[0] / e[1] < 5.5 && e[1] / e[2] > 3 && e[1] / e[2] < 5.5;
    g.slopes += quartered;
    const double relative = e[2] / (scale + floor / 1e-4);
    g.worst = std::max(g.worst, relative);
    if ((small || quartered) && relative <= kLargest) return "";
    char text[300];
    std::snprintf(text, sizeof text, "gradient %.12g; errors of slopes %.3g, %.3g, %.3g; floor %.3g; of group %.3g",
                  gradient, e[0], e[1], e[2], floor, group_norm);
    return text;
  }
  void CountRays(std::int64_t rays, std::int64_t left_out) {
    rays_ += rays;
    left_out_ += left_out;
  }
  [[nodiscard]] int NonZero(const std::string& group) const {
    const auto it = groups_.find(group);
    return it == groups_.end() ? 0 : it->second.nonzero;
  }
  void CheckThatMostWasCompared(double may_be_left_out = 0.05) const {
    CHECK(rays_ > 500);
    CHECK(static_cast<double>(left_out_) < may_be_left_out * static_cast<double>(rays_));
    int slopes = 0;
    for (const auto& [name, g] : groups_) slopes += g.slopes;
    CHECK(slopes > 50);  // quartering was seen, not only small errors
  }
  [[nodiscard]] std::string Figures() const {
    std::string text = std::to_string(rays_) + " rays, " + std::to_string(left_out_) + " left out\n";
    for (const auto& [name, g] : groups_) {
      char line[200];
      std::snprintf(line, sizeof line, "  %-16s %5d compared, %5d not zero, %5d quartered, worst relative error %.2g\n",
                    name.c_str(), g.compared, g.nonzero, g.slopes, g.worst);
      text += line;
    }
    return text;
  }

 private:
  static constexpr double kLargest = 3e-4;  // even where errors quarter
  struct Group {
    int compared = 0, nonzero = 0, slopes = 0;
    double worst = 0;
  };
  std::map<std::string, Group> groups_;
  std::int64_t rays_ = 0, left_out_ = 0;
};

}  // namespace dvren::test
