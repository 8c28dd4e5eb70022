#include "server/codec/tensor_codec.h"

#include <cmath>
#include <cstring>

namespace dvren::server {
namespace {

constexpr double kUnitTolerance = 1e-3;

std::string ShapeText(const v1::Tensor& tensor) {
  std::string text = "(";
  for (int i = 0; i < tensor.shape_size(); ++i) absl::StrAppend(&text, i == 0 ? "" : ", ", tensor.shape(i));
  return text + ")";
}

template <class Real>
absl::Status CheckVectors(const Real* values, std::int64_t count, bool unit, const std::string& path) {
  for (std::int64_t i = 0; i < count; ++i) {
    const double x = values[3 * i], y = values[3 * i + 1], z = values[3 * i + 2];
    const double square = x * x + y * y + z * z;
    if (!std::isfinite(x) || !std::isfinite(y) || !std::isfinite(z)) {
      return InvalidField(absl::StrCat(path, "[", i, "]"), absl::StrCat("(", x, ", ", y, ", ", z, ")"),
                          "must be finite");
    }
    if (unit && !(std::abs(std::sqrt(square) - 1) <= kUnitTolerance)) {
      return InvalidField(absl::StrCat(path, "[", i, "]"), absl::StrCat("(", x, ", ", y, ", ", z, ")"),
                          "must have unit length");
    }
  }
  return absl::OkStatus();
}

template <class Real>
absl::Status CheckInterval(const Real* t_near, const Real* t_far, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    if (t_near != nullptr && !(std::isfinite(t_near[i]) && t_near[i] >= 0)) {
      return InvalidField(absl::StrCat("rays.t_near[", i, "]"), t_near[i], "must be >= 0");
    }
    if (t_far != nullptr && std::isnan(t_far[i])) {
      return InvalidField(absl::StrCat("rays.t_far[", i, "]"), t_far[i], "must be a number or infinity");
    }
  }
  return absl::OkStatus();
}

template <class Real>
absl::Status CheckRays(const RayBatch& batch) {
  DVREN_RETURN_IF_ERROR(CheckVectors(static_cast<const Real*>(batch.origins), batch.count, false, "rays.origins"));
  DVREN_RETURN_IF_ERROR(CheckVectors(static_cast<const Real*>(batch.directions), batch.count, true, "rays.directions"));
  return CheckInterval(static_cast<const Real*>(batch.t_near), static_cast<const Real*>(batch.t_far), batch.count);
}

}  // namespace

v1::DType EncodeDType(DType dtype) {
  return static_cast<v1::DType>(dtype);
}  // the numbers are the same by design

absl::StatusOr<DType> DecodeDType(v1::DType dtype, const std::string& path) {
  if (dtype < v1::DTYPE_F32 || dtype > v1::DTYPE_U8) {
    return InvalidField(path, static_cast<int>(dtype), "must be F32, F64, F16, BF16, I32, I64 or U8");
  }
  return static_cast<DType>(dtype);
}

absl::StatusOr<const std::string*> InlineBytes(const v1::TensorPayload& payload, const std::string& path) {
  switch (payload.source_case()) {
    case v1::TensorPayload::kInline:
      return &payload.inline_();
    case v1::TensorPayload::kUpload:
      return absl::UnimplementedError(
          absl::StrCat(path, ".upload = ", payload.upload(), ": not implemented here; send inline bytes"));
    case v1::TensorPayload::kSharedMemory:
      return absl::UnimplementedError(absl::StrCat(path, ".shared_memory = ", payload.shared_memory().segment(),
                                                   ": not implemented yet; send inline bytes"));
    case v1::TensorPayload::SOURCE_NOT_SET:
      break;
  }
  return InvalidField(path, "absent", "send inline bytes");
}

absl::StatusOr<const std::string*> TensorBytes(const v1::Tensor& tensor, DType dtype, std::int64_t count, int width,
                                               const std::string& path) {
  DVREN_ASSIGN_OR_RETURN(const DType given, DecodeDType(tensor.dtype(), path + ".dtype"));
  if (given != dtype) {
    return InvalidField(path + ".dtype", absl::string_view(DTypeName(given).data(), DTypeName(given).size()),
                        absl::StrCat("must be ", std::string(DTypeName(dtype))));
  }
  const bool fits = width == 0 ? tensor.shape_size() == 1 && tensor.shape(0) == count
                               : tensor.shape_size() == 2 && tensor.shape(0) == count && tensor.shape(1) == width;
  if (!fits) {
    return InvalidField(
        path + ".shape", ShapeText(tensor),
        width == 0 ? absl::StrCat("must be (", count, ")") : absl::StrCat("must be (", count, ", ", width, ")"));
  }
  DVREN_ASSIGN_OR_RETURN(const std::string* bytes, InlineBytes(tensor.payload(), path + ".payload"));
  const std::uint64_t expected = static_cast<std::uint64_t>(count) * (width == 0 ? 1 : width) * DTypeSize(dtype);
  if (bytes->size() != expected) {
    return InvalidField(path + ".payload.inline", absl::StrCat(bytes->size(), " bytes"),
                        absl::StrCat("shape and dtype need ", expected));
  }
  return bytes;
}

