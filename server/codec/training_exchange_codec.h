// What a training session takes and gives besides steps: rays of the caller's own, cameras of photographs, gradients.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "dvren/io/dataset.h"
#include "dvren/train/trainer.h"
#include "dvren/v1/training_service.pb.h"

namespace dvren::server {

// In one message.
inline constexpr std::int64_t kMaxTrainingRays = 65536;

// Checks dtypes, shapes, the number of rays and that all numbers are finite; the batch points into `message`.
[[nodiscard]] absl::StatusOr<TrainingBatch> DecodeTrainingRays(const v1::TrainingRays& message);

// The camera of a photograph as it is stored, from one that was scaled down by `factor`, and back.
void EncodePhotoCamera(const io::Photo& photo, const io::PhotoCamera& camera, int factor, v1::PhotoCamera* message);
// One for each of `photos`, in their order. INVALID_ARGUMENT names the camera that does not fit its photograph.
[[nodiscard]] absl::StatusOr<std::vector<io::PhotoCamera>> DecodePhotoCameras(
    const google::protobuf::RepeatedPtrField<v1::PhotoCamera>& messages, const io::PhotoSet& photos, int factor);

// Four extents, each >= 1, of an array whose elements can be counted.
[[nodiscard]] absl::StatusOr<std::array<std::int64_t, 4>> DecodeGridShape(
    const google::protobuf::RepeatedField<std::int64_t>& shape, const std::string& path);

}  // namespace dvren::server
