// From a file to a checked volume, in this process.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "absl/strings/ascii.h"
#include "byte_reader.h"
#include "dvren/io/check.h"
#include "dvren/io/import.h"
#include "dvren/io/nvdb.h"
#include "dvren/io/vdb.h"
#include "npy_stream.h"
#include "read_volume.h"
#include "volume_json.h"

namespace dvren::io {
namespace {

absl::Status TooBig(const ResolvedRequest& request, std::uint64_t bytes) {
  return absl::ResourceExhaustedError(
      absl::StrCat(request.name, ": takes ", bytes, " bytes, more than the ", request.request->max_bytes, " allowed"));
}

// f64 to f32, where nothing is lost but precision.
absl::StatusOr<Blob> Narrow(const Blob& wide, const std::string& name) {
  const std::size_t count = wide.size() / sizeof(double);
  const auto* from = reinterpret_cast<const double*>(wide.data());
  Blob narrow(count * sizeof(float));
  auto* to = reinterpret_cast<float*>(narrow.data());
  for (std::size_t i = 0; i < count; ++i) {
    to[i] = static_cast<float>(from[i]);
    if (std::isfinite(from[i]) && !std::isfinite(to[i])) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, ": value ", i, " = ", from[i], ": does not fit f32: scale the array first"));
    }
  }
  return narrow;
}

// Axes (nz, ny, nx) of sigma, or (nz, ny, nx, channels).
absl::StatusOr<DenseVolume> DenseOfArray(NpyArray array, const ResolvedRequest& request) {
  const std::string& name = request.name;
  if (array.shape.size() != 3 && array.shape.size() != 4) {
    return InvalidField(absl::StrCat(name, ": rank"), array.shape.size(),
                        "must be 3 (nz, ny, nx) or 4 (nz, ny, nx, channels)");
  }
  if (array.dtype != DType::kF32 && array.dtype != DType::kF16 && array.dtype != DType::kF64) {
    return InvalidField(absl::StrCat(name, ": dtype"), std::string(DTypeName(array.dtype)),
                        "must be f32, f16 or f64: save a.astype('float32')");
  }
  DenseVolume volume;
  volume.shape[3] = 1;
  std::copy(array.shape.begin(), array.shape.end(), volume.shape.begin());
  volume.dtype = array.dtype;
  volume.values = std::move(array.data);
  if (array.dtype == DType::kF64) {
    volume.dtype = DType::kF32;
    DVREN_RETURN_IF_ERROR(DenseBytes(volume.shape, volume.dtype, name).status());
    DVREN_ASSIGN_OR_RETURN(volume.values, Narrow(volume.values, name));
  }
  ApplyArrayOptions(*request.request, &volume);
  DVREN_RETURN_IF_ERROR(CheckDense(volume, name));
  return volume;
}

absl::StatusOr<Volume> ReadRaw(const ResolvedRequest& request) {
  const ImportRequest& r = *request.request;
  DVREN_ASSIGN_OR_RETURN(const std::uint64_t bytes, DenseBytes(r.raw_shape, r.raw_dtype, request.name));
  if (bytes > r.max_bytes) return TooBig(request, bytes);
  DVREN_ASSIGN_OR_RETURN(const std::unique_ptr<FileReader> file, FileReader::Open(r.path, request.name));
  if (file->size() != bytes) {
    return InvalidField(absl::StrCat(request.name, ": bytes"), file->size(), absl::StrCat("the shape needs ", bytes));
  }
  DenseVolume volume;
  volume.shape = r.raw_shape;
  volume.dtype = r.raw_dtype;
  volume.values = Blob(bytes);
  DVREN_RETURN_IF_ERROR(file->ReadAt(0, volume.values.data(), bytes));
  ApplyArrayOptions(r, &volume);
  DVREN_RETURN_IF_ERROR(CheckDense(volume, request.name));
  return Volume(std::move(volume));
}

}  // namespace

absl::StatusOr<FileFormat> FormatOfName(absl::string_view name) {
  const std::size_t dot = name.rfind('.');
  const std::string extension =
      dot == absl::string_view::npos ? std::string() : absl::AsciiStrToLower(name.substr(dot + 1));
  if (extension == "vdb") return FileFormat::kVdb;
  if (extension == "nvdb") return FileFormat::kNvdb;
  if (extension == "npy") return FileFormat::kNpy;
  if (extension == "npz") return FileFormat::kNpz;
  if (extension == "raw") return FileFormat::kRaw;
  return absl::InvalidArgumentError(
      absl::StrCat(name, ": unknown kind of file: must end in .vdb, .nvdb, .npy, .npz or .raw, or name the format"));
}

