// ImportVolume: a file from anywhere becomes a checked volume. VDB, NVDB, NPY and NPZ files are parsed by the program
// dvren-parse in a process of its own with limits on memory, CPU time, file size and open files, so that a hostile file
// costs its sender an error and the caller nothing.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "dvren/core/status.h"
#include "dvren/io/volume.h"

namespace dvren::io {

enum class FileFormat : std::uint8_t { kUnspecified = 0, kVdb = 1, kNvdb = 2, kNpy = 3, kNpz = 4, kRaw = 5 };
enum class FieldKind : std::uint8_t { kUnspecified = 0, kNanoVdb = 1, kDense = 2 };  // unspecified: as the format suits

struct ImportRequest {
  std::string path;         // the file to read
  std::string source_name;  // what its owner calls it; for messages and, by its extension, the format. Empty: path
  FileFormat format = FileFormat::kUnspecified;
  FieldKind kind = FieldKind::kUnspecified;  // NanoVDB for VDB and NVDB, dense for arrays
  std::string grid;                          // grid or NPZ array; empty: "density" (NPZ: or "values"), or the only one
  bool convert_level_set = false;

  // Arrays only; a VDB has its own. Absent: the unit cube, identity.
  std::optional<Box> box;
  std::optional<Affine> local_to_world;
  Interp interp = Interp::kLinear;  // of dense volumes
  Border border = Border::kZero;
  Activation activation = Activation::kIdentity;
  // RAW only: what the bytes are.
  std::array<std::int64_t, 4> raw_shape{};  // nz, ny, nx, channels
  DType raw_dtype = DType::kF32;

  std::uint64_t max_bytes = std::uint64_t{4} << 30;  // of the volume; the worker may use WorkerMemoryBytes of it
  double deadline_seconds = 300;
  std::string worker_path;          // of dvren-parse; empty: beside the running program
  std::function<bool()> cancelled;  // looked at every few milliseconds
};

// What the worker's address space is limited to: the volume a few times over, and room for its libraries.
[[nodiscard]] std::uint64_t WorkerMemoryBytes(std::uint64_t max_bytes);

// By the extension, case ignored. INVALID_ARGUMENT for an unknown one.
[[nodiscard]] absl::StatusOr<FileFormat> FormatOfName(absl::string_view name);

// Array rules: rank 3 = (nz, ny, nx) of sigma, rank 4 = (nz, ny, nx, channels); f32 and f16 are kept, f64 becomes f32
// where every value stays finite, integers are refused. `scratch_dir` must be there; what is put into it is gone on
// return. INVALID_ARGUMENT for whatever the file is to blame for (a crash, timeout or lack of memory of the worker
// included), RESOURCE_EXHAUSTED for a volume above max_bytes or a full disk, NOT_FOUND without the file, CANCELLED,
// FAILED_PRECONDITION without the worker, UNIMPLEMENTED on platforms without fork.
[[nodiscard]] absl::StatusOr<Volume> ImportVolume(const ImportRequest& request, const std::string& scratch_dir);

// The same in this process and without limits: for files of one's own, and what dvren-parse itself calls.
[[nodiscard]] absl::StatusOr<Volume> ReadVolume(const ImportRequest& request);

}  // namespace dvren::io
