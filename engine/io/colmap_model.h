// COLMAP's camera models and poses, whichever file they come from. Internal to dvren::io.
#pragma once

#include <cstdint>
#include <map>

#include "dataset_listing.h"

namespace dvren::io {

struct ColmapCamera {
  PhotoCamera::Model model = PhotoCamera::Model::kPinhole;
  int width = 0, height = 0;
  double fx = 0, fy = 0, cx = 0, cy = 0;
  std::array<double, 5> distortion{};
};
using ColmapCameras = std::map<std::uint32_t, ColmapCamera>;

// A camera of images.txt or images.bin.
struct ColmapImage {
  std::array<double, 4> rotation{};  // quaternion w, x, y, z: world to camera
  Vec3 translation{};                // of the same
  std::uint32_t camera_id = 0;
  std::string name;  // below images/
};

// Number of parameters. INVALID_ARGUMENT names models that are not supported and lists those that are.
[[nodiscard]] absl::StatusOr<std::size_t> ColmapParameters(const std::string& model, const std::string& where);
// The model's name by its number in cameras.bin; "" for a number that COLMAP has not given out.
[[nodiscard]] std::string ColmapModelName(std::int32_t id);

// Adds a camera. INVALID_ARGUMENT for sizes, parameters and numbers that do not do. `where` is "cameras.txt: line 3".
[[nodiscard]] absl::Status AddColmapCamera(const std::string& where, std::uint32_t id, const std::string& model,
                                           std::uint64_t width, std::uint64_t height,
                                           std::span<const double> parameters, ColmapCameras* cameras);

[[nodiscard]] absl::Status AddColmapImage(const std::string& where, const ColmapImage& image,
                                          const ColmapCameras& cameras, Listing* listing);

// `folder` is the dataset's, `model` a path below it ("" or "sparse/0"); messages start with the file's path below
// `folder`.
[[nodiscard]] absl::Status ReadColmapText(const std::string& folder, const std::string& model, Listing* listing);
[[nodiscard]] absl::Status ReadColmapBinary(const std::string& folder, const std::string& model, Listing* listing);

}  // namespace dvren::io
