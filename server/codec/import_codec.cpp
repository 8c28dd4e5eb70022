#include "server/codec/import_codec.h"

#include "server/codec/geometry_codec.h"
#include "server/codec/tensor_codec.h"
#include "server/codec/volume_codec.h"

namespace dvren::server {
namespace {

absl::StatusOr<io::FileFormat> DecodeFormat(v1::FileFormat format, const std::string& source) {
  switch (format) {
    case v1::FILE_FORMAT_UNSPECIFIED: {
      auto by_name = io::FormatOfName(source);
      if (by_name.ok()) return by_name;
      return InvalidField("options.format", "absent",
                          absl::StrCat("give it, or a source with its extension; ", by_name.status().message()));
    }
    case v1::FILE_FORMAT_VDB:
      return io::FileFormat::kVdb;
    case v1::FILE_FORMAT_NVDB:
      return io::FileFormat::kNvdb;
    case v1::FILE_FORMAT_NPY:
      return io::FileFormat::kNpy;
    case v1::FILE_FORMAT_NPZ:
      return io::FileFormat::kNpz;
    case v1::FILE_FORMAT_RAW:
      return io::FileFormat::kRaw;
    default:
      return InvalidField("options.format", static_cast<int>(format), "must be VDB, NVDB, NPY, NPZ or RAW");
  }
}

absl::StatusOr<io::FieldKind> DecodeKind(v1::FieldKind kind) {
  switch (kind) {
    case v1::FIELD_KIND_UNSPECIFIED:
      return io::FieldKind::kUnspecified;
    case v1::FIELD_KIND_NANOVDB:
      return io::FieldKind::kNanoVdb;
    case v1::FIELD_KIND_DENSE:
      return io::FieldKind::kDense;
    default:
      return InvalidField("options.kind", static_cast<int>(kind), "must be NANOVDB or DENSE");
  }
}

absl::Status DecodeRawLayout(const v1::DenseGridSpec& spec, io::ImportRequest& request) {
  if (spec.shape_size() != 4) {
    return InvalidField("options.dense_grid.shape", absl::StrCat(spec.shape_size(), " extents"),
                        "must be nz, ny, nx, channels");
  }
  for (int i = 0; i < 4; ++i) {
    if (spec.shape(i) < 1)
      return InvalidField(absl::StrCat("options.dense_grid.shape[", i, "]"), spec.shape(i), "must be >= 1");
    request.raw_shape[i] = spec.shape(i);
  }
  DVREN_ASSIGN_OR_RETURN(request.raw_dtype, DecodeDType(spec.dtype(), "options.dense_grid.dtype"));
  if (request.raw_dtype != DType::kF32 && request.raw_dtype != DType::kF16) {
    return InvalidField("options.dense_grid.dtype", std::string(DTypeName(request.raw_dtype)), "must be F32 or F16");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<io::ImportRequest> DecodeImportOptions(const v1::ImportOptions& options, const std::string& source) {
  io::ImportRequest request;
  const v1::DenseGridSpec& spec = options.dense_grid();
  request.source_name = source;
  DVREN_ASSIGN_OR_RETURN(request.format, DecodeFormat(options.format(), source));
  DVREN_ASSIGN_OR_RETURN(request.kind, DecodeKind(options.kind()));
  request.grid = options.grid();
  request.convert_level_set = options.convert_level_set();
  if (spec.has_box()) {
    DVREN_ASSIGN_OR_RETURN(request.box, DecodeBox(spec.box(), "options.dense_grid.box"));
  }
  if (spec.has_local_to_world()) {
    DVREN_ASSIGN_OR_RETURN(request.local_to_world,
                           DecodeAffine(spec.local_to_world(), "options.dense_grid.local_to_world"));
  }
  DVREN_ASSIGN_OR_RETURN(request.interp, DecodeInterp(spec.interp(), "options.dense_grid.interp"));
  DVREN_ASSIGN_OR_RETURN(request.border, DecodeBorder(spec.border(), "options.dense_grid.border"));
  DVREN_ASSIGN_OR_RETURN(request.activation, DecodeActivation(spec.activation(), "options.dense_grid.activation"));
  if (request.format == io::FileFormat::kRaw) DVREN_RETURN_IF_ERROR(DecodeRawLayout(spec, request));
  return request;
}

}  // namespace dvren::server
