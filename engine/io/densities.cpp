#include "dvren/io/densities.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <new>
#include <vector>

#include "dvren/io/check.h"
#include "half.h"
#include "out_of_memory.h"

namespace dvren::io {

double DensityOf(Activation activation, double raw) {
  switch (activation) {
    case Activation::kIdentity:
      return raw;
    case Activation::kSoftplus:
      return std::fmax(raw, 0) + std::log1p(std::exp(-std::abs(raw)));
    case Activation::kExp:
    case Activation::kTruncExp:  // differs in its derivative alone
      return std::exp(raw);
  }
  return raw;
}

namespace {

// Where the centres of finer voxels lie among those of an axis: below, and how far towards the next. Beyond the
// outermost centres the edge's value holds.
struct Between {
  std::int64_t lower, upper;
  double part;
};
std::vector<Between> Refined(std::int64_t n, int refine) {
  std::vector<Between> out;
  for (std::int64_t i = 0; i < n * refine; ++i) {
    const double at = std::clamp((static_cast<double>(i) + 0.5) / refine - 0.5, 0.0, static_cast<double>(n - 1));
    const auto lower = static_cast<std::int64_t>(at);
    out.push_back({lower, std::min(lower + 1, n - 1), at - static_cast<double>(lower)});
  }
  return out;
}

}  // namespace

absl::StatusOr<DenseVolume> DensitiesOf(const DenseVolume& volume, int refine, absl::string_view name) {
  DVREN_RETURN_IF_ERROR(CheckDense(volume, name));
  if (volume.activation == Activation::kIdentity) refine = 1;
  const bool half = volume.dtype == DType::kF16;
  const auto* floats = reinterpret_cast<const float*>(volume.values.data());
  const auto* halves = reinterpret_cast<const std::uint16_t*>(volume.values.data());
  const std::int64_t ny = volume.shape[1], nx = volume.shape[2], channels = volume.shape[3];
  const auto raw = [&](std::int64_t z, std::int64_t y, std::int64_t x) -> double {
    const std::int64_t at = ((z * ny + y) * nx + x + 1) * channels - 1;
    return half ? HalfToFloat(halves[at]) : floats[at];
  };
  const auto mix = [](double a, double b, double part) { return part == 0 ? a : a + part * (b - a); };
  DenseVolume out = volume;
  out.dtype = DType::kF32;
  out.activation = Activation::kIdentity;
  out.shape[3] = 1;
  for (std::size_t i = 0; i < 3; ++i) out.shape[i] *= refine;
  DVREN_ASSIGN_OR_RETURN(const std::uint64_t bytes, DenseBytes(out.shape, out.dtype, name));
  std::vector<Between> axes[3];
  try {
    out.values = Blob(bytes);
    for (std::size_t i = 0; i < 3; ++i) axes[i] = Refined(volume.shape[i], refine);
  } catch (const std::bad_alloc&) {
    return OutOfMemory(name);
  }
  auto* to = reinterpret_cast<float*>(out.values.data());
  for (const Between& z : axes[0]) {
    for (const Between& y : axes[1]) {
      for (const Between& x : axes[2]) {
        const auto row = [&](std::int64_t k, std::int64_t j) {
          return mix(raw(k, j, x.lower), raw(k, j, x.upper), x.part);
        };
        const auto plane = [&](std::int64_t k) { return mix(row(k, y.lower), row(k, y.upper), y.part); };
        *to++ = static_cast<float>(DensityOf(volume.activation, mix(plane(z.lower), plane(z.upper), z.part)));
      }
    }
  }
  DVREN_RETURN_IF_ERROR(CheckDense(out, name));
  return out;
}

}  // namespace dvren::io
