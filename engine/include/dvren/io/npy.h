// NPY: one array per file, as NumPy's format description (versions 1.0 to 3.0) has it. Little-endian, C order,
// f16, f32, f64, i32, i64, u8; anything else is refused by name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "dvren/core/dtype.h"
#include "dvren/io/atomic_file.h"
#include "dvren/io/volume.h"

namespace dvren::io {

struct NpyArray {
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;
  Blob data;  // C order
};

// An array in the caller's memory, C order.
struct NpyView {
  DType dtype = DType::kF32;
  std::span<const std::int64_t> shape;
  const void* data = nullptr;
};

// NOT_FOUND without the file; INVALID_ARGUMENT naming the file for anything that is not such an array or whose length
// is not what its header declares; RESOURCE_EXHAUSTED above `max_bytes` of values. Sizes are checked before memory is
// taken.
[[nodiscard]] absl::StatusOr<NpyArray> ReadNpy(const std::string& path,
                                               std::uint64_t max_bytes = std::numeric_limits<std::uint64_t>::max());
// The same from memory; `name` stands in messages.
[[nodiscard]] absl::StatusOr<NpyArray> ParseNpy(std::span<const std::byte> file, absl::string_view name);
// INVALID_ARGUMENT for bf16, which NPY cannot say, and for a negative extent.
[[nodiscard]] absl::Status WriteNpy(const std::string& path, const NpyView& array, FileOps& ops = FileOps::Real());

}  // namespace dvren::io
