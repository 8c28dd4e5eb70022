#include "dvren/io/metrics.h"

#include <array>
#include <cmath>
#include <limits>
#include <vector>

namespace dvren::io {
namespace {

constexpr int kWindow = 11;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::array<double, kWindow> GaussianWeights() {
  constexpr double kSigma = 1.5;
  std::array<double, kWindow> weights{};
  double sum = 0;
  for (int i = 0; i < kWindow; ++i) {
    const double x = i - kWindow / 2;
    weights[i] = std::exp(-x * x / (2 * kSigma * kSigma));
    sum += weights[i];
  }
  for (double& weight : weights) weight /= sum;
  return weights;
}

// Means over a window of a, b, a^2, b^2 and ab.
using Moments = std::array<double, 5>;

double Similarity(const Moments& m) {
  constexpr double kC1 = 0.01 * 0.01, kC2 = 0.03 * 0.03;
  const double square_a = m[0] * m[0], square_b = m[1] * m[1], product = m[0] * m[1];
  return (2 * product + kC1) * (2 * (m[4] - product) + kC2) /
         ((square_a + square_b + kC1) * (m[2] - square_a + m[3] - square_b + kC2));
}

}  // namespace

double Psnr(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size() || a.empty()) return kNaN;
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    sum += difference * difference;
  }
  return -10 * std::log10(sum / static_cast<double>(a.size()));
}

double Ssim(std::span<const float> a, std::span<const float> b, int width, int height, int channels) {
  if (width < kWindow || height < kWindow || channels < 1) return kNaN;
  const auto row = static_cast<std::size_t>(width) * static_cast<std::size_t>(channels);
  if (a.size() != row * static_cast<std::size_t>(height) || b.size() != a.size()) return kNaN;
  static const std::array<double, kWindow> kWeights = GaussianWeights();
  // The Gaussian is a product: along rows first, into the last eleven rows of moments, then along columns. Channels
  // have equally many windows, so that one mean over everything is the mean of means.
  const std::size_t out_row = row - static_cast<std::size_t>((kWindow - 1) * channels);
  std::array<std::vector<Moments>, kWindow> rows;
  for (auto& moments : rows) moments.resize(out_row);
  std::vector<Moments> products(row);
  double sum = 0;
  for (int y = 0; y < height; ++y) {
    const std::size_t start = static_cast<std::size_t>(y) * row;
    for (std::size_t x = 0; x < row; ++x) {
      const double p = static_cast<double>(a[start + x]), q = static_cast<double>(b[start + x]);
      products[x] = {p, q, p * p, q * q, p * q};
    }
    std::vector<Moments>& along = rows[static_cast<std::size_t>(y % kWindow)];
    for (std::size_t x = 0; x < out_row; ++x) {
      Moments total{};
      for (std::size_t k = 0; k < kWindow; ++k) {
        const Moments& from = products[x + k * static_cast<std::size_t>(channels)];
        for (std::size_t m = 0; m < total.size(); ++m) total[m] += kWeights[k] * from[m];
      }
      along[x] = total;
    }
    if (y < kWindow - 1) continue;
    for (std::size_t x = 0; x < out_row; ++x) {
      Moments total{};
      for (std::size_t k = 0; k < kWindow; ++k) {
        const Moments& from = rows[(static_cast<std::size_t>(y + 1) + k) % kWindow][x];
        for (std::size_t m = 0; m < total.size(); ++m) total[m] += kWeights[k] * from[m];
      }
      sum += Similarity(total);
    }
  }
  return sum / (static_cast<double>(out_row) * static_cast<double>(height - kWindow + 1));
}

}  // namespace dvren::io
