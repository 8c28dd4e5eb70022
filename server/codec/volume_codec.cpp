#include "server/codec/volume_codec.h"

#include <limits>
#include <utility>

#include "server/codec/geometry_codec.h"
#include "server/codec/tensor_codec.h"

namespace dvren::server {
namespace {

void Describe(const io::DenseVolume& volume, v1::Field* description) {
  v1::DenseGridSpec* spec = description->mutable_dense_grid();
  spec->mutable_shape()->Assign(volume.shape.begin(), volume.shape.end());
  spec->set_dtype(EncodeDType(volume.dtype));
  EncodeBox(volume.box, spec->mutable_box());
  EncodeAffine(volume.local_to_world, spec->mutable_local_to_world());
  spec->set_interp(volume.interp == io::Interp::kNearest ? v1::INTERP_NEAREST : v1::INTERP_LINEAR);
  spec->set_border(volume.border == io::Border::kClamp ? v1::BORDER_CLAMP : v1::BORDER_ZERO);
  spec->set_activation(static_cast<v1::Activation>(static_cast<int>(volume.activation) + v1::ACTIVATION_IDENTITY));
}

void Describe(const io::NanoVdbVolume& volume, v1::Field* description) {
  v1::NanoVdbSpec* spec = description->mutable_nanovdb();
  spec->set_grid_name(volume.grid_name);
  EncodeAffine(volume.index_to_world, spec->mutable_index_to_world());
  spec->mutable_active_min()->Assign(volume.active_min.begin(), volume.active_min.end());
  spec->mutable_active_max()->Assign(volume.active_max.begin(), volume.active_max.end());
  spec->set_active_voxels(volume.active_voxels);
}

absl::StatusOr<io::Volume> DenseFrom(const v1::DenseGridSpec& spec, io::Blob payload) {
  io::DenseVolume volume;
  for (int i = 0; i < 4; ++i) volume.shape[i] = spec.shape(i);
  DVREN_ASSIGN_OR_RETURN(volume.dtype, DecodeDType(spec.dtype(), "dense_grid.dtype"));
  DVREN_ASSIGN_OR_RETURN(volume.box, DecodeBox(spec.box(), "dense_grid.box"));
  DVREN_ASSIGN_OR_RETURN(volume.local_to_world, DecodeAffine(spec.local_to_world(), "dense_grid.local_to_world"));
  DVREN_ASSIGN_OR_RETURN(volume.interp, DecodeInterp(spec.interp(), "dense_grid.interp"));
  DVREN_ASSIGN_OR_RETURN(volume.border, DecodeBorder(spec.border(), "dense_grid.border"));
  DVREN_ASSIGN_OR_RETURN(volume.activation, DecodeActivation(spec.activation(), "dense_grid.activation"));
  volume.values = std::move(payload);
  return volume;
}

absl::StatusOr<io::Volume> NanoVdbFrom(const v1::NanoVdbSpec& spec, io::Blob payload) {
  io::NanoVdbVolume volume;
  volume.grid_name = spec.grid_name();
  DVREN_ASSIGN_OR_RETURN(volume.index_to_world, DecodeAffine(spec.index_to_world(), "nanovdb.index_to_world"));
  for (int i = 0; i < 3; ++i) {
    volume.active_min[i] = spec.active_min(i);
    volume.active_max[i] = spec.active_max(i);
  }
  volume.active_voxels = spec.active_voxels();
  volume.blob = std::move(payload);
  return volume;
}

// Bytes of shape x dtype; absent where they do not fit 63 bits.
absl::StatusOr<std::uint64_t> DenseBytes(const v1::DenseGridSpec& spec) {
  DVREN_ASSIGN_OR_RETURN(const DType dtype, DecodeDType(spec.dtype(), "dense_grid.dtype"));
  std::uint64_t bytes = DTypeSize(dtype);
  if (spec.shape_size() != 4) return absl::DataLossError("dense_grid.shape: must hold 4 extents");
  for (const std::int64_t extent : spec.shape()) {
    if (extent <= 0 || bytes > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max() / extent)) {
      return absl::DataLossError(absl::StrCat("dense_grid.shape: extent ", extent, " is out of range"));
    }
    bytes *= static_cast<std::uint64_t>(extent);
  }
  return bytes;
}

}  // namespace

