// Field: a volume that lives on a device and can be rendered. Shared and immutable but for its parameters;
// version() grows with every write to them.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "dvren/core/geometry.h"
#include "dvren/core/registry.h"
#include "dvren/core/stream.h"
#include "dvren/io/volume.h"

namespace dvren {

// What a field is, for users, planners and the wire.
struct FieldInfo {
  std::string type;      // registered name: "dense_grid", "nanovdb"
  bool batched = false;  // evaluated in batches (radiance-field networks) instead of inside the kernels
  int channels = 0;
  int sh_degree = -1;                    // -1 without spherical harmonics
  std::array<std::int64_t, 3> voxels{};  // of a dense grid in x, y, z; else 0
  DType storage_dtype = DType::kF32;
  Box box;  // clip box in the field's own local space
  Affine local_to_world;
  Box world_box;               // axis-aligned bounds of `box` in world space
  double min_voxel_world = 0;  // shortest voxel edge in world units
  bool unbounded = false;      // border clamp: rays are clipped by t_near and t_far alone
  std::uint64_t device_bytes = 0;
  std::uint64_t parameter_count = 0;
};

class Field {
 public:
  virtual ~Field();
  Field(const Field&) = delete;
  Field& operator=(const Field&) = delete;

  [[nodiscard]] const FieldInfo& info() const { return info_; }
  [[nodiscard]] std::uint64_t version() const { return version_.load(); }
  [[nodiscard]] const hp_field* hp() const { return field_; }
  [[nodiscard]] const std::shared_ptr<Device>& device() const { return device_; }

 protected:
  friend class FieldWriter;
  Field(std::shared_ptr<Device> device, hp_field* field);  // takes ownership of `field`
  void BumpVersion() { version_.fetch_add(1); }

 private:
  std::shared_ptr<Device> device_;
  hp_field* field_;
  FieldInfo info_;
  std::atomic<std::uint64_t> version_{1};
  std::atomic<bool> written_{false};  // somebody holds a FieldWriter
};

using FieldFactory = std::function<absl::StatusOr<std::shared_ptr<Field>>(Stream&, const io::Volume&)>;
using FieldRegistry = Registry<FieldFactory>;

void RegisterBuiltinFields(FieldRegistry& registry);
// The registry with the builtin fields.
[[nodiscard]] const FieldRegistry& BuiltinFields();
// The registered type that takes this volume: "dense_grid" or "nanovdb".
[[nodiscard]] std::string FieldTypeOf(const io::Volume& volume);
// Checks the volume (finite, non-negative density, sizes, transform) and puts it on the stream's device.
// INVALID_ARGUMENT with the count and the first offending voxel for negative, NaN or infinite density.
[[nodiscard]] absl::StatusOr<std::shared_ptr<Field>> CreateField(Stream& stream, const io::Volume& volume);

}  // namespace dvren
