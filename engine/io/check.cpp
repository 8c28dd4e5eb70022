#include "dvren/io/check.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "byte_reader.h"
#include "half.h"

namespace dvren::io {
namespace {

struct BadValues {
  std::uint64_t sigma = 0, color = 0;              // how many
  std::uint64_t first_sigma = 0, first_color = 0;  // their first index in the array
};

// One pass over the values. `Load` gives value i as float.
template <class Load>
BadValues CountBad(std::uint64_t count, std::uint64_t channels, float least_sigma, Load load) {
  BadValues bad;
  for (std::uint64_t i = 0; i < count; i += channels) {
    for (std::uint64_t c = 0; c + 1 < channels; ++c) {
      if (!std::isfinite(load(i + c)) && bad.color++ == 0) bad.first_color = i + c;
    }
    const float sigma = load(i + channels - 1);
    if (!(sigma >= least_sigma && std::isfinite(sigma)) && bad.sigma++ == 0) bad.first_sigma = i + channels - 1;
  }
  return bad;
}

}  // namespace

absl::StatusOr<std::uint64_t> DenseBytes(const std::array<std::int64_t, 4>& shape, DType dtype,
                                         absl::string_view name) {
  static constexpr const char* kAxes[] = {"nz", "ny", "nx", "channels"};
  for (int i = 0; i < 4; ++i) {
    if (shape[i] < 1) return InvalidField(absl::StrCat(name, ": ", kAxes[i]), shape[i], "must be at least 1");
  }
  const std::int64_t c = shape[3];
  if (c != 1 && c != 4 && c != 13 && c != 28 && c != 49) {
    return InvalidField(absl::StrCat(name, ": channels"), c,
                        "must be 1 (sigma), 4 (r, g, b, sigma) or 13, 28, 49 (spherical harmonics of degree 1, 2, 3)");
  }
  if (dtype != DType::kF32 && dtype != DType::kF16) {
    return InvalidField(absl::StrCat(name, ": dtype"), std::string(DTypeName(dtype)), "must be f32 or f16");
  }
  std::uint64_t bytes = DTypeSize(dtype);
  for (const std::int64_t extent : shape) {
    if (!MultiplyFits(bytes, static_cast<std::uint64_t>(extent), &bytes)) {
      return absl::InvalidArgumentError(absl::StrCat(name, ": shape: its size does not fit 63 bits"));
    }
  }
  return bytes;
}

absl::Status CheckBox(const Box& box, absl::string_view name) {
  static constexpr const char* kAxes[] = {"x", "y", "z"};
  for (int i = 0; i < 3; ++i) {
    const double low = box.min[i], high = box.max[i];
    if (!std::isfinite(low) || !std::isfinite(high) || !(low < high)) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, ".", kAxes[i], " = [", low, ", ", high, "]: must be finite, min < max"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckTransform(const Affine& transform, absl::string_view name) {
  const auto& m = transform.m;
  for (int i = 0; i < 12; ++i) {
    if (!std::isfinite(m[i])) return InvalidField(absl::StrCat(name, "[", i, "]"), m[i], "must be finite");
  }
  const double det =
      m[0] * (m[5] * m[10] - m[6] * m[9]) - m[1] * (m[4] * m[10] - m[6] * m[8]) + m[2] * (m[4] * m[9] - m[5] * m[8]);
  // Relative to the product of the column lengths (Hadamard's bound), so that small voxels are no error.
  double bound = 1;
  for (int j = 0; j < 3; ++j) bound *= std::hypot(m[j], m[4 + j], m[8 + j]);
  if (!(std::abs(det) > 1e-12 * bound) || !std::isfinite(1 / det)) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": determinant = ", det, ": must be invertible"));
  }
  return absl::OkStatus();
}

absl::Status CheckDense(const DenseVolume& volume, absl::string_view name,
                        const std::array<std::int64_t, 3>& first_index) {
  DVREN_ASSIGN_OR_RETURN(const std::uint64_t bytes, DenseBytes(volume.shape, volume.dtype, name));
  if (volume.values.size() != bytes) {
    return InvalidField(absl::StrCat(name, ": bytes of values"), volume.values.size(),
                        absl::StrCat("its shape needs ", bytes));
  }
  DVREN_RETURN_IF_ERROR(CheckBox(volume.box, absl::StrCat(name, ": box")));
  DVREN_RETURN_IF_ERROR(CheckTransform(volume.local_to_world, absl::StrCat(name, ": local_to_world")));

  const std::uint64_t count = bytes / DTypeSize(volume.dtype), channels = static_cast<std::uint64_t>(volume.shape[3]);
  const bool raw = volume.activation != Activation::kIdentity;  // of which an activation makes density
  const float least_sigma = raw ? -std::numeric_limits<float>::infinity() : 0.0f;
  BadValues bad;
  if (volume.dtype == DType::kF32) {
    const auto* values = reinterpret_cast<const float*>(volume.values.data());
    bad = CountBad(count, channels, least_sigma, [&](std::uint64_t i) { return values[i]; });
  } else {
    const auto* values = reinterpret_cast<const std::uint16_t*>(volume.values.data());
    bad = CountBad(count, channels, least_sigma, [&](std::uint64_t i) { return HalfToFloat(values[i]); });
  }
  const auto index = [&](std::uint64_t value) {
    const std::uint64_t voxel = value / channels;
    const auto nx = static_cast<std::uint64_t>(volume.shape[2]), ny = static_cast<std::uint64_t>(volume.shape[1]);
    return absl::StrCat("(", first_index[0] + static_cast<std::int64_t>(voxel % nx), ", ",
                        first_index[1] + static_cast<std::int64_t>(voxel / nx % ny), ", ",
                        first_index[2] + static_cast<std::int64_t>(voxel / nx / ny), ")");
  };
  if (bad.sigma > 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        name, ": density is ", raw ? "" : "negative, ", "NaN or infinite in ", bad.sigma, " of ", count / channels,
        " voxels, first at (x, y, z) = ", index(bad.first_sigma), ": must be finite", raw ? "" : " and >= 0"));
  }
  if (bad.color > 0) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": colour is NaN or infinite in ", bad.color,
                                                   " values, first in voxel (x, y, z) = ", index(bad.first_color),
                                                   ": must be finite"));
  }
  return absl::OkStatus();
}

}  // namespace dvren::io
