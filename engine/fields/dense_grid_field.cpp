#include "fields/dense_grid_field.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <variant>

namespace dvren {
namespace {

constexpr std::int64_t kMaxValues = std::numeric_limits<std::int32_t>::max();  // what the kernels index

// Both storage types are judged by their bits: exponent all ones means NaN or infinity, and a set sign above an otherwise
// zero word means negative. So halves need no decoding on the fast path, and the loops vectorise.
template <class Bits>
struct FloatBits;
template <>
struct FloatBits<std::uint32_t> {
  static constexpr std::uint32_t kExponent = 0x7f800000u, kSign = 0x80000000u;
  static double Value(std::uint32_t bits) { return std::bit_cast<float>(bits); }
};
template <>
struct FloatBits<std::uint16_t> {
  static constexpr std::uint16_t kExponent = 0x7c00u, kSign = 0x8000u;
  static double Value(std::uint16_t bits) {
    const int exponent = (bits & kExponent) >> 10;
    const int mantissa = bits & 0x3ff;
    const double magnitude = exponent == 31 ? (mantissa != 0 ? std::nan("") : std::numeric_limits<double>::infinity())
                             : exponent == 0 ? std::ldexp(mantissa, -24)
                                             : std::ldexp(mantissa + 1024, exponent - 25);
    return (bits & kSign) != 0 ? -magnitude : magnitude;
  }
};

template <class Bits>
bool NotFinite(Bits bits) {
  return (bits & FloatBits<Bits>::kExponent) == FloatBits<Bits>::kExponent;
}
// -0 counts as 0.
template <class Bits>
bool BadDensity(Bits bits) {
  return NotFinite(bits) || bits > FloatBits<Bits>::kSign;
}

std::string VoxelName(const io::DenseVolume& volume, std::int64_t voxel) {
  const std::int64_t x = voxel % volume.shape[2];
  const std::int64_t y = voxel / volume.shape[2] % volume.shape[1];
  const std::int64_t z = voxel / volume.shape[2] / volume.shape[1];
  return absl::StrCat("voxel (z, y, x) = (", z, ", ", y, ", ", x, ")");
}

template <class Bits>
absl::Status ValidateValues(const io::DenseVolume& volume) {
  const auto* values = reinterpret_cast<const Bits*>(volume.values.data());
  const std::int64_t channels = volume.shape[3];
  const std::int64_t voxels = volume.shape[0] * volume.shape[1] * volume.shape[2];
  std::int64_t bad_densities = 0, bad_colors = 0;
  for (std::int64_t v = 0; v < voxels; ++v) {
    const Bits* voxel = values + v * channels;
    bad_densities += BadDensity(voxel[channels - 1]) ? 1 : 0;
    for (std::int64_t c = 0; c + 1 < channels; ++c) bad_colors += NotFinite(voxel[c]) ? 1 : 0;
  }
  if (bad_densities > 0) {
    std::int64_t v = 0;
    while (!BadDensity(values[v * channels + channels - 1])) ++v;
    return InvalidField("field.values", FloatBits<Bits>::Value(values[v * channels + channels - 1]),
                        absl::StrCat(bad_densities, " densities are negative, NaN or infinite, the first at ",
                                     VoxelName(volume, v), "; density must be finite and >= 0"));
  }
  if (bad_colors > 0) {
    std::int64_t i = 0;
    while (i % channels == channels - 1 || !NotFinite(values[i])) ++i;
    return InvalidField("field.values", FloatBits<Bits>::Value(values[i]),
                        absl::StrCat(bad_colors, " colour values are NaN or infinite, the first at ",
                                     VoxelName(volume, i / channels), " channel ", i % channels,
                                     "; colour must be finite"));
  }
  return absl::OkStatus();
}

absl::Status ValidateLayout(const io::DenseVolume& volume) {
  static constexpr const char* kAxis[4] = {"nz", "ny", "nx", "channels"};
  std::int64_t values = 1;
  for (int i = 0; i < 4; ++i) {
    const std::int64_t extent = volume.shape[i];
    if (extent <= 0) {
      return InvalidField(absl::StrCat("field.shape[", i, "]"), extent, absl::StrCat(kAxis[i], " must be > 0"));
    }
    if (values > kMaxValues / extent) {
      return InvalidField(absl::StrCat("field.shape[", i, "]"), extent,
                          "the grid passes 2^31 - 1 values; lower its resolution or use NanoVDB");
    }
    values *= extent;
  }
  const std::int64_t channels = volume.shape[3];
  if (channels != 1 && channels != 4 && channels != 13 && channels != 28 && channels != 49) {
    return InvalidField("field.shape[3]", channels,
                        "channels must be 1 (sigma), 4 (r, g, b, sigma), or 13, 28, 49 (spherical harmonics, sigma)");
  }
  if (volume.dtype != DType::kF32 && volume.dtype != DType::kF16) {
    const std::string_view name = DTypeName(volume.dtype);
    return InvalidField("field.dtype", absl::string_view(name.data(), name.size()), "must be f32 or f16");
  }
  const std::size_t bytes = static_cast<std::size_t>(values) * DTypeSize(volume.dtype);
  if (volume.values.size() != bytes) {
    return InvalidField("field.values", absl::StrCat(volume.values.size(), " bytes"),
                        absl::StrCat("shape and dtype ask for ", bytes, " bytes"));
  }
  return absl::OkStatus();
}

absl::Status ValidatePlacement(const io::DenseVolume& volume) {
  for (int i = 0; i < 3; ++i) {
    const double lo = volume.box.min[i], hi = volume.box.max[i];
    if (!std::isfinite(lo)) return InvalidField(absl::StrCat("field.box.min[", i, "]"), lo, "must be finite");
    if (!std::isfinite(hi)) return InvalidField(absl::StrCat("field.box.max[", i, "]"), hi, "must be finite");
    if (!(lo < hi) || !std::isfinite(hi - lo)) {
      return InvalidField(absl::StrCat("field.box.max[", i, "]"), hi,
                          absl::StrCat("must be above box.min[", i, "] = ", lo, " by a finite length"));
    }
  }
  for (int i = 0; i < 12; ++i) {
    if (!std::isfinite(volume.local_to_world.m[i])) {
      return InvalidField(absl::StrCat("field.local_to_world[", i, "]"), volume.local_to_world.m[i], "must be finite");
    }
  }
  if (const double det = NormalizedDeterminant(volume.local_to_world); !(std::abs(det) > kMinInvertibleDeterminant)) {
    return InvalidField("field.local_to_world", absl::StrCat("a map of normalised determinant ", det),
                        "must be invertible");
  }
  if (volume.interp != io::Interp::kLinear && volume.interp != io::Interp::kNearest) {
    return InvalidField("field.interp", static_cast<int>(volume.interp), "must be linear (1) or nearest (2)");
  }
  if (volume.border != io::Border::kZero && volume.border != io::Border::kClamp) {
    return InvalidField("field.border", static_cast<int>(volume.border), "must be zero (1) or clamp (2)");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<Field>> DenseGridField::Create(Stream& stream, const io::Volume& volume) {
  const auto* grid = std::get_if<io::DenseVolume>(&volume);
  if (grid == nullptr) return InvalidField("field.type", "dense_grid", "the volume is a NanoVDB grid; use nanovdb");
  DVREN_RETURN_IF_ERROR(ValidateLayout(*grid));
  DVREN_RETURN_IF_ERROR(ValidatePlacement(*grid));
  DVREN_RETURN_IF_ERROR(grid->dtype == DType::kF32 ? ValidateValues<std::uint32_t>(*grid)
                                                   : ValidateValues<std::uint16_t>(*grid));
  hp_grid_desc desc{};
  HP_INIT(desc);
  HP_INIT(desc.values);
  desc.values.dtype = static_cast<hp_dtype>(grid->dtype);
  desc.values.data = const_cast<std::byte*>(grid->values.data());  // hp_tensor has no const form; only read
  desc.values.rank = 4;
  std::int64_t stride = 1;
  for (int i = 3; i >= 0; --i) {
    desc.values.shape[i] = grid->shape[i];
    desc.values.strides[i] = stride;
    stride *= grid->shape[i];
  }
  std::copy_n(grid->box.min.begin(), 3, desc.box_min);
  std::copy_n(grid->box.max.begin(), 3, desc.box_max);
  std::copy_n(grid->local_to_world.m.begin(), 12, desc.local_to_world.m);
  desc.interp = static_cast<hp_interp>(grid->interp);
  desc.border = static_cast<hp_border>(grid->border);
  hp_field* field = nullptr;
  DVREN_RETURN_IF_ERROR(FromHp(grid->shape[3] == 1 ? hp_field_create_grid_sigma(stream.hp(), &desc, &field)
                                                   : hp_field_create_grid_color(stream.hp(), &desc, &field)));
  return std::shared_ptr<Field>(new DenseGridField(stream.device(), field));
}

}  // namespace dvren
