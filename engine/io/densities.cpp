#include "dvren/io/densities.h"

#include <cmath>
#include <cstdint>

#include "dvren/io/check.h"
#include "half.h"

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

absl::StatusOr<DenseVolume> WithDensities(const DenseVolume& volume, absl::string_view name) {
  DVREN_RETURN_IF_ERROR(CheckDense(volume, name));
  if (volume.activation == Activation::kIdentity) return volume;
  DenseVolume out = volume;
  const bool half = volume.dtype == DType::kF16;
  const std::size_t count = volume.values.size() / DTypeSize(volume.dtype);
  const auto channels = static_cast<std::size_t>(volume.shape[3]);
  out.dtype = DType::kF32;
  out.activation = Activation::kIdentity;
  out.values = Blob(count * sizeof(float));
  auto* to = reinterpret_cast<float*>(out.values.data());
  const auto* floats = reinterpret_cast<const float*>(volume.values.data());
  const auto* halves = reinterpret_cast<const std::uint16_t*>(volume.values.data());
  for (std::size_t i = 0; i < count; ++i) {
    const float value = half ? HalfToFloat(halves[i]) : floats[i];
    to[i] = i % channels == channels - 1 ? static_cast<float>(DensityOf(volume.activation, value)) : value;
  }
  DVREN_RETURN_IF_ERROR(CheckDense(out, name));
  return out;
}

}  // namespace dvren::io
