// The transcript for the lane that was included before.
#include "lanes/math.h"
#include "unit/hotpath/lane_transcript.h"

namespace hp::HP_ISA_NS {

using dvren::test::EmitReals;
using dvren::test::kLaneCount;
static_assert(kLaneCount % kWidth == 0);

struct Transcript {
  EmitReals emit;
  void* user;
  alignas(64) Real reals[kLaneCount];
  alignas(64) int32_t ints[kLaneCount];

  template <class Fn>
  void Reals(const char* op, Fn fn) {
    for (int n = 0; n < kLaneCount; n += kWidth) store_lanes(fn(n), reals + n);
    emit(user, op, reals, sizeof reals);
  }
  template <class Fn>
  void Ints(const char* op, Fn fn) {
    for (int n = 0; n < kLaneCount; n += kWidth) store_lanes(fn(n), ints + n);
    emit(user, op, ints, sizeof ints);
  }
  template <class Fn>
  void Masks(const char* op, Fn fn) {
    Ints(op, [&](int n) { return select(fn(n), splat_int(1), splat_int(0)); });
  }
};

static void transcript(const dvren::test::LaneInputs<Real>& in, EmitReals emit, void* user) {
  static Transcript t;
  t.emit = emit;
  t.user = user;
  auto A = [&](int n) { return load_lanes(in.a + n); };
  auto B = [&](int n) { return load_lanes(in.b + n); };
  auto C = [&](int n) { return load_lanes(in.c + n); };
  auto Small = [&](int n) { return load_lanes(in.small + n); };
  auto X = [&](int n) { return load_lanes(in.i + n); };
  auto Y = [&](int n) { return load_lanes(in.j + n); };

  t.Reals("splat", [&](int) { return splat(Real(-0.0)); });
  t.Reals("add", [&](int n) { return A(n) + B(n); });
  t.Reals("subtract", [&](int n) { return A(n) - B(n); });
  t.Reals("multiply", [&](int n) { return A(n) * B(n); });
  t.Reals("divide", [&](int n) { return A(n) / B(n); });
  t.Reals("negate", [&](int n) { return -A(n); });
  t.Reals("madd", [&](int n) { return madd(A(n), B(n), C(n)); });
  t.Reals("nmadd", [&](int n) { return nmadd(A(n), B(n), C(n)); });
  t.Reals("square_root", [&](int n) { return square_root(A(n)); });
  t.Reals("round_down", [&](int n) { return round_down(A(n)); });
  t.Reals("round_down small", [&](int n) { return round_down(Small(n)); });
  t.Reals("min_of", [&](int n) { return min_of(A(n), B(n)); });
  t.Reals("max_of", [&](int n) { return max_of(A(n), B(n)); });
  t.Reals("abs_of", [&](int n) { return abs_of(A(n)); });
  t.Reals("select", [&](int n) { return select(A(n) < B(n), B(n), C(n)); });
  t.Ints("select of ints", [&](int n) { return select(A(n) < B(n), X(n), Y(n)); });

  t.Masks("less", [&](int n) { return A(n) < B(n); });
  t.Masks("less or equal", [&](int n) { return A(n) <= B(n); });
  t.Masks("greater", [&](int n) { return A(n) > B(n); });
  t.Masks("greater or equal", [&](int n) { return A(n) >= B(n); });
  t.Masks("equal of reals", [&](int n) { return A(n) == B(n); });
  t.Masks("both", [&](int n) { return both(A(n) < B(n), B(n) < C(n)); });
  t.Masks("either", [&](int n) { return either(A(n) < B(n), B(n) < C(n)); });
  t.Masks("without", [&](int n) { return without(A(n) < B(n), B(n) < C(n)); });
  t.Masks("splat_mask", [&](int n) { return splat_mask((n / 16) % 2 == 0); });
  t.Masks("equal", [&](int n) { return equal(X(n), Y(n)); });
  t.Masks("less_equal", [&](int n) { return less_equal(X(n), Y(n)); });
  // Whole-packet questions against the lanes themselves: 0 where they agree.
  t.Ints("any, all, count_of, lane_of", [&](int n) {
    const M m = A(n) < B(n);
    int32_t lanes[kWidth];
    store_lanes(select(m, splat_int(1), splat_int(0)), lanes);
    int sum = 0, wrong = 0;
    for (int k = 0; k < kWidth; ++k) {
      sum += lanes[k];
      wrong |= lane_of(m, k) != (lanes[k] != 0);
    }
    wrong |= count_of(m) != sum || any(m) != (sum > 0) || all(m) != (sum == kWidth);
    wrong |= any(splat_mask(false)) || !any(splat_mask(true)) || all(splat_mask(false)) || !all(splat_mask(true));
    return splat_int(wrong);
  });
  t.Ints("first_lanes", [&](int n) {
    int wrong = 0;
    for (int count = -1; count <= kWidth + 1; ++count) {
      const M m = first_lanes(count);
      for (int k = 0; k < kWidth; ++k) wrong |= lane_of(m, k) != (k < count);
    }
    return splat_int(n == 0 ? wrong : 0);
  });

  t.Ints("splat_int", [&](int) { return splat_int(-7); });
  t.Ints("int add", [&](int n) { return bits_to_int(int_to_bits(X(n)) + int_to_bits(Y(n))); });
  t.Ints("int subtract", [&](int n) { return shift_right(X(n), 1) - shift_right(Y(n), 1); });
  t.Ints("int multiply", [&](int n) { return shift_right(X(n), 16) * shift_right(Y(n), 17); });
  t.Ints("int sum", [&](int n) { return shift_right(X(n), 1) + shift_right(Y(n), 1); });
  t.Ints("int_max", [&](int n) { return int_max(X(n), Y(n)); });
  t.Ints("int_min", [&](int n) { return int_min(X(n), Y(n)); });
  t.Ints("shift_right", [&](int n) { return shift_right(X(n), 7); });
  t.Ints("shift_left", [&](int n) { return shift_left(X(n), 12); });
  t.Ints("bit_and", [&](int n) { return bit_and(X(n), 0x0f0f); });
  t.Ints("bit_and_lanes", [&](int n) { return bit_and_lanes(X(n), Y(n)); });
  t.Ints("to_int", [&](int n) { return to_int(Small(n)); });
  t.Reals("to_real", [&](int n) { return to_real(X(n)); });
  t.Ints("bits xor", [&](int n) { return bits_to_int(int_to_bits(X(n)) ^ splat_bits(0xdeadbeefu)); });
  t.Ints("multiply_high", [&](int n) { return bits_to_int(multiply_high(int_to_bits(X(n)), int_to_bits(Y(n)))); });
  t.Ints("multiply_low", [&](int n) { return bits_to_int(multiply_low(int_to_bits(X(n)), int_to_bits(Y(n)))); });
  t.Ints("shift_right_bits", [&](int n) { return bits_to_int(shift_right_bits(int_to_bits(X(n)), 8)); });
  t.Reals("exp2_of_magic",
          [&](int n) { return exp2_of_magic(splat(kRoundingMagic) + to_real(load_lanes(in.exponent + n))); });
  t.Reals("round to nearest", [&](int n) {
    return (min_of(max_of(Small(n), splat(-4e6f)), splat(4e6f)) + splat(kRoundingMagic)) - splat(kRoundingMagic);
  });

#if !defined(HP_REAL_IS_DOUBLE)
  t.Reals("nearest_half", [&](int n) { return nearest_half(A(n)); });
  t.Reals("f16 stored and loaded", [&](int n) {
    Half stored[kWidth];
    store_lanes(A(n), stored);
    return load_lanes(stored);
  });
#endif

  t.Reals("one_minus_exp_neg", [&](int n) { return one_minus_exp_neg(load_lanes(in.positive + n)); });
  t.Reals("sine", [&](int n) {
    F s, c;
    sine_cosine(load_lanes(in.angle + n), s, c);
    return s;
  });
  t.Reals("cosine", [&](int n) {
    F s, c;
    sine_cosine(load_lanes(in.angle + n), s, c);
    return c;
  });
  t.Reals("philox_uniform", [&](int n) {
    return philox_uniform(0xa4093822u, 0x299f31d0u, int_to_bits(X(n)), int_to_bits(Y(n)),
                          int_to_bits(load_lanes(in.cell + n)));
  });
  t.Reals("philox_uniform of zeros",
          [&](int) { return philox_uniform(0, 0, splat_bits(0), splat_bits(0), splat_bits(0)); });

  const Half* halves = reinterpret_cast<const Half*>(in.values16);
  auto Cell = [&](int n) { return load_lanes(in.cell + n); };
  auto FX = [&](int n) { return load_lanes(in.fx + n); };
  auto FY = [&](int n) { return load_lanes(in.fy + n); };
  auto FZ = [&](int n) { return load_lanes(in.fz + n); };
  t.Reals("gather f32", [&](int n) { return gather(in.values32, Cell(n)); });
  t.Reals("gather f16", [&](int n) { return gather(halves, Cell(n)); });
  t.Ints("gather_int", [&](int n) { return gather_int(in.i, Cell(n)); });
  t.Reals("trilinear1 f32",
          [&](int n) { return trilinear1(in.values32, Cell(n), in.stride_y, in.stride_z, FX(n), FY(n), FZ(n)); });
  t.Reals("trilinear1 f16",
          [&](int n) { return trilinear1(halves, Cell(n), in.stride_y, in.stride_z, FX(n), FY(n), FZ(n)); });
  for (const int32_t* s = in.channel_strides; *s != 0; ++s) {
    const int64_t sy = int64_t{*s} * in.stride_y, sz = int64_t{*s} * in.stride_z;
    static const char* const kNames32[] = {"trilinear4 f32 r", "trilinear4 f32 g", "trilinear4 f32 b",
                                           "trilinear4 f32 a"};
    static const char* const kNames16[] = {"trilinear4 f16 r", "trilinear4 f16 g", "trilinear4 f16 b",
                                           "trilinear4 f16 a"};
    for (int c = 0; c < 4; ++c) {
      t.Reals(kNames32[c], [&](int n) {
        F out[4];
        trilinear4(in.values32, Cell(n), *s, sy, sz, FX(n), FY(n), FZ(n), out);
        return out[c];
      });
      t.Reals(kNames16[c], [&](int n) {
        F out[4];
        trilinear4(halves, Cell(n), *s, sy, sz, FX(n), FY(n), FZ(n), out);
        return out[c];
      });
    }
  }
}

}  // namespace hp::HP_ISA_NS