absl::StatusOr<ResolvedRequest> Resolve(const ImportRequest& request) {
  ResolvedRequest resolved;
  resolved.request = &request;
  resolved.name = request.source_name.empty() ? request.path : request.source_name;
  resolved.format = request.format;
  if (resolved.format == FileFormat::kUnspecified) {
    DVREN_ASSIGN_OR_RETURN(resolved.format, FormatOfName(resolved.name));
  }
  const bool vdb = resolved.format == FileFormat::kVdb || resolved.format == FileFormat::kNvdb;
  resolved.kind = request.kind;
  if (resolved.kind == FieldKind::kUnspecified) resolved.kind = vdb ? FieldKind::kNanoVdb : FieldKind::kDense;
  if (!vdb && resolved.kind == FieldKind::kNanoVdb) {
    return absl::InvalidArgumentError(absl::StrCat(resolved.name, ": kind = nanovdb: an array becomes a dense grid"));
  }
  if (vdb && (request.box.has_value() || request.local_to_world.has_value())) {
    return absl::InvalidArgumentError(absl::StrCat(resolved.name, ": ",
                                                   request.box.has_value() ? "box" : "local_to_world",
                                                   ": a VDB has its own place in the world: leave it out"));
  }
  if (resolved.kind == FieldKind::kNanoVdb && request.activation != Activation::kIdentity) {
    return absl::InvalidArgumentError(
        absl::StrCat(resolved.name, ": activation: only a dense grid has one: leave it out, or give kind = dense"));
  }
  if (!vdb && request.convert_level_set) {
    return absl::InvalidArgumentError(absl::StrCat(resolved.name, ": convert_level_set = true: only for VDB and NVDB"));
  }
  return resolved;
}

void ApplyArrayOptions(const ImportRequest& request, DenseVolume* volume) {
  if (request.box.has_value()) volume->box = *request.box;
  if (request.local_to_world.has_value()) volume->local_to_world = *request.local_to_world;
  volume->interp = request.interp;
  volume->border = request.border;
  volume->activation = request.activation;
}

absl::StatusOr<Volume> ReadVolume(const ImportRequest& request) {
  DVREN_ASSIGN_OR_RETURN(const ResolvedRequest r, Resolve(request));
  const auto with_options = [&](DenseVolume volume) -> absl::StatusOr<Volume> {
    if (volume.activation == Activation::kIdentity) {
      volume.activation = request.activation;
    } else if (request.activation != Activation::kIdentity && request.activation != volume.activation) {
      return absl::InvalidArgumentError(absl::StrCat(r.name, ": activation = ", ActivationName(request.activation),
                                                     ": the file says ", ActivationName(volume.activation),
                                                     ": leave it out"));
    }
    volume.interp = request.interp;
    volume.border = request.border;
    return Volume(std::move(volume));
  };
  switch (r.format) {
    case FileFormat::kVdb: {
      const VdbOptions options{request.grid, request.convert_level_set, r.name, request.max_bytes};
      if (r.kind == FieldKind::kNanoVdb) return VdbToNanoVdb(request.path, options);
      DVREN_ASSIGN_OR_RETURN(DenseVolume dense, VdbToDense(request.path, options));
      return with_options(std::move(dense));
    }
    case FileFormat::kNvdb: {
      const NvdbOptions options{request.grid, request.convert_level_set, r.name, request.max_bytes};
      DVREN_ASSIGN_OR_RETURN(NanoVdbVolume volume, ReadNvdb(request.path, options));
      if (r.kind == FieldKind::kNanoVdb) return Volume(std::move(volume));
      DVREN_ASSIGN_OR_RETURN(DenseVolume dense, NanoVdbToDense(volume, request.max_bytes));
      return with_options(std::move(dense));
    }
    case FileFormat::kNpy: {
      DVREN_ASSIGN_OR_RETURN(NpyArray array, ReadNpyFile(request.path, r.name, request.max_bytes));
      return DenseOfArray(std::move(array), r);
    }
    case FileFormat::kNpz: {
      DVREN_ASSIGN_OR_RETURN(NpyArray array, ReadNpzArray(request.path, r.name, request.grid, request.max_bytes));
      return DenseOfArray(std::move(array), r);
    }
    case FileFormat::kRaw:
      return ReadRaw(r);
    case FileFormat::kUnspecified:
      break;
  }
  return absl::InternalError("unresolved file format");
}

}  // namespace dvren::io
