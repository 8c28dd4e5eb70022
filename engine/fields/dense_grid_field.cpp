#include "fields/dense_grid_field.h"

#include <algorithm>
#include <variant>

#include "dvren/io/check.h"

namespace dvren {
namespace {

absl::Status ValidateModes(const io::DenseVolume& volume) {
  if (volume.interp != io::Interp::kLinear && volume.interp != io::Interp::kNearest) {
    return InvalidField("field: interp", static_cast<int>(volume.interp), "must be linear (1) or nearest (2)");
  }
  if (volume.border != io::Border::kZero && volume.border != io::Border::kClamp) {
    return InvalidField("field: border", static_cast<int>(volume.border), "must be zero (1) or clamp (2)");
  }
  if (volume.activation > io::Activation::kTruncExp) {
    return InvalidField("field: activation", static_cast<int>(volume.activation),
                        "must be identity (0), softplus (1), exp (2) or trunc_exp (3)");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<Field>> DenseGridField::Create(Stream& stream, const io::Volume& volume) {
  const auto* grid = std::get_if<io::DenseVolume>(&volume);
  if (grid == nullptr) return InvalidField("field: type", "dense_grid", "the volume is a NanoVDB grid; use nanovdb");
  DVREN_RETURN_IF_ERROR(io::CheckDense(*grid, "field"));
  DVREN_RETURN_IF_ERROR(ValidateModes(*grid));
  hp_grid_desc desc{};
  HP_INIT(desc);
  HP_INIT(desc.values);
  desc.values.dtype = static_cast<hp_dtype>(grid->dtype);
  desc.values.data = const_cast<std::byte*>(grid->values.data());  // hp_tensor has no const form; only read
  desc.values.rank = 4;
  std::int64_t stride = 1;
  for (int i = 3; i >= 0; --i) {
    desc.values.shape[i] = grid->shape[i];
    desc.values.strides[i] = stride;
    stride *= grid->shape[i];
  }
  std::copy_n(grid->box.min.begin(), 3, desc.box_min);
  std::copy_n(grid->box.max.begin(), 3, desc.box_max);
  std::copy_n(grid->local_to_world.m.begin(), 12, desc.local_to_world.m);
  desc.interp = static_cast<hp_interp>(grid->interp);
  desc.border = static_cast<hp_border>(grid->border);
  desc.activation = static_cast<hp_activation>(grid->activation);
  hp_field* field = nullptr;
  DVREN_RETURN_IF_ERROR(FromHp(grid->shape[3] == 1 ? hp_field_create_grid_sigma(stream.hp(), &desc, &field)
                                                   : hp_field_create_grid_color(stream.hp(), &desc, &field)));
  return std::shared_ptr<Field>(new DenseGridField(stream.device(), field));
}

}  // namespace dvren
