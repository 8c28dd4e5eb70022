#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <optional>
#include <span>

#include "connection.h"
#include "crc32c.h"
#include "dvren/client/client.h"
#include "dvren/io/atomic_file.h"
#include "dvren/io/densities.h"
#include "dvren/io/npy.h"
#include "dvren/io/npz.h"
#include "dvren/io/nvdb.h"
#include "dvren/io/vdb.h"
#include "retry.h"

namespace dvren::client {
namespace {

// Fetches a payload from where the last attempt ended. The first message's description must stay the same throughout.
class Downloader {
 public:
  Downloader(Connection& connection, std::string name, const DownloadOptions& options)
      : connection_(connection),
        name_(std::move(name)),
        options_(options),
        deadline_(connection.NewDeadline()),
        retry_(options.max_attempts, options.retry_delay, deadline_) {}

  absl::StatusOr<v1::Field> Run() {
    while (true) {
      const std::uint64_t before = offset_;
      const absl::Status status = Attempt();
      if (status.ok()) break;
      if (offset_ > before) retry_.Progressed();
      if (!retry_.Again(absl::IsUnavailable(status))) return status;
    }
    if (!field_ || offset_ != field_->payload_bytes()) {
      return absl::DataLossError(absl::StrCat("field = ", name_, ": the daemon sent ", offset_, " of ",
                                              field_ ? field_->payload_bytes() : 0, " bytes; download it again"));
    }
    return *field_;
  }

  [[nodiscard]] io::Blob payload() const { return payload_; }

 private:
  absl::Status Attempt() {
    grpc::ClientContext context;
    connection_.Prepare(context, deadline_);
    v1::DownloadFieldRequest request;
    request.set_name(name_);
    request.set_offset(offset_);
    auto reader = connection_.fields->DownloadField(&context, request);
    v1::DownloadFieldResponse response;
    absl::Status taken;
    while (taken.ok() && reader->Read(&response)) taken = Take(response);
    if (!taken.ok()) context.TryCancel();
    const grpc::Status status = reader->Finish();
    DVREN_RETURN_IF_ERROR(taken);
    return connection_.ToAbsl(status, context);
  }

  absl::Status Take(v1::DownloadFieldResponse& response) {
    if (response.has_field()) {
      if (!field_) {
        field_ = std::move(*response.mutable_field());
        try {
          payload_ = io::Blob(field_->payload_bytes());
        } catch (const std::bad_alloc&) {
          return absl::ResourceExhaustedError(absl::StrCat("field = ", name_, ": ", field_->payload_bytes(),
                                                           " bytes do not fit into this machine's memory"));
        }
      } else if (field_->sha256() != response.field().sha256() || field_->version() != response.field().version()) {
        return absl::AbortedError(absl::StrCat("field = ", name_, ": was written to meanwhile; download it again"));
      }
    }
    if (!response.has_chunk()) return absl::OkStatus();
    const v1::Chunk& chunk = response.chunk();
    if (!field_ || chunk.offset() != offset_ || chunk.data().size() > field_->payload_bytes() - offset_) {
      return absl::DataLossError(absl::StrCat("field = ", name_, ": a chunk at ", chunk.offset(), " where ", offset_,
                                              " was due; download it again"));
    }
    if (chunk.has_crc32c() && chunk.crc32c() != Crc32c(chunk.data().data(), chunk.data().size())) {
      return absl::DataLossError(absl::StrCat("field = ", name_, ": the chunk at ", chunk.offset(),
                                              " was damaged on its way; download it again"));
    }
    if (!chunk.data().empty()) std::memcpy(payload_.data() + offset_, chunk.data().data(), chunk.data().size());
    offset_ += chunk.data().size();
    if (options_.progress) options_.progress(offset_, field_->payload_bytes());
    return absl::OkStatus();
  }

