#include "abi/lens_fold.h"

#include <array>
#include <cmath>
#include <limits>
#include <vector>

namespace hp {
namespace {

constexpr int kMaxDegree = 4;
using Polynomial = std::array<double, kMaxDegree + 1>;  // coefficient of s^i

double At(const Polynomial& p, double s) {
  double value = 0;
  for (int i = kMaxDegree; i >= 0; --i) value = value * s + p[static_cast<std::size_t>(i)];
  return value;
}

// Places in (0, end) where p changes sign, ascending. Between the zeros of its derivative p is monotone.
std::vector<double> SignChanges(const Polynomial& p, double end) {
  Polynomial derivative{};
  bool constant = true;
  for (std::size_t i = 1; i <= kMaxDegree; ++i) {
    derivative[i - 1] = static_cast<double>(i) * p[i];
    constant = constant && p[i] == 0;
  }
  if (constant) return {};
  std::vector<double> bounds = SignChanges(derivative, end);
  bounds.push_back(end);
  std::vector<double> roots;
  double low = 0;
  for (double high : bounds) {
    if ((At(p, low) < 0) != (At(p, high) < 0)) {
      double a = low, b = high;
      for (int i = 0; i < 200; ++i) {
        const double middle = 0.5 * (a + b);
        ((At(p, a) < 0) == (At(p, middle) < 0) ? a : b) = middle;
      }
      roots.push_back(a);
    }
    low = high;
  }
  return roots;
}

}  // namespace

double LensFold(hp_camera_model model, const double distortion[5]) {
  const double* d = distortion;
  constexpr double kPi = 3.14159265358979323846;
  constexpr double kWidest = 1e12;  // squared radius: an angle of a millionth from the image plane
  if (model == HP_CAMERA_FISHEYE) {
    const auto roots = SignChanges({1, 3 * d[0], 5 * d[1], 7 * d[2], 9 * d[3]}, kPi * kPi);
    return roots.empty() ? kPi : std::sqrt(roots.front());
  }
  const auto roots = SignChanges({1, 3 * d[0], 5 * d[1], 7 * d[4], 0}, kWidest);
  return roots.empty() ? std::numeric_limits<double>::infinity() : roots.front();
}

}  // namespace hp
