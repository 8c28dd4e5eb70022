#include "server/codec/geometry_codec.h"

#include <algorithm>
#include <cmath>

namespace dvren::server {

absl::StatusOr<Vec3> DecodeVec3(const v1::Vec3& message, const std::string& path) {
  const Vec3 value{message.x(), message.y(), message.z()};
  static constexpr const char* kAxis[] = {".x", ".y", ".z"};
  for (int i = 0; i < 3; ++i) {
    if (!std::isfinite(value[i])) return InvalidField(path + kAxis[i], value[i], "must be finite");
  }
  return value;
}

absl::StatusOr<Affine> DecodeAffine(const v1::Affine& message, const std::string& path) {
  if (message.m_size() != 12) {
    return InvalidField(path + ".m", absl::StrCat(message.m_size(), " numbers"),
                        "must hold 12, a row-major 3x4 matrix");
  }
  Affine value;
  for (int i = 0; i < 12; ++i) {
    value.m[i] = message.m(i);
    if (!std::isfinite(value.m[i]))
      return InvalidField(absl::StrCat(path, ".m[", i, "]"), value.m[i], "must be finite");
  }
  const auto& m = value.m;
  const double det =
      m[0] * (m[5] * m[10] - m[6] * m[9]) - m[1] * (m[4] * m[10] - m[6] * m[8]) + m[2] * (m[4] * m[9] - m[5] * m[8]);
  double scale = 0;
  for (int i = 0; i < 3; ++i) scale = std::max(scale, std::hypot(m[4 * i], m[4 * i + 1], m[4 * i + 2]));
  // Relative, so that a map in metres and one in kilometres are judged alike.
  if (!(std::abs(det) > 1e-12 * scale * scale * scale)) {
    return InvalidField(path + ".m", absl::StrCat("a 3x3 part of determinant ", det), "must be invertible");
  }
  return value;
}

absl::StatusOr<Box> DecodeBox(const v1::Box& message, const std::string& path) {
  Box box;
  DVREN_ASSIGN_OR_RETURN(box.min, DecodeVec3(message.min(), path + ".min"));
  DVREN_ASSIGN_OR_RETURN(box.max, DecodeVec3(message.max(), path + ".max"));
  static constexpr const char* kAxis[] = {".x", ".y", ".z"};
  for (int i = 0; i < 3; ++i) {
    if (!(box.max[i] > box.min[i])) {
      return InvalidField(absl::StrCat(path, ".max", kAxis[i]), box.max[i],
                          absl::StrCat("must be > min", kAxis[i], " = ", box.min[i]));
    }
  }
  return box;
}

absl::StatusOr<Roi> DecodeRoi(const v1::Roi& message, int width, int height, const std::string& path) {
  if (message.width() <= 0) return InvalidField(path + ".width", message.width(), "must be > 0");
  if (message.height() <= 0) return InvalidField(path + ".height", message.height(), "must be > 0");
  if (message.x() < 0 || message.x() > width - message.width()) {
    return InvalidField(path + ".x", message.x(),
                        absl::StrCat("x .. x+width must lie within the image's ", width, " pixels"));
  }
  if (message.y() < 0 || message.y() > height - message.height()) {
    return InvalidField(path + ".y", message.y(),
                        absl::StrCat("y .. y+height must lie within the image's ", height, " pixels"));
  }
  return Roi{message.x(), message.y(), message.width(), message.height()};
}

void EncodeVec3(const Vec3& value, v1::Vec3* message) {
  message->set_x(value[0]);
  message->set_y(value[1]);
  message->set_z(value[2]);
}

void EncodeAffine(const Affine& value, v1::Affine* message) {
  message->mutable_m()->Assign(value.m.begin(), value.m.end());
}

void EncodeBox(const Box& value, v1::Box* message) {
  EncodeVec3(value.min, message->mutable_min());
  EncodeVec3(value.max, message->mutable_max());
}

void EncodeRoi(const Roi& value, v1::Roi* message) {
  message->set_x(value.x);
  message->set_y(value.y);
  message->set_width(value.width);
  message->set_height(value.height);
}

}  // namespace dvren::server
