// FieldWriter: the one who changes a field's values in place. Holding one is holding the writer's lease; every change
// makes the field's version grow. For dense grids of f32 values; UNIMPLEMENTED for others.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "dvren/diff/gradient_tensor.h"
#include "dvren/fields/field.h"

namespace dvren {

// What an optimizer remembers of a field's values: block-sparse, in blocks of 8^3 voxels that steps have touched.
class Moments {
 public:
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Moments>> Make(Stream& stream, const Field& field,
                                                                     hp_update_rule rule);
  ~Moments();
  Moments(const Moments&) = delete;
  Moments& operator=(const Moments&) = delete;

  [[nodiscard]] std::uint64_t device_bytes() const;
  // All of it, for checkpoints: ascending blocks, and the numbers of one after those of the other.
  struct Stored {
    std::vector<std::int64_t> blocks;
    std::vector<float> values;
  };
  [[nodiscard]] absl::StatusOr<Stored> Read(Stream& stream) const;
  // INVALID_ARGUMENT for what does not belong to a field of this size.
  [[nodiscard]] absl::Status Write(Stream& stream, const Stored& stored);

 private:
  friend class FieldWriter;
  explicit Moments(hp_moments* moments) : moments_(moments) {}
  hp_moments* moments_;
};

class FieldWriter {
 public:
  // FAILED_PRECONDITION when somebody else writes the field.
  [[nodiscard]] static absl::StatusOr<FieldWriter> Make(std::shared_ptr<Field> field);
  FieldWriter(FieldWriter&& other) noexcept = default;
  FieldWriter& operator=(FieldWriter&& other) noexcept;
  ~FieldWriter();

  [[nodiscard]] const std::shared_ptr<Field>& field() const { return field_; }
  // The values, C order (nz, ny, nx, channels), to `values`.
  [[nodiscard]] absl::Status ReadValues(Stream& stream, std::span<float> values) const;

  // Cells that are there, u8 (nz, ny, nx): hp_mask_desc (hotpath/hp.h) says what they mean.
  [[nodiscard]] absl::Status SetMask(Stream& stream, std::span<const std::uint8_t> cells, double seen_weight);
  [[nodiscard]] absl::StatusOr<std::vector<std::uint8_t>> ReadMask(Stream& stream) const;
  // Returns how many cells there are afterwards.
  [[nodiscard]] absl::StatusOr<std::int64_t> RefineMask(Stream& stream, double density, int seen_window);

  // Adds the slopes of a total variation, `weights` per channel, where the gradient is not zero.
  [[nodiscard]] absl::Status Smooth(Stream& stream, GradientTensor& gradient, std::span<const double> weights) const;
  // One optimizer step. Returns how many voxels have changed. OUT_OF_RANGE when the gradient has overflowed: nothing
  // has changed then.
  [[nodiscard]] absl::StatusOr<std::int64_t> Update(Stream& stream, const GradientTensor& gradient, Moments& moments,
                                                    const hp_update_desc& update);

 private:
  explicit FieldWriter(std::shared_ptr<Field> field) : field_(std::move(field)) {}
  std::shared_ptr<Field> field_;  // null once moved from
  [[nodiscard]] std::vector<std::int64_t> GridShape() const;
};

}  // namespace dvren
