#include "dvren/io/metrics.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "io_fixture.h"

namespace dvren::io::test {
namespace {

struct Pair {
  int width, height, channels;
  std::vector<float> a, b;
};

// Waves, and the same with noise, a shift or less contrast by `kind`.
Pair MakePair(int width, int height, int channels, int kind) {
  Pair pair{width, height, channels, {}, {}};
  unsigned state = 12345u + static_cast<unsigned>(kind);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < channels; ++c) {
        const double value = 0.5 + 0.4 * std::sin(0.31 * x + c) * std::cos(0.17 * y - 0.5 * c);
        state = state * 1664525u + 1013904223u;
        const double noise = (state >> 8) / 16777216.0 - 0.5;
        const double other = kind == 0   ? value + 0.2 * noise
                             : kind == 1 ? value + 0.1
                             : kind == 2 ? 0.3 * value
                                         : noise;
        pair.a.push_back(static_cast<float>(value));
        pair.b.push_back(static_cast<float>(other));
      }
    }
  }
  return pair;
}

}  // namespace

TEST_CASE("PSNR is that of its definition") {
  const std::vector<float> a{0, 0.5f, 1, 0.25f}, same = a;
  std::vector<float> b = a;
  b[2] = 0.5f;  // mean square 0.25 / 4: 12.0412 dB
  CHECK(Psnr(a, b) == Approx(12.041199826559248).epsilon(1e-14));
  CHECK(Psnr(a, same) == std::numeric_limits<double>::infinity());
  CHECK(std::isnan(Psnr(a, std::vector<float>{1})));
  CHECK(std::isnan(Psnr({}, {})));
}

TEST_CASE("SSIM of flat images has its closed form, and equal images have 1") {
  // No variance: (2 p q + C1) / (p^2 + q^2 + C1).
  const double p = 0.25, q = 0.75, c1 = 1e-4;
  const std::vector<float> a(20 * 15, 0.25f), b(20 * 15, 0.75f);
  CHECK(Ssim(a, b, 20, 15, 1) == Approx((2 * p * q + c1) / (p * p + q * q + c1)).epsilon(1e-9));
  const Pair pair = MakePair(24, 16, 3, 0);
  CHECK(Ssim(pair.a, pair.a, 24, 16, 3) == Approx(1).epsilon(1e-12));
  CHECK(std::isnan(Ssim(a, b, 10, 30, 1)));
  CHECK(std::isnan(Ssim(a, b, 20, 16, 1)));
}

TEST_CASE("SSIM is the mean over every window summed one by one") {
  struct Case {
    int width, height, channels, kind;
  };
  for (const Case& c :
       {Case{11, 11, 1, 0}, Case{30, 17, 3, 0}, Case{13, 29, 3, 1}, Case{24, 24, 1, 2}, Case{21, 12, 4, 3}}) {
    const Pair pair = MakePair(c.width, c.height, c.channels, c.kind);
    const TempFolder folder;
    const auto bytes = [](const std::vector<float>& v) {
      return std::string(reinterpret_cast<const char*>(v.data()), v.size() * sizeof(float));
    };
    WriteBytes(folder / "a", bytes(pair.a));
    WriteBytes(folder / "b", bytes(pair.b));
    char numbers[200];
    std::snprintf(numbers, sizeof numbers, "w, h, n, got = %d, %d, %d, %.17g\n", c.width, c.height, c.channels,
                  Ssim(pair.a, pair.b, c.width, c.height, c.channels));
    Python("numpy", numbers + ("folder = '" + folder.path() + R"('
read = lambda f: numpy.fromfile(folder + f, '<f4').reshape(h, w, n).astype(numpy.float64)
a, b = read('/a'), read('/b')
i = numpy.arange(11) - 5.0
g = numpy.exp(-(i[:, None] ** 2 + i[None, :] ** 2) / (2 * 1.5 ** 2))
g /= g.sum()
means = []
for c in range(n):
    values = []
    for y in range(h - 10):
        for x in range(w - 10):
            p, q = a[y:y + 11, x:x + 11, c], b[y:y + 11, x:x + 11, c]
            mp, mq = (g * p).sum(), (g * q).sum()
            vp, vq = (g * (p - mp) ** 2).sum(), (g * (q - mq) ** 2).sum()
            cov = (g * (p - mp) * (q - mq)).sum()
            values.append((2 * mp * mq + 1e-4) * (2 * cov + 9e-4) / ((mp ** 2 + mq ** 2 + 1e-4) * (vp + vq + 9e-4)))
    means.append(numpy.mean(values))
want = numpy.mean(means)
assert abs(got - want) < 1e-9, (got, want)
)"));
  }
}

}  // namespace dvren::io::test
