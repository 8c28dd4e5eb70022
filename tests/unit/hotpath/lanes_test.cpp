// Lanes and their elementary functions: exact answers from <cmath> and long double, and the same bits in every lane.
#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "support/hp_fixture.h"
#include "support/hp_reference.h"
#include "unit/hotpath/lane_transcript.h"

namespace dvren::test {
namespace {

constexpr std::size_t kN = kLaneCount;
constexpr int kGridX = 7, kGridY = 5, kGridZ = 6;  // voxels of the stored values
constexpr int kPitchY = kGridX + 2, kPitchZ = kPitchY * (kGridY + 2);
constexpr int kMostChannels = 52;
const int32_t kChannelStrides[] = {4, 16, 28, 52, 0};

template <class Real>
struct Numbers {
  std::vector<Real> a, b, c, small, positive, angle, fx, fy, fz;
  std::vector<int32_t> i, j, exponent, cell;
  std::vector<float> values32;
  std::vector<std::uint16_t> values16;

  explicit Numbers(std::uint64_t seed) {
    TestRandom random(seed);
    const Real inf = std::numeric_limits<Real>::infinity(), nan = std::numeric_limits<Real>::quiet_NaN();
    const Real tiny = std::numeric_limits<Real>::denorm_min(), least = std::numeric_limits<Real>::min(),
               most = std::numeric_limits<Real>::max();
    const Real special[] = {0, -Real(0), 1, -1, inf, -inf, nan, tiny, -tiny, least, -least, most, -most, Real(0.5)};
    auto any_real = [&]() -> Real {
      switch (random.Below(4)) {
        case 0:
          return special[random.Below(static_cast<int>(std::size(special)))];
        case 1:
          return static_cast<Real>(random.Uniform(-4, 4));
        case 2:
          return static_cast<Real>(random.LogUniform(1e-38, 1e38)) * (random.Below(2) ? Real(1) : Real(-1));
        default: {
          Real r;
          const std::uint64_t bits = random.Bits();
          std::memcpy(&r, &bits, sizeof r);
          return r;
        }
      }
    };
    for (std::size_t n = 0; n < kN; ++n) {
      a.push_back(any_real());
      b.push_back(n % 7 == 0 ? a.back() : any_real());
      c.push_back(any_real());
      double s = random.LogUniform(1e-3, 1e9) * (random.Below(2) ? 1 : -1);
      if (n % 3 == 0) s = std::round(s);
      small.push_back(static_cast<Real>(s));
      positive.push_back(static_cast<Real>(n % 2 ? random.LogUniform(1e-30, 200) : random.Uniform(0, 200)));
      angle.push_back(static_cast<Real>(random.Uniform(-4, 4)));
      fx.push_back(static_cast<Real>(n % 5 == 0 ? 0 : random.Uniform()));
      fy.push_back(static_cast<Real>(n % 11 == 0 ? 0 : random.Uniform()));
      fz.push_back(static_cast<Real>(random.Uniform()));
      i.push_back(static_cast<int32_t>(random.Bits()));
      j.push_back(n % 5 == 0 ? i.back() : static_cast<int32_t>(random.Bits()));
      exponent.push_back(random.Below(253) - 126);
      cell.push_back(random.Below(kGridX) + kPitchY * random.Below(kGridY) + kPitchZ * random.Below(kGridZ));
    }
    const Real edge[] = {0,
                         tiny,
                         least,
                         Real(1e-30),
                         Real(0.34657359),
                         Real(0.34657362),
                         Real(0.6931472),
                         1,
                         16,
                         Real(17.5),
                         86,
                         87,
                         88,
                         103,
                         104,
                         200,
                         707,
                         709,
                         1e4,
                         most,
                         inf,
                         nan};
    std::copy(std::begin(edge), std::end(edge), positive.begin());
    const double pi = 3.14159265358979323846;
    const Real turns[] = {0, -Real(0), Real(pi / 4), Real(pi / 2), Real(3 * pi / 4), Real(pi), 4, -4, Real(-pi), tiny};
    std::copy(std::begin(turns), std::end(turns), angle.begin());
    const std::size_t stored = static_cast<std::size_t>(kPitchZ * (kGridZ + 2) * kMostChannels) + 64;
    for (std::size_t n = 0; n < stored; ++n) {
      values32.push_back(static_cast<float>(random.Uniform(-2, 2)));
      values16.push_back(static_cast<std::uint16_t>(random.Bits()));
      if (((values16.back() >> 10) & 31) == 31) values16.back() &= 0x3fff;  // finite
    }
  }
  [[nodiscard]] LaneInputs<Real> View() const {
    return {a.data(),    b.data(),        c.data(),        small.data(), positive.data(), angle.data(),
            fx.data(),   fy.data(),       fz.data(),       i.data(),     j.data(),        exponent.data(),
            cell.data(), values32.data(), values16.data(), kPitchY,      kPitchZ,         kChannelStrides};
  }
};

struct Entry {
  std::string op;
  std::vector<unsigned char> bytes;
  template <class T>
  [[nodiscard]] std::vector<T> As() const {
    std::vector<T> values(bytes.size() / sizeof(T));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
};
using Transcript = std::vector<Entry>;

void Collect(void* user, const char* op, const void* values, std::size_t bytes) {
  const auto* p = static_cast<const unsigned char*>(values);
  static_cast<Transcript*>(user)->push_back({op, {p, p + bytes}});
}

template <class Real>
Transcript Run(void (*transcript)(const LaneInputs<Real>&, EmitReals, void*), const Numbers<Real>& numbers) {
  Transcript t;
  const LaneInputs<Real> in = numbers.View();
  transcript(in, Collect, &t);
  return t;
}

const Entry& Find(const Transcript& t, const std::string& op) {
  for (const Entry& e : t) {
    if (e.op == op) return e;
  }
  throw std::runtime_error("no operation \"" + op + "\" in the transcript");
}

// How many results differ; two NaNs count as equal (which NaN an operation gives is not specified).
std::size_t Differences(const Entry& x, const Entry& y) {
  const auto a = x.As<std::uint32_t>(), b = y.As<std::uint32_t>();
  std::size_t count = a.size() == b.size() ? 0 : 1;
  for (std::size_t n = 0; n < std::min(a.size(), b.size()); ++n) {
    auto nan = [](std::uint32_t bits) { return (bits & 0x7fffffffu) > 0x7f800000u; };
    if (a[n] != b[n] && !(nan(a[n]) && nan(b[n]))) ++count;
  }
  return count;
}

template <class Real>
bool SameValue(Real a, Real b) {
  return std::memcmp(&a, &b, sizeof a) == 0 || (std::isnan(a) && std::isnan(b));
}

// |value - exact| in units in the last place of Real at `exact`.
template <class Real>
double Ulps(Real value, long double exact) {
  if (static_cast<long double>(value) == exact) return 0;
  int exponent;
  std::frexp(static_cast<double>(exact), &exponent);
  exponent = std::max(exponent, std::numeric_limits<Real>::min_exponent);
  const long double unit = std::ldexp(1.0L, exponent - std::numeric_limits<Real>::digits);
  return static_cast<double>(std::fabs(static_cast<long double>(value) - exact) / unit);
}

template <class Real>
void CheckRealOps(const Transcript& t, const Numbers<Real>& x) {
  auto check = [&](const char* op, auto expected) {
    const auto got = Find(t, op).As<Real>();
    std::size_t wrong = 0;
    for (std::size_t n = 0; n < kN; ++n) wrong += !SameValue(got[n], static_cast<Real>(expected(n)));
    INFO(op);
    CHECK(wrong == 0);
  };
  check("add", [&](std::size_t n) { return x.a[n] + x.b[n]; });
  check("divide", [&](std::size_t n) { return x.a[n] / x.b[n]; });
  check("madd", [&](std::size_t n) { return std::fma(x.a[n], x.b[n], x.c[n]); });
  check("nmadd", [&](std::size_t n) { return std::fma(-x.a[n], x.b[n], x.c[n]); });
  check("square_root", [&](std::size_t n) { return std::sqrt(x.a[n]); });
  check("round_down", [&](std::size_t n) { return std::floor(x.a[n]); });
  check("round_down small", [&](std::size_t n) { return std::floor(x.small[n]); });
  check("min_of", [&](std::size_t n) { return x.a[n] < x.b[n] ? x.a[n] : x.b[n]; });
  check("max_of", [&](std::size_t n) { return x.a[n] > x.b[n] ? x.a[n] : x.b[n]; });
  check("select", [&](std::size_t n) { return x.a[n] < x.b[n] ? x.b[n] : x.c[n]; });
  check("exp2_of_magic", [&](std::size_t n) { return std::ldexp(Real(1), x.exponent[n]); });
  check("to_real", [&](std::size_t n) { return static_cast<Real>(x.i[n]); });
  check("gather f32", [&](std::size_t n) { return x.values32[static_cast<std::size_t>(x.cell[n])]; });
  check("gather f16", [&](std::size_t n) { return HalfValue(x.values16[static_cast<std::size_t>(x.cell[n])]); });
  check("round to nearest",
        [&](std::size_t n) { return std::nearbyint(std::min(std::max(x.small[n], Real(-4e6)), Real(4e6))) + Real(0); });

  auto check_ints = [&](const char* op, auto expected) {
    const auto got = Find(t, op).template As<int32_t>();
    std::size_t wrong = 0;
    for (std::size_t n = 0; n < kN; ++n) wrong += got[n] != static_cast<int32_t>(expected(n));
    INFO(op);
    CHECK(wrong == 0);
  };
  check_ints("any, all, count_of, lane_of", [](std::size_t) { return 0; });
  check_ints("first_lanes", [](std::size_t) { return 0; });
  check_ints("less", [&](std::size_t n) { return x.a[n] < x.b[n]; });
  check_ints("greater or equal", [&](std::size_t n) { return x.a[n] >= x.b[n]; });
  check_ints("equal of reals", [&](std::size_t n) { return x.a[n] == x.b[n]; });
  check_ints("without", [&](std::size_t n) { return x.a[n] < x.b[n] && !(x.b[n] < x.c[n]); });
  check_ints("splat_mask", [](std::size_t n) { return (n / 16) % 2 == 0; });
  check_ints("equal", [&](std::size_t n) { return x.i[n] == x.j[n]; });
  check_ints("less_equal", [&](std::size_t n) { return x.i[n] <= x.j[n]; });
  check_ints("int_max", [&](std::size_t n) { return std::max(x.i[n], x.j[n]); });
  check_ints("int_min", [&](std::size_t n) { return std::min(x.i[n], x.j[n]); });
  auto high = [](uint32_t a, uint32_t b) { return static_cast<uint32_t>(uint64_t{a} * b >> 32); };
  auto bits = [](int32_t a) { return static_cast<uint32_t>(a); };
  check_ints("int add", [&](std::size_t n) { return bits(x.i[n]) + bits(x.j[n]); });
  check_ints("multiply_high", [&](std::size_t n) { return high(bits(x.i[n]), bits(x.j[n])); });
  check_ints("multiply_low", [&](std::size_t n) { return bits(x.i[n]) * bits(x.j[n]); });
  check_ints("shift_right", [&](std::size_t n) { return std::floor(x.i[n] / 128.0); });
  check_ints("shift_left", [&](std::size_t n) { return bits(x.i[n]) * 4096u; });
  check_ints("shift_right_bits", [&](std::size_t n) { return bits(x.i[n]) / 256u; });
  check_ints("to_int", [&](std::size_t n) { return std::trunc(x.small[n]); });
  check_ints("gather_int", [&](std::size_t n) { return x.i[static_cast<std::size_t>(x.cell[n])]; });

  // Interpolation against the textbook sum over eight corners.
  const auto linear32 = Find(t, "trilinear1 f32").template As<Real>(),
             linear16 = Find(t, "trilinear1 f16").template As<Real>();
  auto corners = [&](std::size_t n, int stride, auto value) {
    long double sum = 0;
    for (int k = 0; k < 8; ++k) {
      const long double wx = (k & 1) ? x.fx[n] : 1 - static_cast<long double>(x.fx[n]);
      const long double wy = (k & 2) ? x.fy[n] : 1 - static_cast<long double>(x.fy[n]);
      const long double wz = (k & 4) ? x.fz[n] : 1 - static_cast<long double>(x.fz[n]);
      const int voxel = x.cell[n] + (k & 1) + (k >> 1 & 1) * kPitchY + (k >> 2) * kPitchZ;
      sum += wx * wy * wz * value(static_cast<std::size_t>(voxel * stride));
    }
    return sum;
  };
  const double rounding = 8 * static_cast<double>(std::numeric_limits<Real>::epsilon());
  double worst32 = 0, worst16 = 0, worst4 = 0;
  auto value32 = [&](std::size_t at) { return static_cast<long double>(x.values32[at]); };
  auto value16 = [&](std::size_t at) { return static_cast<long double>(HalfValue(x.values16[at])); };
  for (std::size_t n = 0; n < kN; ++n) {
    worst32 = std::max(worst32, static_cast<double>(std::fabs(linear32[n] - corners(n, 1, value32))));
    worst16 = std::max(worst16, static_cast<double>(std::fabs(linear16[n] - corners(n, 1, value16))));
  }
  CHECK(worst32 <= 2 * rounding);
  CHECK(worst16 <= 65504 * rounding);
  // Entries of trilinear4 come in the order of strides, then channels, f32 and f16 in turn.
  std::size_t at = 0;
  while (t[at].op != "trilinear4 f32 r") ++at;
  for (const int32_t* s = kChannelStrides; *s != 0; ++s) {
    for (std::size_t channel = 0; channel < 4; ++channel, at += 2) {
      const auto got32 = t[at].template As<Real>(), got16 = t[at + 1].template As<Real>();
      for (std::size_t n = 0; n < kN; ++n) {
        const auto exact32 = corners(n, *s, [&](std::size_t v) { return value32(v + channel); });
        const auto exact16 = corners(n, *s, [&](std::size_t v) { return value16(v + channel); });
        worst4 = std::max({worst4, static_cast<double>(std::fabs(got32[n] - exact32)) / 2,
                           static_cast<double>(std::fabs(got16[n] - exact16)) / 65504});
      }
    }
  }
  CHECK(at == t.size());
  CHECK(worst4 <= rounding);
}

struct Lane {
  const char* name;
  hp_isa isa;
  void (*transcript)(const LaneInputs<float>&, EmitReals, void*);
};

std::vector<Lane> WideLanes() {
  std::vector<Lane> lanes;
#if defined(__x86_64__)
  for (const Lane& lane :
       {Lane{"avx2", HP_ISA_AVX2, TranscriptAvx2}, Lane{"avx512", HP_ISA_AVX512, TranscriptAvx512}}) {
    if (hp_isa_available(lane.isa)) {
      lanes.push_back(lane);
    } else {
      WARN("this CPU does not run " << lane.name << ": its lane is not checked here");
    }
  }
#endif
  return lanes;
}

}  // namespace

TEST_CASE("EveryLaneOperationGivesTheBitsOfTheScalarLane", "[lanes]") {
  for (std::uint64_t seed : {1, 2, 3}) {
    const Numbers<float> numbers(seed);
    const Transcript scalar = Run(TranscriptScalar, numbers);
    for (const Lane& lane : WideLanes()) {
      const Transcript wide = Run(lane.transcript, numbers);
      REQUIRE(wide.size() == scalar.size());
      for (std::size_t n = 0; n < scalar.size(); ++n) {
        INFO(lane.name << ": " << scalar[n].op << ", entry " << n);
        CHECK(wide[n].op == scalar[n].op);
        CHECK(Differences(scalar[n], wide[n]) == 0);
      }
    }
  }
}

TEST_CASE("ScalarLanesComputeWhatCmathDoes", "[lanes]") {
  const Numbers<float> single(7);
  CheckRealOps(Run(TranscriptScalar, single), single);
  const Numbers<double> twice(8);
  CheckRealOps(Run(TranscriptDouble, twice), twice);
}

TEST_CASE("MinAndMaxGiveTheSecondOperandForNanAndForZerosOfEitherSign", "[lanes]") {
  Numbers<float> x(5);
  const float nan = std::nanf("");
  const float pairs[][2] = {{nan, 1}, {1, nan}, {0.0f, -0.0f}, {-0.0f, 0.0f}};
  for (std::size_t n = 0; n < kN; ++n) {
    x.a[n] = pairs[n % 4][0];
    x.b[n] = pairs[n % 4][1];
  }
  std::vector<Lane> lanes = WideLanes();
  lanes.push_back({"scalar", HP_ISA_SCALAR, TranscriptScalar});
  for (const Lane& lane : lanes) {
    const Transcript t = Run(lane.transcript, x);
    const auto low = Find(t, "min_of").As<float>(), high = Find(t, "max_of").As<float>();
    INFO(lane.name);
    CHECK(std::memcmp(low.data(), x.b.data(), kN * sizeof(float)) == 0);
    CHECK(std::memcmp(high.data(), x.b.data(), kN * sizeof(float)) == 0);
  }
}

TEST_CASE("OneMinusExpNegIsWithinTwoUlpsOfExpm1", "[lanes][math]") {
  double worst = 0, worst_double = 0;
  for (std::uint64_t seed = 10; seed < 30; ++seed) {
    const Numbers<float> x(seed);
    const auto got = Find(Run(TranscriptScalar, x), "one_minus_exp_neg").As<float>();
    const Numbers<double> y(seed);
    const auto fine = Find(Run(TranscriptDouble, y), "one_minus_exp_neg").As<double>();
    for (std::size_t n = 0; n < kN; ++n) {
      if (std::isnan(x.positive[n])) {
        CHECK(std::isnan(got[n]));
        CHECK(std::isnan(fine[n]));
        continue;
      }
      worst = std::max(worst, Ulps(got[n], -std::expm1(-static_cast<long double>(x.positive[n]))));
      worst_double = std::max(worst_double, Ulps(fine[n], -std::expm1(-static_cast<long double>(y.positive[n]))));
    }
  }
  CAPTURE(worst, worst_double);
  CHECK(worst <= 2);
  CHECK(worst_double <= 2);
}

TEST_CASE("OneMinusExpNegIsExactAtItsEnds", "[lanes][math]") {
  Numbers<float> x(11);
  const float values[] = {
      0, std::numeric_limits<float>::denorm_min(), 1e-40f, 1e-30f, std::numeric_limits<float>::infinity(), 1000, 88,
      87};
  for (std::size_t n = 0; n < kN; ++n) x.positive[n] = values[n % 8];
  const auto got = Find(Run(TranscriptScalar, x), "one_minus_exp_neg").As<float>();
  CHECK(got[0] == 0);
  CHECK_FALSE(std::signbit(got[0]));
  CHECK(got[1] == values[1]);  // 1 - exp(-x) = x to the last bit for subnormal x
  CHECK(got[2] == values[2]);
  CHECK(got[3] == values[3]);
  for (std::size_t n = 4; n < 8; ++n) CHECK(got[n] == 1);
}

TEST_CASE("OneMinusExpNegNeverLeavesZeroToOneAndNeverFalls", "[lanes][math]") {
  // An ascending walk over the exponents, densely around the places where the polynomial changes its piece.
  Numbers<float> x(12);
  std::vector<float> points;
  for (int n = 0; n < 126; ++n) {
    float p = static_cast<float>((n + 0.5) * 0.69314718055994530942);
    for (int k = 0; k < 8; ++k) p = std::nextafter(p, 0.0f);
    for (int k = 0; k < 16; ++k) points.push_back(p = std::nextafter(p, 1000.0f));
  }
  std::sort(points.begin(), points.end());
  float before = 0;
  double fall = 0;
  for (std::size_t first = 0; first < points.size(); first += kN) {
    for (std::size_t n = 0; n < kN; ++n) x.positive[n] = points[std::min(first + n, points.size() - 1)];
    for (float v : Find(Run(TranscriptScalar, x), "one_minus_exp_neg").As<float>()) {
      CHECK(v >= 0);
      CHECK(v <= 1);
      fall = std::max(fall, static_cast<double>(before) - v);
      before = v;
    }
  }
  CHECK(fall <= 2 * 0x1p-24);  // two units in the last place below 1
}

TEST_CASE("SineAndCosineAreWithinAFewUlpsOfOne", "[lanes][math]") {
  double worst = 0, worst_double = 0;
  for (std::uint64_t seed = 40; seed < 50; ++seed) {
    const Numbers<float> x(seed);
    const Transcript t = Run(TranscriptScalar, x);
    const auto s = Find(t, "sine").As<float>(), c = Find(t, "cosine").As<float>();
    const Numbers<double> y(seed);
    const Transcript u = Run(TranscriptDouble, y);
    const auto ss = Find(u, "sine").As<double>(), cc = Find(u, "cosine").As<double>();
    for (std::size_t n = 0; n < kN; ++n) {
      const long double a = x.angle[n], b = y.angle[n];
      worst = std::max({worst, static_cast<double>(std::fabs(s[n] - std::sin(a))),
                        static_cast<double>(std::fabs(c[n] - std::cos(a)))});
      worst_double = std::max({worst_double, static_cast<double>(std::fabs(ss[n] - std::sin(b))),
                               static_cast<double>(std::fabs(cc[n] - std::cos(b)))});
    }
  }
  CAPTURE(worst, worst_double);
  CHECK(worst <= 3 * 0x1p-24);
  CHECK(worst_double <= 4 * 0x1p-53);
}

TEST_CASE("PhiloxUniformIsTheFirstWordOfPhilox4x32", "[lanes][math]") {
  // Known answers published with Random123.
  CHECK(Philox({0, 0, 0, 0}, {0, 0}) ==
        std::array<std::uint32_t, 4>{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u});
  const std::uint32_t ones = 0xffffffffu;
  CHECK(Philox({ones, ones, ones, ones}, {ones, ones}) ==
        std::array<std::uint32_t, 4>{0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu});
  CHECK(Philox({0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}, {0xa4093822u, 0x299f31d0u}) ==
        std::array<std::uint32_t, 4>{0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u});

  const Numbers<float> x(60);
  const Transcript t = Run(TranscriptScalar, x);
  const Numbers<double> y(60);
  const Transcript u = Run(TranscriptDouble, y);
  CHECK(Find(t, "philox_uniform of zeros").As<float>()[0] == static_cast<float>(0x6627e8u) * 0x1p-24f);
  CHECK(Find(u, "philox_uniform of zeros").As<double>()[0] == static_cast<double>(0x6627e8u) * 0x1p-24);
  auto count_wrong = [](const auto& numbers, const auto& got) {
    std::size_t wrong = 0;
    for (std::size_t n = 0; n < kN; ++n) {
      const auto word = Philox({static_cast<std::uint32_t>(numbers.i[n]), static_cast<std::uint32_t>(numbers.j[n]),
                                static_cast<std::uint32_t>(numbers.cell[n]), 0},
                               {0xa4093822u, 0x299f31d0u})[0];
      wrong += got[n] != (word >> 8) * 0x1p-24;
    }
    return wrong;
  };
  CHECK(count_wrong(x, Find(t, "philox_uniform").As<float>()) == 0);
  CHECK(count_wrong(y, Find(u, "philox_uniform").As<double>()) == 0);
}

TEST_CASE("EveryFiniteHalfWidensExactly", "[lanes]") {
  // All 65536 bit patterns, subnormals, infinities and NaN among them, through the gather of every lane.
  std::vector<Lane> lanes = WideLanes();
  lanes.push_back({"scalar", HP_ISA_SCALAR, TranscriptScalar});
  Numbers<float> x(70);
  x.values16.resize(std::size_t{kN} * kMostChannels + 4 * kPitchZ * kMostChannels);
  x.values32.resize(x.values16.size());
  for (std::size_t n = 0; n < kN; ++n) x.cell[n] = static_cast<int32_t>(n);
  for (const Lane& lane : lanes) {
    std::size_t wrong = 0;
    for (std::size_t first = 0; first < 65536; first += kN) {
      for (std::size_t n = 0; n < kN; ++n) x.values16[n] = static_cast<std::uint16_t>(first + n);
      const auto got = Find(Run(lane.transcript, x), "gather f16").As<float>();
      for (std::size_t n = 0; n < kN; ++n) wrong += !SameValue(got[n], static_cast<float>(HalfValue(x.values16[n])));
    }
    INFO(lane.name);
    CHECK(wrong == 0);
  }
}

TEST_CASE("ARealIsStoredAsTheNearestHalfAndAsTheEvenOneBetweenTwo", "[lanes]") {
  // Every half, the middle between it and the next one, and the floats to either side of that, of both signs.
  std::vector<float> given, wanted;
  const auto add = [&](float value, std::uint16_t half) {
    given.insert(given.end(), {value, -value});
    const auto rounded = static_cast<float>(half == 0x7c00 ? HUGE_VAL : HalfValue(half));
    wanted.insert(wanted.end(), {rounded, -rounded});
  };
  for (std::uint16_t half = 0; half < 0x7c00; ++half) {
    const auto next = static_cast<std::uint16_t>(half + 1);
    const double low = HalfValue(half), high = next == 0x7c00 ? 65536 : HalfValue(next);
    const auto middle = static_cast<float>(0.5 * (low + high));
    add(static_cast<float>(low), half);
    add(middle, half % 2 == 0 ? half : next);
    add(std::nextafter(middle, 0.0f), half);
    add(std::nextafter(middle, HUGE_VALF), next);
  }
  std::vector<Lane> lanes = WideLanes();
  lanes.push_back({"scalar", HP_ISA_SCALAR, TranscriptScalar});
  Numbers<float> x(71);
  for (const Lane& lane : lanes) {
    std::size_t wrong = 0;
    for (std::size_t first = 0; first < given.size(); first += kN) {
      const std::size_t count = std::min(kN, given.size() - first);
      std::copy_n(given.begin() + static_cast<std::ptrdiff_t>(first), count, x.a.begin());
      const Transcript t = Run(lane.transcript, x);
      const auto nearest = Find(t, "nearest_half").As<float>(), stored = Find(t, "f16 stored and loaded").As<float>();
      for (std::size_t n = 0; n < count; ++n) {
        wrong += !SameValue(nearest[n], wanted[first + n]) || !SameValue(stored[n], wanted[first + n]);
      }
    }
    INFO(lane.name);
    CHECK(wrong == 0);
  }
}

}  // namespace dvren::test
