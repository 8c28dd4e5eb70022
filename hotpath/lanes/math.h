// Elementary functions on lanes from our own polynomials, so that every lane and every machine gives the same bits.
// Include after a lane header.
#pragma once

namespace hp::HP_ISA_NS {

// 1 - exp(-x) for x >= 0, to about one unit in the last place, relative; NaN stays NaN.
//   x = n ln 2 + r (r' below), |r| <= ln2/2;  1 - exp(-x) = (1 - s) + s m,  s = 2^-n,  m = 1 - exp(-r) = r - r^2 q(r)
// ln 2 in one part suffices: its error is multiplied by s.
HP_FN F one_minus_exp_neg(F x) {
#if defined(HP_REAL_IS_DOUBLE)
  const Real cut = 708.0;
#else
  const Real cut = 87.0f;
#endif
  x = min_of(splat(cut), x);
  F z = nmadd(x, splat(Real(1.4426950408889634074)), splat(kRoundingMagic));  // magic - x/ln2
  F n = z - splat(kRoundingMagic);
  F r = madd(n, splat(Real(0.69314718055994530942)), x);
#if defined(HP_REAL_IS_DOUBLE)
  // Taylor: q = 1/2! - r/3! + r^2/4! - …, 13 terms.
  const Real c[12] = {1.0 / 2,     1.0 / 6,      1.0 / 24,      1.0 / 120,      1.0 / 720,       1.0 / 5040,
                      1.0 / 40320, 1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800.0};
  F q = splat(c[11]);
  for (int i = 10; i >= 0; --i) q = nmadd(r, q, splat(c[i]));
#else
  // Minimax in relative error on |r| <= ln2/2: 1.3e-8.
  F q = splat(Real(0x1.6bebfap-10));
  q = nmadd(r, q, splat(Real(0x1.1227b0p-7)));
  q = nmadd(r, q, splat(Real(0x1.555674p-5)));
  q = nmadd(r, q, splat(Real(0x1.5554b0p-3)));
  q = nmadd(r, q, splat(Real(0x1.fffffep-2)));
#endif
  F m = nmadd(r * r, q, r);
  F s = exp2_of_magic(z);
  return madd(s, m, splat(Real(1)) - s);
}

// exp(x) to about one unit in the last place, for x cut to where it is a normal number.
//   x = n ln 2 + r, |r| <= ln2/2;  exp(x) = 2^n exp(r), exp(r) by its series
HP_FN F exponential(F x) {
#if defined(HP_REAL_IS_DOUBLE)
  const Real lowest = -708.0, highest = 709.0;
  constexpr int kTerms = 14;
  const Real ln2_high = 0.693147180369123816490, ln2_low = 1.90821492927058770002e-10;  // the first ends in zeros
#else
  const Real lowest = -87.0f, highest = 88.0f;
  constexpr int kTerms = 8;
  const Real ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
#endif
  x = min_of(max_of(x, splat(lowest)), splat(highest));
  F z = madd(x, splat(Real(1.4426950408889634074)), splat(kRoundingMagic));  // magic + x/ln2
  F n = z - splat(kRoundingMagic);
  F r = nmadd(n, splat(ln2_low), nmadd(n, splat(ln2_high), x));
  F q = splat(1);
  for (int i = kTerms; i >= 1; --i) q = madd(r * splat(Real(1) / Real(i)), q, splat(1));
  return q * exp2_of_magic(z);
}

// log(1 + y) for y in [0, 1]: 2 artanh(s), s = y / (2 + y) <= 1/3.
HP_FN F log_one_plus(F y) {
#if defined(HP_REAL_IS_DOUBLE)
  constexpr int kTerms = 17;
#else
  constexpr int kTerms = 8;
#endif
  F s = y / (splat(2) + y), s2 = s * s;
  F q = splat(0);
  for (int i = kTerms; i >= 0; --i) q = madd(s2, q, splat(Real(1) / Real(2 * i + 1)));
  return splat(2) * s * q;
}

// log(1 + exp v) = max(v, 0) + log(1 + exp(-|v|)), and its derivative 1 / (1 + exp(-v)).
HP_FN F softplus(F v) {
  return max_of(v, splat(0)) + log_one_plus(exponential(-abs_of(v)));
}
HP_FN F logistic(F v) {
  F y = exponential(-abs_of(v));
  return select(v < splat(0), y, splat(1)) / (splat(1) + y);
}

// sin and cos for |x| <= 4, to a few units in the last place. Taylor on |r| <= pi/4 after removing quarter turns.
HP_FN void sine_cosine(F x, F& sine, F& cosine) {
  F n = madd(x, splat(Real(0.63661977236758134308)), splat(kRoundingMagic)) - splat(kRoundingMagic);
  // pi/2 in two parts: the first has few enough bits that n times it is exact.
  F r = nmadd(n, splat(Real(1.5703125)), x);
  r = nmadd(n, splat(Real(4.8382679489661923132e-4)), r);
  F r2 = r * r;
  const Real s[8] = {Real(-1.0 / 6),
                     Real(1.0 / 120),
                     Real(-1.0 / 5040),
                     Real(1.0 / 362880),
                     Real(-1.0 / 39916800),
                     Real(1.0 / 6227020800.0),
                     Real(-1.0 / 1307674368000.0),
                     Real(1.0 / 355687428096000.0)};
  const Real c[8] = {
      Real(-1.0 / 2),       Real(1.0 / 24),        Real(-1.0 / 720),           Real(1.0 / 40320),
      Real(-1.0 / 3628800), Real(1.0 / 479001600), Real(-1.0 / 87178291200.0), Real(1.0 / 20922789888000.0)};
  F ps = splat(s[7]), pc = splat(c[7]);
  for (int i = 6; i >= 0; --i) {
    ps = madd(r2, ps, splat(s[i]));
    pc = madd(r2, pc, splat(c[i]));
  }
  F sr = madd(r * r2, ps, r), cr = madd(r2, pc, splat(Real(1)));
  I quadrant = bit_and(to_int(n), 3);
  M odd = equal(bit_and(quadrant, 1), splat_int(1));
  F a = select(odd, cr, sr), b = select(odd, sr, cr);
  sine = select(equal(bit_and(quadrant, 2), splat_int(2)), -a, a);
  cosine = select(equal(bit_and(quadrant + splat_int(1), 2), splat_int(2)), -b, b);
}

// The first output word of Philox4x32-10 (Salmon et al. 2011) with counter (c0, c1, c2, 0), as a real in [0, 1) of 24
// bits.
HP_FN F philox_uniform(uint32_t key0, uint32_t key1, U c0, U c1, U c2) {
  U c3 = splat_bits(0);
  const U m0 = splat_bits(0xD2511F53u), m1 = splat_bits(0xCD9E8D57u);
  for (int round = 0; round < 10; ++round) {
    U high0 = multiply_high(m0, c0), low0 = multiply_low(m0, c0);
    U high1 = multiply_high(m1, c2), low1 = multiply_low(m1, c2);
    c0 = high1 ^ c1 ^ splat_bits(key0);
    c1 = low1;
    c2 = high0 ^ c3 ^ splat_bits(key1);
    c3 = low0;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return to_real(bits_to_int(shift_right_bits(c0, 8))) * splat(Real(1.0 / 16777216.0));
}

}  // namespace hp::HP_ISA_NS
