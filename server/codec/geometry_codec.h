// Vectors, affine maps, boxes and rectangles on the wire. `path` is the proto field that an error names.
#pragma once

#include <string>

#include "dvren/core/geometry.h"
#include "dvren/core/status.h"
#include "dvren/plan/plan.h"
#include "dvren/v1/common.pb.h"

namespace dvren::server {

// INVALID_ARGUMENT for anything but finite numbers.
[[nodiscard]] absl::StatusOr<Vec3> DecodeVec3(const v1::Vec3& message, const std::string& path);
// Twelve finite numbers whose 3x3 part can be inverted.
[[nodiscard]] absl::StatusOr<Affine> DecodeAffine(const v1::Affine& message, const std::string& path);
// max > min on every axis.
[[nodiscard]] absl::StatusOr<Box> DecodeBox(const v1::Box& message, const std::string& path);
// Lies within width x height and is not empty.
[[nodiscard]] absl::StatusOr<Roi> DecodeRoi(const v1::Roi& message, int width, int height, const std::string& path);

void EncodeVec3(const Vec3& value, v1::Vec3* message);
void EncodeAffine(const Affine& value, v1::Affine* message);
void EncodeBox(const Box& value, v1::Box* message);
void EncodeRoi(const Roi& value, v1::Roi* message);

}  // namespace dvren::server
