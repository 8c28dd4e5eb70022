// A transcript of every lane operation over the same numbers, one per instruction set. Lanes cannot share a translation
// unit, and the units of a wide lane must not instantiate std templates (the linker could pick their copies for an
// older machine): so a transcript takes plain arrays and hands its results to a callback.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dvren::test {

inline constexpr int kLaneCount = 4096;  // numbers per array; a multiple of every packet width

template <class Real>
struct LaneInputs {
  const Real *a, *b, *c;           // anything: NaN, infinities, zeros of both signs, subnormals, random bits
  const Real* small;               // |x| < 2^30, whole and broken
  const Real* positive;            // for one_minus_exp_neg: 0 … 200, infinity, NaN
  const Real* angle;               // |x| <= 4
  const Real *fx, *fy, *fz;        // in [0, 1)
  const int32_t *i, *j;            // any
  const int32_t* exponent;         // of exp2_of_magic, a normal exponent
  const int32_t* cell;             // voxels of the stored values below
  const float* values32;           // stored values, padded
  const uint16_t* values16;        // the same, f16
  int32_t stride_y, stride_z;      // voxels
  const int32_t* channel_strides;  // values per voxel to try, ended by 0; multiples of 4
};

// Called once per operation with kLaneCount results.
using EmitReals = void (*)(void* user, const char* op, const void* values, size_t bytes);

void TranscriptScalar(const LaneInputs<float>& in, EmitReals emit, void* user);
void TranscriptDouble(const LaneInputs<double>& in, EmitReals emit, void* user);
void TranscriptAvx2(const LaneInputs<float>& in, EmitReals emit, void* user);
void TranscriptAvx512(const LaneInputs<float>& in, EmitReals emit, void* user);

}  // namespace dvren::test
