// GradientTensor: dL/d(values) of one field, a sum over any number of backward passes. Exact: contributions are
// multiples of a quantum 2^exponent, so that the order in which rays, tiles, threads and batches add changes no bits.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "dvren/core/dtype.h"
#include "dvren/core/status.h"
#include "dvren/core/stream.h"
#include "dvren/fields/field.h"

namespace dvren {

// Smallest and largest exponent that can be asked for.
inline constexpr int kMinGradientExponent = -100, kMaxGradientExponent = 60;

// Thread-safe; passes that add to one tensor may overlap.
class GradientTensor {
 public:
  // All zero. FAILED_PRECONDITION for a field without parameters.
  [[nodiscard]] static absl::StatusOr<std::shared_ptr<GradientTensor>> Make(Stream& stream,
                                                                            std::shared_ptr<const Field> field);
  ~GradientTensor();
  GradientTensor(const GradientTensor&) = delete;
  GradientTensor& operator=(const GradientTensor&) = delete;

  // All zero again. Without an exponent the next backward pass chooses one that fits its dL/d(image).
  // INVALID_ARGUMENT for an exponent beyond its bounds.
  [[nodiscard]] absl::Status Zero(Stream& stream, std::optional<int> exponent = std::nullopt);

  [[nodiscard]] const std::shared_ptr<const Field>& field() const { return field_; }
  // Of what Read writes: (nz, ny, nx, channels) of a dense grid; (leaves, 8, 8, 8), z, y, x, of a NanoVDB field.
  [[nodiscard]] const std::vector<std::int64_t>& shape() const { return shape_; }
  [[nodiscard]] std::int64_t size() const;  // product of shape
  // Absent until it is given or chosen.
  [[nodiscard]] std::optional<int> exponent() const;
  [[nodiscard]] std::int64_t block_count() const;
  [[nodiscard]] std::uint64_t device_bytes() const;

  // Writes size() values, C order, f32 or f64, to host memory. OUT_OF_RANGE when a sum has left the range of its fixed
  // point: zero the tensor with a larger exponent and run the pass again.
  [[nodiscard]] absl::Status Read(Stream& stream, DType dtype, void* host_values) const;
  // Root of the sum of the squares of all values, each rounded to f32: the same bits for any number of threads. Takes
  // the memory of one f32 copy of the values, and the time to read it.
  [[nodiscard]] absl::StatusOr<double> Norm(Stream& stream) const;
  // The other way: becomes these values, rounded to multiples of a quantum 49 bits below the largest. INVALID_ARGUMENT
  // for one that is not finite.
  [[nodiscard]] absl::Status Write(Stream& stream, DType dtype, const void* host_values);
  // NanoVDB: index coordinates x, y, z of each leaf's first voxel, (leaves, 3), to host memory.
  [[nodiscard]] absl::Status ReadOrigins(Stream& stream, std::int32_t* host_origins) const;

 private:
  friend class BackwardPass;
  friend class FieldWriter;
  GradientTensor(std::shared_ptr<const Field> field, hp_gradient* gradient)
      : field_(std::move(field)), gradient_(gradient) {}
  // Sets the exponent unless there is one.
  absl::Status Settle(Stream& stream, int exponent);

  std::shared_ptr<const Field> field_;
  hp_gradient* gradient_;
  std::vector<std::int64_t> shape_;
  mutable std::mutex mutex_;
  std::optional<int> exponent_;  // guarded by mutex_
};

}  // namespace dvren
