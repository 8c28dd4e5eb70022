#include "dvren/fields/field.h"

#include <algorithm>
#include <utility>

namespace dvren {

Field::Field(std::shared_ptr<Device> device, hp_field* field) : device_(std::move(device)), field_(field) {
  hp_field_info raw{};
  HP_INIT(raw);
  hp_field_get_info(field_, &raw);  // cannot fail for a live field
  info_.type = raw.type;
  info_.batched = raw.kind == HP_FIELD_BATCHED;
  info_.channels = raw.channels;
  info_.sh_degree = raw.sh_degree;
  std::copy_n(raw.voxels, 3, info_.voxels.begin());
  info_.storage_dtype = static_cast<DType>(raw.storage_dtype);
  std::copy_n(raw.box_min, 3, info_.box.min.begin());
  std::copy_n(raw.box_max, 3, info_.box.max.begin());
  std::copy_n(raw.local_to_world.m, 12, info_.local_to_world.m.begin());
  info_.world_box = BoundsOf(info_.box, info_.local_to_world);
  info_.min_voxel_world = raw.min_voxel_world;
  info_.unbounded = raw.unbounded != 0;
  info_.device_bytes = raw.device_bytes;
  info_.parameter_count = raw.parameter_count;
  device_->memory_used_.fetch_add(info_.device_bytes);
}

Field::~Field() {
  hp_field_destroy(field_);
  device_->memory_used_.fetch_sub(info_.device_bytes);
}

absl::StatusOr<std::shared_ptr<Field>> CreateField(Stream& stream, const io::Volume& volume) {
  DVREN_ASSIGN_OR_RETURN(FieldFactory factory, BuiltinFields().Find(FieldTypeOf(volume)));
  return factory(stream, volume);
}

}  // namespace dvren
