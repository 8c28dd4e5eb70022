// DenseGridField: a dense grid of densities, colours or spherical harmonics on a device.
#pragma once

#include "dvren/fields/field.h"

namespace dvren {

class DenseGridField final : public Field {
 public:
  // Takes an io::DenseVolume. INVALID_ARGUMENT names the field, its value and the first offending voxel.
  [[nodiscard]] static absl::StatusOr<std::shared_ptr<Field>> Create(Stream& stream, const io::Volume& volume);

 private:
  using Field::Field;
};

}  // namespace dvren