  Connection& connection_;
  const std::string name_;
  const DownloadOptions& options_;
  const Deadline deadline_;
  Retry retry_;
  std::optional<v1::Field> field_;
  io::Blob payload_;
  std::uint64_t offset_ = 0;
};

absl::StatusOr<io::DenseVolume> ToDense(const v1::Field& field, io::Blob payload) {
  const v1::DenseGridSpec& spec = field.dense_grid();
  io::DenseVolume volume;
  if (spec.shape_size() != 4) return absl::InternalError("field.shape: must have four extents");
  std::copy(spec.shape().begin(), spec.shape().end(), volume.shape.begin());
  if (spec.dtype() != v1::DTYPE_F32 && spec.dtype() != v1::DTYPE_F16) {
    return absl::InternalError(absl::StrCat("field.dtype = ", v1::DType_Name(spec.dtype()), ": must be f32 or f16"));
  }
  volume.dtype = spec.dtype() == v1::DTYPE_F16 ? DType::kF16 : DType::kF32;
  if (spec.has_box()) {
    volume.box.min = {spec.box().min().x(), spec.box().min().y(), spec.box().min().z()};
    volume.box.max = {spec.box().max().x(), spec.box().max().y(), spec.box().max().z()};
  }
  if (spec.local_to_world().m_size() == 12) {
    std::copy(spec.local_to_world().m().begin(), spec.local_to_world().m().end(), volume.local_to_world.m.begin());
  }
  if (spec.activation() != v1::ACTIVATION_UNSPECIFIED) {
    if (!v1::Activation_IsValid(spec.activation())) {
      return absl::InternalError(absl::StrCat("field.activation = ", static_cast<int>(spec.activation()),
                                              ": made by a later daemon; only .npy and .raw can hold its values"));
    }
    volume.activation = static_cast<io::Activation>(static_cast<int>(spec.activation()) - v1::ACTIVATION_IDENTITY);
  }
  std::uint64_t bytes = DTypeSize(volume.dtype);
  for (const std::int64_t n : volume.shape) bytes *= static_cast<std::uint64_t>(n);
  if (bytes != payload.size()) {
    return absl::InternalError(absl::StrCat("field.shape: takes ", bytes, " bytes, the payload has ", payload.size()));
  }
  volume.values = std::move(payload);
  return volume;
}

absl::StatusOr<io::Volume> ToVolume(const v1::Field& field, io::Blob payload) {
  if (field.has_dense_grid()) return ToDense(field, std::move(payload));
  if (field.has_nanovdb()) return io::NanoVdbFromBlob(std::move(payload), field.display_name());
  return absl::UnimplementedError(absl::StrCat("field.type = ", field.type(), ": only .raw can hold its payload"));
}

std::string ExtensionOf(const std::string& path) {
  std::string extension = std::filesystem::path(path).extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return extension;
}

// Whether a file of this extension can hold the field at all; asked before the payload is fetched.
absl::Status CheckTarget(const v1::Field& field, const std::string& path, const std::string& extension) {
  if ((extension == ".npy" || extension == ".npz") && !field.has_dense_grid()) {
    return InvalidField(
        "path", path, absl::StrCat(field.display_name(), " is a ", field.type(), " field; write .nvdb, .vdb or .raw"));
  }
  return absl::OkStatus();
}

// values as stored, density (1/world unit) of each voxel, box, local_to_world.
absl::Status WriteArrays(const std::string& path, const io::DenseVolume& dense) {
  DVREN_ASSIGN_OR_RETURN(const io::DenseVolume densities, io::DensitiesOf(dense, /*refine=*/1, path));
  const std::array<std::int64_t, 2> corners{2, 3}, affine{3, 4};
  const std::array<double, 6> box{dense.box.min[0], dense.box.min[1], dense.box.min[2],
                                  dense.box.max[0], dense.box.max[1], dense.box.max[2]};
  return io::WriteNpz(path, {{"values", {dense.dtype, dense.shape, dense.values.data()}},
                             {"density", {DType::kF32, std::span(densities.shape).first(3), densities.values.data()}},
                             {"box", {DType::kF64, corners, box.data()}},
                             {"local_to_world", {DType::kF64, affine, dense.local_to_world.m.data()}}});
}

absl::Status WriteVolume(const std::string& path, const std::string& extension, const io::Volume& volume) {
  if (extension == ".vdb") return io::WriteVdb(path, volume);
  const auto* dense = std::get_if<io::DenseVolume>(&volume);
  if (dense == nullptr) return io::WriteNvdb(path, std::get<io::NanoVdbVolume>(volume));
  if (extension == ".npy") return io::WriteNpy(path, {dense->dtype, dense->shape, dense->values.data()});
  if (extension == ".npz") return WriteArrays(path, *dense);
  DVREN_ASSIGN_OR_RETURN(const io::NanoVdbVolume density, io::DenseToNanoVdb(*dense, path));
  return io::WriteNvdb(path, density);
}

}  // namespace

absl::StatusOr<v1::Field> Client::DownloadField(const std::string& name, const std::string& path,
                                                const DownloadOptions& options) const {
  const std::string extension = ExtensionOf(path);
  static constexpr const char* kExtensions[] = {".vdb", ".nvdb", ".npz", ".npy", ".raw"};
  if (std::find(std::begin(kExtensions), std::end(kExtensions), extension) == std::end(kExtensions)) {
    return InvalidField("path", path, "must end in .vdb, .nvdb, .npz or .npy (dense grids), or .raw");
  }
  DVREN_ASSIGN_OR_RETURN(const v1::Field described, GetField(name));
  DVREN_RETURN_IF_ERROR(CheckTarget(described, path, extension));
  Downloader downloader(*connection_, name, options);
  DVREN_ASSIGN_OR_RETURN(v1::Field field, downloader.Run());
  const io::Blob payload = downloader.payload();
  if (extension == ".raw") {
    DVREN_RETURN_IF_ERROR(io::WriteFileAtomically(path, {payload.data(), payload.size()}));
    return field;
  }
  DVREN_ASSIGN_OR_RETURN(const io::Volume volume, ToVolume(field, payload));
  DVREN_RETURN_IF_ERROR(WriteVolume(path, extension, volume));
  return field;
}

}  // namespace dvren::client