absl::StatusOr<RayBatch> DecodeRays(const v1::Rays& rays, Precision precision) {
  const DType dtype = DTypeOf(precision);
  RayBatch batch;
  if (rays.origins().shape_size() != 2 || rays.origins().shape(0) < 1) {
    return InvalidField("rays.origins.shape", ShapeText(rays.origins()), "must be (N, 3) with N >= 1");
  }
  batch.count = rays.origins().shape(0);
  if (batch.count > (std::int64_t{1} << 31))
    return InvalidField("rays.origins.shape", ShapeText(rays.origins()), "N is too large");
  DVREN_ASSIGN_OR_RETURN(const std::string* origins,
                         TensorBytes(rays.origins(), dtype, batch.count, 3, "rays.origins"));
  DVREN_ASSIGN_OR_RETURN(const std::string* directions,
                         TensorBytes(rays.directions(), dtype, batch.count, 3, "rays.directions"));
  batch.origins = origins->data();
  batch.directions = directions->data();
  if (rays.has_t_near()) {
    DVREN_ASSIGN_OR_RETURN(const std::string* t_near, TensorBytes(rays.t_near(), dtype, batch.count, 0, "rays.t_near"));
    batch.t_near = t_near->data();
  }
  if (rays.has_t_far()) {
    DVREN_ASSIGN_OR_RETURN(const std::string* t_far, TensorBytes(rays.t_far(), dtype, batch.count, 0, "rays.t_far"));
    batch.t_far = t_far->data();
  }
  if (rays.has_ids()) {
    DVREN_ASSIGN_OR_RETURN(const std::string* ids, TensorBytes(rays.ids(), DType::kI64, batch.count, 0, "rays.ids"));
    batch.ids = reinterpret_cast<const std::int64_t*>(ids->data());
  }
  DVREN_RETURN_IF_ERROR(precision == Precision::kF64 ? CheckRays<double>(batch) : CheckRays<float>(batch));
  return batch;
}

std::vector<AovChannel> ChannelsOf(std::uint32_t aovs) {
  static constexpr AovChannel kAll[] = {{kAovRgb, v1::AOV_RGB, 3, &Frame::rgb},
                                        {kAovOpacity, v1::AOV_OPACITY, 1, &Frame::opacity},
                                        {kAovTransmittance, v1::AOV_TRANSMITTANCE, 1, &Frame::transmittance},
                                        {kAovDepth, v1::AOV_DEPTH, 1, &Frame::depth},
                                        {kAovHit, v1::AOV_HIT, 1, &Frame::hit}};
  std::vector<AovChannel> channels;
  for (const AovChannel& channel : kAll) {
    if ((aovs & channel.bit) != 0) channels.push_back(channel);
  }
  return channels;
}

std::size_t BytesPerPixel(std::uint32_t aovs, Precision precision) {
  std::size_t elements = 0;
  for (const AovChannel& channel : ChannelsOf(aovs)) elements += static_cast<std::size_t>(channel.channels);
  return elements * DTypeSize(DTypeOf(precision));
}

std::string* AddImage(const AovChannel& channel, Precision precision, std::initializer_list<std::int64_t> shape,
                      google::protobuf::RepeatedPtrField<v1::AovTensor>* images) {
  v1::AovTensor* image = images->Add();
  image->set_aov(channel.aov);
  image->mutable_tensor()->set_dtype(EncodeDType(DTypeOf(precision)));
  std::size_t bytes = DTypeSize(DTypeOf(precision)) * static_cast<std::size_t>(channel.channels);
  for (const std::int64_t extent : shape) {
    image->mutable_tensor()->add_shape(extent);
    bytes *= static_cast<std::size_t>(extent);
  }
  if (channel.channels > 1) image->mutable_tensor()->add_shape(channel.channels);
  std::string* data = image->mutable_tensor()->mutable_payload()->mutable_inline_();
  data->resize(bytes);
  return data;
}

void EncodeStats(const RenderStats& stats, v1::RenderStats* message) {
  message->set_rays(stats.rays);
  message->set_samples(stats.samples);
  message->set_early_stopped_rays(stats.early_stopped);
  message->set_truncated_rays(stats.truncated);
  message->set_invalid_pixels(stats.invalid);
  message->set_kernel_seconds(stats.wall_seconds);
}

std::vector<std::string> WarningsOf(const RenderStats& stats, const SamplingSpec& sampling) {
  std::vector<std::string> warnings;
  if (stats.truncated > 0) {
    warnings.push_back(absl::StrCat(stats.truncated, " of ", stats.rays, " rays were cut by sampling.max_steps = ",
                                    sampling.max_steps, "; raise it or sampling.dt = ", sampling.dt));
  }
  if (stats.invalid > 0) {
    warnings.push_back(
        absl::StrCat(stats.invalid, " pixels lie outside what the lens model maps; they show the background"));
  }
  return warnings;
}

}  // namespace dvren::server
