// Where the cameras of a dataset stand and what they look at. Internal to dvren::io.
#pragma once

#include <span>

#include "dataset_listing.h"

namespace dvren::io {

// The cube that dvren/io/dataset_reader.h describes. Where the optical axes are parallel, or all cameras stand in one
// point, they do not meet: a cube around the cameras' mean position then, half its edge the largest distance of a
// camera from it, or 1; and a note says so.
[[nodiscard]] Box GuessBounds(std::span<const ListedPhoto> photos, std::vector<std::string>* notes);

[[nodiscard]] Vec3 PositionOf(const Affine& camera_to_world);
[[nodiscard]] double Distance(const Vec3& a, const Vec3& b);

}  // namespace dvren::io
