// Volumes in host memory, as they come out of files and go into fields. Plain data; no engine, no device.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <variant>
#include <vector>

#include "dvren/core/dtype.h"
#include "dvren/core/geometry.h"

namespace dvren::io {

enum class Interp : std::uint8_t { kLinear = 1, kNearest = 2 };
enum class Border : std::uint8_t { kZero = 1, kClamp = 2 };
// Density from an interpolated raw value, before sigma_scale; numbers as in hp_activation. All but kIdentity take any
// finite value.
enum class Activation : std::uint8_t { kIdentity = 0, kSoftplus = 1, kExp = 2, kTruncExp = 3 };

// Bytes aligned to 64, shared, never resized once filled.
class Blob {
 public:
  Blob() = default;
  explicit Blob(std::size_t bytes)
      : data_(bytes == 0 ? nullptr : static_cast<std::byte*>(::operator new (bytes, std::align_val_t{64})),
              [](std::byte* p) { ::operator delete (p, std::align_val_t{64}); }),
        size_(bytes) {}
  [[nodiscard]] static Blob Copy(const void* data, std::size_t bytes) {
    Blob blob(bytes);
    if (bytes != 0) std::memcpy(blob.data(), data, bytes);
    return blob;
  }
  [[nodiscard]] std::byte* data() { return data_.get(); }
  [[nodiscard]] const std::byte* data() const { return data_.get(); }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  std::shared_ptr<std::byte> data_;
  std::size_t size_ = 0;
};

// A dense grid: `values` in C order (nz, ny, nx, channels), f32 or f16. Channels: 1 = sigma; 4 = r, g, b, sigma;
// 13, 28, 49 = spherical harmonics of r, then g, then b (degree 1, 2, 3), then sigma. sigma in 1/world unit,
// or what `activation` makes sigma of.
struct DenseVolume {
  std::array<std::int64_t, 4> shape{};  // nz, ny, nx, channels
  DType dtype = DType::kF32;
  Blob values;
  Box box;                // in local space; voxel centres at (i + 0.5)/n of it
  Affine local_to_world;  // identity for arrays; the file's transform for VDB imports
  Interp interp = Interp::kLinear;
  Border border = Border::kZero;
  Activation activation = Activation::kIdentity;
};

// One NanoVDB float grid (fog volume) as a self-contained buffer.
struct NanoVdbVolume {
  Blob blob;
  std::string grid_name;
  Affine index_to_world;
  std::array<std::int64_t, 3> active_min{}, active_max{};  // inclusive index bounds of active voxels
  std::uint64_t active_voxels = 0;
};

using Volume = std::variant<DenseVolume, NanoVdbVolume>;

}  // namespace dvren::io
