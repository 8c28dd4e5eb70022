#include "dvren/fields/field_writer.h"

#include <array>
#include <utility>

namespace dvren {
namespace {

template <class T>
hp_tensor HostTensor(hp_dtype dtype, T* data, std::span<const std::int64_t> shape) {
  hp_tensor t{};
  HP_INIT(t);
  t.dtype = dtype;
  t.data = const_cast<std::remove_const_t<T>*>(data);  // hp_tensor has no const form
  t.rank = static_cast<std::int32_t>(shape.size());
  std::int64_t stride = 1;
  for (std::size_t i = shape.size(); i-- > 0;) {
    t.shape[i] = shape[i];
    t.strides[i] = stride;
    stride *= shape[i];
  }
  return t;
}

hp_moments_info InfoOf(const hp_moments* moments) {
  hp_moments_info info{};
  HP_INIT(info);
  (void)hp_moments_get_info(moments, &info);  // cannot fail for live moments
  return info;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Moments>> Moments::Make(Stream& stream, const Field& field, hp_update_rule rule) {
  hp_moments* moments = nullptr;
  DVREN_RETURN_IF_ERROR(FromHp(hp_moments_create(stream.hp(), field.hp(), rule, &moments)));
  return std::unique_ptr<Moments>(new Moments(moments));
}

Moments::~Moments() {
  hp_moments_destroy(moments_);
}

std::uint64_t Moments::device_bytes() const {
  return InfoOf(moments_).device_bytes;
}

absl::StatusOr<Moments::Stored> Moments::Read(Stream& stream) const {
  const hp_moments_info info = InfoOf(moments_);
  Stored stored;
  stored.blocks.resize(static_cast<std::size_t>(info.block_count));
  stored.values.resize(static_cast<std::size_t>(info.block_count * info.block_values));
  const std::array<std::int64_t, 1> blocks{info.block_count};
  const std::array<std::int64_t, 2> values{info.block_count, info.block_values};
  const hp_tensor to_blocks = HostTensor(HP_DTYPE_I64, stored.blocks.data(), blocks);
  const hp_tensor to_values = HostTensor(HP_DTYPE_F32, stored.values.data(), values);
  DVREN_RETURN_IF_ERROR(FromHp(hp_moments_read(stream.hp(), moments_, &to_blocks, &to_values)));
  return stored;
}

absl::Status Moments::Write(Stream& stream, const Stored& stored) {
  const auto count = static_cast<std::int64_t>(stored.blocks.size());
  const std::int64_t block = InfoOf(moments_).block_values;
  if (static_cast<std::int64_t>(stored.values.size()) != count * block) {
    return InvalidField("moments.values", stored.values.size(), absl::StrCat("must be ", block, " for each block"));
  }
  const std::array<std::int64_t, 1> blocks{count};
  const std::array<std::int64_t, 2> values{count, block};
  const hp_tensor from_blocks = HostTensor(HP_DTYPE_I64, stored.blocks.data(), blocks);
  const hp_tensor from_values = HostTensor(HP_DTYPE_F32, stored.values.data(), values);
  return FromHp(hp_moments_write(stream.hp(), moments_, &from_blocks, &from_values));
}

absl::StatusOr<FieldWriter> FieldWriter::Make(std::shared_ptr<Field> field) {
  if (field->written_.exchange(true)) {
    return absl::FailedPreconditionError("field: somebody else writes it; wait until they are done, or copy it");
  }
  return FieldWriter(std::move(field));
}

FieldWriter& FieldWriter::operator=(FieldWriter&& other) noexcept {
  if (this != &other) {
    if (field_) field_->written_ = false;
    field_ = std::move(other.field_);
  }
  return *this;
}

FieldWriter::~FieldWriter() {
  if (field_) field_->written_ = false;
}

std::vector<std::int64_t> FieldWriter::GridShape() const {
  const FieldInfo& info = field_->info();
  return {info.voxels[2], info.voxels[1], info.voxels[0]};
}

absl::Status FieldWriter::ReadValues(Stream& stream, std::span<float> values) const {
  std::vector<std::int64_t> shape = GridShape();
  shape.push_back(field_->info().channels);
  if (values.size() != field_->info().parameter_count) {
    return InvalidField("values", values.size(), absl::StrCat("must be ", field_->info().parameter_count));
  }
  const hp_tensor to = HostTensor(HP_DTYPE_F32, values.data(), shape);
  return FromHp(hp_field_read_values(stream.hp(), field_->hp(), &to));
}

absl::Status FieldWriter::SetMask(Stream& stream, std::span<const std::uint8_t> cells, double seen_weight) {
  const std::vector<std::int64_t> shape = GridShape();
  if (static_cast<std::int64_t>(cells.size()) != shape[0] * shape[1] * shape[2]) {
    return InvalidField("mask.cells", cells.size(), "must be one per voxel of the grid");
  }
  hp_mask_desc desc{};
  HP_INIT(desc);
  desc.cells = HostTensor(HP_DTYPE_U8, cells.data(), shape);
  desc.seen_weight = seen_weight;
  DVREN_RETURN_IF_ERROR(FromHp(hp_field_set_mask(stream.hp(), field_->field_, &desc)));
  field_->BumpVersion();
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::uint8_t>> FieldWriter::ReadMask(Stream& stream) const {
  const std::vector<std::int64_t> shape = GridShape();
  std::vector<std::uint8_t> cells(static_cast<std::size_t>(shape[0] * shape[1] * shape[2]));
  const hp_tensor to = HostTensor(HP_DTYPE_U8, cells.data(), shape);
  DVREN_RETURN_IF_ERROR(FromHp(hp_field_read_mask(stream.hp(), field_->hp(), &to)));
  return cells;
}

absl::StatusOr<std::int64_t> FieldWriter::RefineMask(Stream& stream, double density, int seen_window) {
  hp_mask_refinement refinement{};
  HP_INIT(refinement);
  refinement.density = density;
  refinement.seen_window = seen_window;
  std::int64_t there = 0;
  DVREN_RETURN_IF_ERROR(FromHp(hp_field_refine_mask(stream.hp(), field_->field_, &refinement, &there)));
  field_->BumpVersion();
  return there;
}

absl::Status FieldWriter::Smooth(Stream& stream, GradientTensor& gradient, std::span<const double> weights) const {
  if (static_cast<int>(weights.size()) != field_->info().channels) {
    return InvalidField("weights", weights.size(), absl::StrCat("must be one per channel, ", field_->info().channels));
  }
  return FromHp(hp_smooth_gradient(stream.hp(), field_->hp(), gradient.gradient_, weights.data()));
}

absl::StatusOr<std::int64_t> FieldWriter::Update(Stream& stream, const GradientTensor& gradient, Moments& moments,
                                                 const hp_update_desc& update) {
  std::int64_t voxels = 0;
  DVREN_RETURN_IF_ERROR(
      FromHp(hp_update_field(stream.hp(), field_->field_, gradient.gradient_, moments.moments_, &update, &voxels)));
  field_->BumpVersion();
  return voxels;
}

}  // namespace dvren
