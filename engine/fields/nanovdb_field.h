// NanoVdbField: a NanoVDB fog volume on a device, sampled as it is, without conversion to a dense grid.
#pragma once

#include "dvren/fields/field.h"

namespace dvren {

class NanoVdbField final : public Field {
 public:
  // Takes an io::NanoVdbVolume. INVALID_ARGUMENT names what the blob lacks, or the first offending voxel.
  [[nodiscard]] static absl::StatusOr<std::shared_ptr<Field>> Create(Stream& stream, const io::Volume& volume);

 private:
  using Field::Field;
};

}  // namespace dvren
