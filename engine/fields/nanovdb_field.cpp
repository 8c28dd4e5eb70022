#include "fields/nanovdb_field.h"

#include <variant>

#include "dvren/io/nvdb.h"

namespace dvren {

absl::StatusOr<std::shared_ptr<Field>> NanoVdbField::Create(Stream& stream, const io::Volume& volume) {
  const auto* grid = std::get_if<io::NanoVdbVolume>(&volume);
  if (grid == nullptr) return InvalidField("field: type", "nanovdb", "the volume is a dense array; use dense_grid");
  if (grid->blob.size() == 0) return InvalidField("field: values", "empty", "must hold a NanoVDB grid");
  DVREN_RETURN_IF_ERROR(io::CheckNanoVdb(grid->blob));
  hp_nanovdb_desc desc{};
  HP_INIT(desc);
  desc.blob = grid->blob.data();
  desc.bytes = grid->blob.size();
  hp_field* field = nullptr;
  DVREN_RETURN_IF_ERROR(FromHp(hp_field_create_nanovdb(stream.hp(), &desc, &field)));
  return std::shared_ptr<Field>(new NanoVdbField(stream.device(), field));
}

}  // namespace dvren
