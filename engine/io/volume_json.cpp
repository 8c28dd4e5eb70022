#include "volume_json.h"

#include <nlohmann/json.hpp>

#include "dvren/io/check.h"
#include "dvren/io/nvdb.h"
#include "out_of_memory.h"

namespace dvren::io {
namespace {

using nlohmann::json;

// One line, whatever bytes a file's names hold.
std::string Line(const json& value) {
  return value.dump(-1, ' ', true, json::error_handler_t::replace);
}

template <class T, std::size_t kCount>
bool Numbers(const json& from, std::array<T, kCount>* to) {
  if (!from.is_array() || from.size() != kCount) return false;
  for (std::size_t i = 0; i < kCount; ++i) {
    if (!from[i].is_number()) return false;
    (*to)[i] = from[i].get<T>();
  }
  return true;
}

constexpr std::array<absl::string_view, 4> kActivations{"identity", "softplus", "exp", "trunc_exp"};

}  // namespace

absl::string_view ActivationName(Activation activation) {
  return kActivations[static_cast<std::size_t>(activation)];
}

std::optional<Activation> ActivationOfName(absl::string_view name) {
  for (std::size_t i = 0; i < kActivations.size(); ++i) {
    if (name == kActivations[i]) return static_cast<Activation>(i);
  }
  return std::nullopt;
}

std::string VolumeToJson(const Volume& volume) {
  json out;
  if (const auto* dense = std::get_if<DenseVolume>(&volume)) {
    const Box& box = dense->box;
    out = {{"kind", "dense"},
           {"bytes", dense->values.size()},
           {"shape", dense->shape},
           {"dtype", std::string(DTypeName(dense->dtype))},
           {"box", {box.min[0], box.min[1], box.min[2], box.max[0], box.max[1], box.max[2]}},
           {"local_to_world", dense->local_to_world.m},
           {"activation", std::string(ActivationName(dense->activation))}};
  } else {
    const auto& nano = std::get<NanoVdbVolume>(volume);
    out = {{"kind", "nanovdb"},
           {"bytes", nano.blob.size()},
           {"grid_name", nano.grid_name},
           {"index_to_world", nano.index_to_world.m},
           {"active_min", nano.active_min},
           {"active_max", nano.active_max},
           {"active_voxels", nano.active_voxels}};
  }
  return Line(out);
}

const Blob& PayloadOf(const Volume& volume) {
  if (const auto* dense = std::get_if<DenseVolume>(&volume)) return dense->values;
  return std::get<NanoVdbVolume>(volume).blob;
}

absl::StatusOr<Volume> VolumeFromJson(const std::string& text, Blob payload, const std::string& name) {
  const absl::Status garbled = absl::InternalError(absl::StrCat(name, ": the parser's answer cannot be read"));
  const json in = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!in.is_object() || !in.contains("kind") || !in["kind"].is_string()) return garbled;
  const auto kind = in["kind"].get<std::string>();
  if (kind == "nanovdb") {  // all that is to be known is in the buffer
    DVREN_ASSIGN_OR_RETURN(NanoVdbVolume volume, NanoVdbFromBlob(std::move(payload), name));
    return Volume(std::move(volume));
  }
  DenseVolume volume;
  std::array<double, 6> box{};
  if (kind != "dense" || !in.contains("shape") || !Numbers(in["shape"], &volume.shape) || !in.contains("box") ||
      !Numbers(in["box"], &box) || !in.contains("local_to_world") ||
      !Numbers(in["local_to_world"], &volume.local_to_world.m) || !in.contains("dtype") || !in["dtype"].is_string()) {
    return garbled;
  }
  const auto dtype = in["dtype"].get<std::string>();
  if (dtype != "f32" && dtype != "f16") return garbled;
  volume.dtype = dtype == "f32" ? DType::kF32 : DType::kF16;
  if (!in.contains("activation") || !in["activation"].is_string()) return garbled;
  const auto activation = ActivationOfName(in["activation"].get<std::string>());
  if (!activation) return garbled;
  volume.activation = *activation;
  volume.box = {{box[0], box[1], box[2]}, {box[3], box[4], box[5]}};
  volume.values = std::move(payload);
  DVREN_RETURN_IF_ERROR(CheckDense(volume, name));
  return Volume(std::move(volume));
}

std::string StatusToJson(const absl::Status& status) {
  json out = {{"code", absl::StatusCodeToString(status.code())}, {"message", std::string(status.message())}};
  if (IsOutOfMemory(status)) out["out_of_memory"] = true;
  return Line(out);
}

absl::Status StatusFromJson(const std::string& text) {
  const json in = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!in.is_object() || !in.contains("code") || !in["code"].is_string() || !in.contains("message") ||
      !in["message"].is_string()) {
    return absl::InternalError("the parser's answer cannot be read");
  }
  const auto message = in["message"].get<std::string>();
  if (in.contains("out_of_memory")) return OutOfMemory(message);
  const auto code = in["code"].get<std::string>();
  for (const absl::StatusCode known :
       {absl::StatusCode::kInvalidArgument, absl::StatusCode::kResourceExhausted, absl::StatusCode::kNotFound,
        absl::StatusCode::kPermissionDenied, absl::StatusCode::kFailedPrecondition, absl::StatusCode::kUnimplemented,
        absl::StatusCode::kDataLoss}) {
    if (code == absl::StatusCodeToString(known)) return absl::Status(known, message);
  }
  return absl::InternalError(message);
}

}  // namespace dvren::io
