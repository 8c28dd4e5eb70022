// What a dense volume must be before anything uses it.
#pragma once

#include <array>
#include <cstdint>

#include "dvren/core/status.h"
#include "dvren/io/volume.h"

namespace dvren::io {

// Bytes of a (nz, ny, nx, channels) array. INVALID_ARGUMENT for an extent below 1, a channel count other than 1, 4, 13,
// 28 or 49, a dtype other than f32 or f16, or a product that does not fit 63 bits. `name` starts the message.
[[nodiscard]] absl::StatusOr<std::uint64_t> DenseBytes(const std::array<std::int64_t, 4>& shape, DType dtype,
                                                       absl::string_view name);

// Sizes, box (finite, min < max), transform (finite, invertible), colours finite, sigma finite and, unless an
// activation makes it so, not negative; a bad sigma is reported with the count and the first voxel (x, y, z) in C
// order, counted from `first_index`.
[[nodiscard]] absl::Status CheckDense(const DenseVolume& volume, absl::string_view name,
                                      const std::array<std::int64_t, 3>& first_index = {0, 0, 0});

// Finite, min < max on every axis.
[[nodiscard]] absl::Status CheckBox(const Box& box, absl::string_view name);

// Finite and invertible.
[[nodiscard]] absl::Status CheckTransform(const Affine& transform, absl::string_view name);

}  // namespace dvren::io
