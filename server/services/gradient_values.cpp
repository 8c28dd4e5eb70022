#include "server/services/gradient_values.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <span>

#include "server/codec/tensor_codec.h"
#include "server/registries/digest.h"
#include "server/registries/upload_store.h"

namespace dvren::server {
namespace {

// Fields whose gradient is of leaves, which are named by where they begin.
bool HasLeaves(const Field& field) {
  return field.info().type == "nanovdb";
}

}  // namespace

absl::StatusOr<GradientValues> GradientValues::Read(Stream& stream, const FieldGradient& gradient, DType dtype,
                                                    ByteBudget& budget) {
  const GradientTensor& tensor = *gradient.tensor();
  const std::size_t origin_bytes =
      HasLeaves(*tensor.field()) ? static_cast<std::size_t>(tensor.shape()[0]) * 3 * sizeof(std::int32_t) : 0;
  const std::size_t value_bytes = static_cast<std::size_t>(tensor.size()) * DTypeSize(dtype);
  GradientValues out;
  out.field_ = gradient.key();
  out.dtype_ = dtype;
  out.shape_ = tensor.shape();
  out.exponent_ = tensor.exponent().value_or(0);
  DVREN_ASSIGN_OR_RETURN(out.charge_,
                         budget.Charge(gradient.key().owner, origin_bytes + value_bytes, "copy of the gradient"));
  try {
    out.origins_ = io::Blob(origin_bytes);
    out.values_ = io::Blob(value_bytes);
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(absl::StrCat("field = ", gradient.key().name, ": no host memory for the ",
                                                     origin_bytes + value_bytes, " bytes of its gradient"));
  }
  DVREN_RETURN_IF_ERROR(tensor.Read(stream, dtype, out.values_.data()));
  if (origin_bytes > 0) {
    DVREN_RETURN_IF_ERROR(tensor.ReadOrigins(stream, reinterpret_cast<std::int32_t*>(out.origins_.data())));
  }
  return out;
}

GradientStatistics GradientValues::Statistics() const {
  if (dtype_ == DType::kF64) {
    return Summarise(std::span(reinterpret_cast<const double*>(values_.data()), values_.size() / sizeof(double)));
  }
  return Summarise(std::span(reinterpret_cast<const float*>(values_.data()), values_.size() / sizeof(float)));
}

void GradientValues::Describe(v1::GradientArray* message) const {
  message->set_field(field_.name);
  message->set_field_version(field_.version);
  message->set_dtype(EncodeDType(dtype_));
  message->mutable_shape()->Assign(shape_.begin(), shape_.end());
  message->set_origins_bytes(origins_.size());
  message->set_exponent(exponent_);
}

void GradientValues::Describe(v1::GradientDescription* message) const {
  message->set_dtype(EncodeDType(dtype_));
  message->mutable_shape()->Assign(shape_.begin(), shape_.end());
  message->set_origins_bytes(origins_.size());
  message->set_exponent(exponent_);
}

void GradientValues::FillChunk(std::uint64_t offset, v1::Chunk* chunk) const {
  std::string* data = chunk->mutable_data();
  data->resize(static_cast<std::size_t>(std::min(kMaxChunkBytes, bytes() - offset)));
  const auto begin = static_cast<std::size_t>(offset);
  const std::size_t of_origins =
      begin < origins_.size() ? std::min(origins_.size() - begin, data->size()) : std::size_t{0};
  if (of_origins > 0) std::memcpy(data->data(), origins_.data() + begin, of_origins);
  if (of_origins < data->size()) {
    std::memcpy(data->data() + of_origins, values_.data() + (begin + of_origins - origins_.size()),
                data->size() - of_origins);
  }
  chunk->set_offset(offset);
  chunk->set_crc32c(Crc32c(data->data(), data->size()));
}

}  // namespace dvren::server
