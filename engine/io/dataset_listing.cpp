#include "dataset_listing.h"

#include <cmath>
#include <filesystem>
#include <numbers>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "dvren/io/atomic_file.h"
#include "printable.h"

namespace dvren::io {
namespace {

using Matrix = std::array<double, 9>;

// The transpose of the inverse times the determinant.
Matrix Cofactors(const Matrix& m) {
  Matrix c{};
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) {
      const int a = (i + 1) % 3, b = (i + 2) % 3, p = (j + 1) % 3, q = (j + 2) % 3;
      c[3 * i + j] = m[3 * a + p] * m[3 * b + q] - m[3 * a + q] * m[3 * b + p];
    }
  }
  return c;
}

double Determinant(const Matrix& m, const Matrix& cofactors) {
  return m[0] * cofactors[0] + m[1] * cofactors[1] + m[2] * cofactors[2];
}

absl::Status BadNumber(const ListedPhoto& photo, absl::string_view key, double value, absl::string_view remedy) {
  return absl::InvalidArgumentError(absl::StrCat(photo.where, ": ", key, " = ", value, ": ", remedy));
}

}  // namespace

absl::StatusOr<std::string> TidyPath(const std::string& path, const std::string& where) {
  const std::string shown = absl::StrCat(where, " = \"", Printable(path), "\"");
  if (!IsPrintable(path)) return absl::InvalidArgumentError(absl::StrCat(shown, ": must be printable UTF-8"));
  const bool drive = path.size() > 1 && path[1] == ':';
  if (!path.empty() && (path[0] == '/' || path[0] == '\\' || drive)) {
    return absl::PermissionDeniedError(absl::StrCat(shown, ": must be a path below the dataset's folder"));
  }
  std::vector<absl::string_view> parts;
  for (const absl::string_view part : absl::StrSplit(path, absl::ByAnyChar("/\\"))) {
    if (part == "..") {
      return absl::PermissionDeniedError(
          absl::StrCat(shown, ": must be a path below the dataset's folder, without .."));
    }
    if (!part.empty() && part != ".") parts.push_back(part);
  }
  if (parts.empty()) return absl::InvalidArgumentError(absl::StrCat(shown, ": must name an image"));
  return absl::StrJoin(parts, "/");
}

absl::StatusOr<std::string> ResolveBelow(const std::string& folder, const std::string& name) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path base(folder), real = fs::canonical(base / name, error);
  if (error) return FileError(name, "read", error.value());
  const auto [end, ignored] = std::mismatch(base.begin(), base.end(), real.begin(), real.end());
  if (end != base.end()) {
    return absl::PermissionDeniedError(
        absl::StrCat(name, ": is a symbolic link out of the dataset's folder: copy the file into it"));
  }
  return real.string();
}

absl::StatusOr<Matrix> NearestRotation(const Matrix& matrix, const std::string& where, double* error) {
  Matrix rotation = matrix, cofactors = Cofactors(rotation);
  double determinant = Determinant(rotation, cofactors);
  if (determinant < 0) {
    return absl::InvalidArgumentError(absl::StrCat(where, ": is a reflection, determinant ", determinant,
                                                   ": must be a rotation; one axis has the wrong sign"));
  }
  double worst = 0;
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) {
      double dot = i == j ? -1.0 : 0.0;
      for (int k = 0; k < 3; ++k) dot += matrix[3 * k + i] * matrix[3 * k + j];
      worst = std::max(worst, std::abs(dot));
    }
  }
  if (!(worst <= 1e-3)) {
    return absl::InvalidArgumentError(absl::StrCat(where, ": is no rotation, R^T R differs from 1 by ", worst,
                                                   ": at most 0.001 is taken for rounding; leave scale and shear out"));
  }
  *error = std::max(*error, worst);
  // Newton's iteration for the orthogonal polar factor, Higham 1986: R <- (R + R^-T) / 2. From 1e-3 it squares the
  // error in each step.
  for (int step = 0; step < 4; ++step) {
    for (int i = 0; i < 9; ++i) rotation[i] = 0.5 * (rotation[i] + cofactors[i] / determinant);
    cofactors = Cofactors(rotation);
    determinant = Determinant(rotation, cofactors);
  }
  return rotation;
}

absl::Status CheckListedPhoto(const ListedPhoto& photo) {
  for (const auto& [key, value] : {std::pair{"fx", photo.fx}, std::pair{"fy", photo.fy}}) {
    if (value && !(*value > 0 && std::isfinite(*value))) {
      return BadNumber(photo, key, *value, "must be a focal length in pixels, > 0");
    }
  }
  for (const auto& [key, value] : {std::pair{"cx", photo.cx}, std::pair{"cy", photo.cy}}) {
    if (value && !std::isfinite(*value)) return BadNumber(photo, key, *value, "must be a finite number of pixels");
  }
  for (const auto& [key, value] :
       {std::pair{"camera_angle_x", photo.angle_x}, std::pair{"camera_angle_y", photo.angle_y}}) {
    if (value && !(*value > 0 && *value < std::numbers::pi)) {
      return BadNumber(photo, key, *value, "must be an angle in radians between 0 and pi");
    }
  }
  for (const double value : photo.distortion) {
    if (!std::isfinite(value)) return BadNumber(photo, "distortion", value, "must be finite numbers");
  }
  for (const double value : photo.camera_to_world.m) {
    if (!std::isfinite(value)) return BadNumber(photo, "pose", value, "must be finite numbers");
  }
  return absl::OkStatus();
}

}  // namespace dvren::io
