#include "dvren/io/to_half.h"

#include <cmath>
#include <new>

#include "half.h"

namespace dvren::io {

absl::StatusOr<DenseVolume> ToHalf(const DenseVolume& grid) {
  if (grid.dtype != DType::kF32) {
    return InvalidField("grid.dtype", std::string(DTypeName(grid.dtype)), "must be f32");
  }
  const std::size_t count = grid.values.size() / sizeof(float);
  DenseVolume half = grid;
  half.dtype = DType::kF16;
  try {
    half.values = Blob(count * sizeof(std::uint16_t));
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no room for ", count * sizeof(std::uint16_t), " bytes of f16 values"));
  }
  const auto* from = reinterpret_cast<const float*>(grid.values.data());
  auto* to = reinterpret_cast<std::uint16_t*>(half.values.data());
  for (std::size_t i = 0; i < count; ++i) {
    if (!(std::abs(from[i]) < 65520)) {
      return absl::OutOfRangeError(
          absl::StrCat("values[", i, "] = ", from[i], ": f16 goes to 65504; keep them in f32, or make them smaller"));
    }
    to[i] = FloatToHalf(from[i]);
  }
  return half;
}

}  // namespace dvren::io
