#include "gradient_values.h"

#include <cstring>
#include <limits>
#include <new>

#include "connection.h"
#include "crc32c.h"
#include "dvren/client/client.h"

namespace dvren::client {
namespace {

template <class T>
std::vector<T> Elements(const char* bytes, std::size_t size) {
  std::vector<T> elements(size / sizeof(T));
  if (!elements.empty()) std::memcpy(elements.data(), bytes, elements.size() * sizeof(T));
  return elements;
}

}  // namespace

absl::Status GradientAssembler::Begin(const google::protobuf::RepeatedField<std::int64_t>& shape, v1::DType dtype,
                                      std::uint64_t origins_bytes, int exponent, std::uint64_t field_version) {
  const absl::Status odd = absl::InternalError(
      "gradient: its description makes no sense; client and daemon do not fit, use the same version");
  if (begun_ || (dtype != v1::DTYPE_F32 && dtype != v1::DTYPE_F64)) return odd;
  std::uint64_t bytes = dtype == v1::DTYPE_F64 ? 8 : 4;
  for (const std::int64_t extent : shape) {
    if (extent < 1 || bytes > std::numeric_limits<std::uint64_t>::max() / 2 / static_cast<std::uint64_t>(extent)) {
      return odd;
    }
    bytes *= static_cast<std::uint64_t>(extent);
  }
  if (origins_bytes % 12 != 0 || origins_bytes > bytes) return odd;
  begun_ = true;
  gradient_.shape.assign(shape.begin(), shape.end());
  gradient_.exponent = exponent;
  gradient_.field_version = field_version;
  dtype_ = dtype;
  origins_bytes_ = origins_bytes;
  total_bytes_ = origins_bytes + bytes;
  try {
    bytes_.reserve(total_bytes_);
  } catch (const std::exception&) {
    return absl::ResourceExhaustedError(
        absl::StrCat("gradient: ", total_bytes_, " bytes do not fit into this machine's memory"));
  }
  return absl::OkStatus();
}

absl::Status GradientAssembler::Add(const v1::Chunk& chunk) {
  if (!begun_ || chunk.offset() != bytes_.size() || chunk.data().size() > total_bytes_ - bytes_.size()) {
    return absl::DataLossError(
        absl::StrCat("gradient: a chunk at ", chunk.offset(), " where ", bytes_.size(), " was due; ask for it again"));
  }
  if (chunk.has_crc32c() && chunk.crc32c() != Crc32c(chunk.data().data(), chunk.data().size())) {
    return absl::DataLossError(
        absl::StrCat("gradient: the chunk at ", chunk.offset(), " was damaged on its way; ask for it again"));
  }
  bytes_ += chunk.data();
  return absl::OkStatus();
}

absl::StatusOr<ValueGradient> GradientAssembler::Finish() {
  if (!begun_ || bytes_.size() != total_bytes_) {
    return absl::DataLossError(
        absl::StrCat("gradient: the daemon sent ", bytes_.size(), " of ", total_bytes_, " bytes; ask for it again"));
  }
  const auto origins = static_cast<std::size_t>(origins_bytes_);
  gradient_.origins = Elements<std::int32_t>(bytes_.data(), origins);
  if (dtype_ == v1::DTYPE_F64) {
    gradient_.values = Elements<double>(bytes_.data() + origins, bytes_.size() - origins);
  } else {
    gradient_.values = Elements<float>(bytes_.data() + origins, bytes_.size() - origins);
  }
  bytes_.clear();
  return std::move(gradient_);
}

absl::StatusOr<ValueGradient> Client::DownloadGradient(const std::string& name, v1::DType dtype) const {
  grpc::ClientContext context;
  connection_->Prepare(context);
  v1::DownloadFieldRequest request;
  request.set_name(name);
  request.set_content(v1::FIELD_CONTENT_GRADIENT);
  request.set_dtype(dtype);
  auto reader = connection_->fields->DownloadField(&context, request);
  GradientAssembler assembler;
  v1::DownloadFieldResponse response;
  const auto take = [&]() -> absl::Status {
    if (response.has_gradient()) {
      const v1::GradientDescription& gradient = response.gradient();
      DVREN_RETURN_IF_ERROR(assembler.Begin(gradient.shape(), gradient.dtype(), gradient.origins_bytes(),
                                            gradient.exponent(), response.field().version()));
    }
    return response.has_chunk() ? assembler.Add(response.chunk()) : absl::OkStatus();
  };
  absl::Status taken;
  while (taken.ok() && reader->Read(&response)) taken = take();
  if (!taken.ok()) context.TryCancel();
  const grpc::Status status = reader->Finish();
  DVREN_RETURN_IF_ERROR(taken);
  DVREN_RETURN_IF_ERROR(connection_->ToAbsl(status, context));
  return assembler.Finish();
}

}  // namespace dvren::client