const io::Blob& PayloadOf(const io::Volume& volume) {
  if (const auto* dense = std::get_if<io::DenseVolume>(&volume)) return dense->values;
  return std::get<io::NanoVdbVolume>(volume).blob;
}

void DescribeVolume(const io::Volume& volume, const FieldInfo& info, v1::Field* description) {
  std::visit([&](const auto& kind) { Describe(kind, description); }, volume);
  description->set_type(info.type);
  description->set_channels(info.channels);
  description->set_min_voxel_world(info.min_voxel_world);
  EncodeBox(info.world_box, description->mutable_world_box());
  description->set_payload_bytes(PayloadOf(volume).size());
}

absl::Status CheckStoredSpec(const v1::Field& description) {
  switch (description.spec_case()) {
    case v1::Field::kDenseGrid: {
      DVREN_ASSIGN_OR_RETURN(const std::uint64_t bytes, DenseBytes(description.dense_grid()));
      if (bytes != description.payload_bytes()) {
        return absl::DataLossError(
            absl::StrCat("dense_grid.shape: ", bytes, " bytes, payload_bytes is ", description.payload_bytes()));
      }
      return absl::OkStatus();
    }
    case v1::Field::kNanovdb:
      if (description.nanovdb().active_min_size() != 3 || description.nanovdb().active_max_size() != 3) {
        return absl::DataLossError("nanovdb.active_min, active_max: must hold 3 indices");
      }
      return absl::OkStatus();
    case v1::Field::SPEC_NOT_SET:
      break;
  }
  return absl::DataLossError("the description of the payload is missing");
}

absl::StatusOr<io::Volume> VolumeFrom(const v1::Field& description, io::Blob payload) {
  DVREN_RETURN_IF_ERROR(CheckStoredSpec(description));
  return description.spec_case() == v1::Field::kDenseGrid ? DenseFrom(description.dense_grid(), std::move(payload))
                                                          : NanoVdbFrom(description.nanovdb(), std::move(payload));
}

absl::StatusOr<io::Interp> DecodeInterp(v1::Interp interp, const std::string& path) {
  switch (interp) {
    case v1::INTERP_UNSPECIFIED:
    case v1::INTERP_LINEAR:
      return io::Interp::kLinear;
    case v1::INTERP_NEAREST:
      return io::Interp::kNearest;
    default:
      return InvalidField(path, static_cast<int>(interp), "must be LINEAR or NEAREST");
  }
}

absl::StatusOr<io::Border> DecodeBorder(v1::Border border, const std::string& path) {
  switch (border) {
    case v1::BORDER_UNSPECIFIED:
    case v1::BORDER_ZERO:
      return io::Border::kZero;
    case v1::BORDER_CLAMP:
      return io::Border::kClamp;
    default:
      return InvalidField(path, static_cast<int>(border), "must be ZERO or CLAMP");
  }
}

absl::StatusOr<io::Activation> DecodeActivation(v1::Activation activation, const std::string& path) {
  switch (activation) {
    case v1::ACTIVATION_UNSPECIFIED:
    case v1::ACTIVATION_IDENTITY:
      return io::Activation::kIdentity;
    case v1::ACTIVATION_SOFTPLUS:
      return io::Activation::kSoftplus;
    case v1::ACTIVATION_EXP:
      return io::Activation::kExp;
    case v1::ACTIVATION_TRUNC_EXP:
      return io::Activation::kTruncExp;
    default:
      return InvalidField(path, static_cast<int>(activation), "must be IDENTITY, SOFTPLUS, EXP or TRUNC_EXP");
  }
}

}  // namespace dvren::server
