// dL/d(image) on the wire: AdjointImage puts it together from tiles, in any order, and checks every value on its way
// in.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dvren/diff/backward.h"
#include "dvren/plan/plan.h"
#include "dvren/v1/render_service.pb.h"
#include "server/codec/tensor_codec.h"

namespace dvren::server {

class AdjointImage {
 public:
  // Of the pixels that tiles must cover.
  AdjointImage(const Roi& roi, Precision precision) : roi_(roi), precision_(precision) {}

  // Host memory that the images of these AOVs take, and the note of which pixels have come.
  [[nodiscard]] static absl::StatusOr<std::uint64_t> BytesFor(const v1::RenderTile& tile, const Roi& roi,
                                                              Precision precision);
  // INVALID_ARGUMENT for a tile beyond the image or over another one, another shape or dtype, other AOVs than the first
  // tile's, an AOV that has no gradient, and values that are not finite: with image, pixel and value. After an error
  // the image is of no use.
  [[nodiscard]] absl::Status Add(const v1::RenderTile& tile);
  // INVALID_ARGUMENT naming the first pixel that no tile has covered.
  [[nodiscard]] absl::Status CheckComplete() const;
  // Points into this object.
  [[nodiscard]] HostImageAdjoint view() const;

 private:
  struct Plane {
    AovChannel channel;
    std::string elements;
  };
  [[nodiscard]] absl::Status TakeAovs(const v1::RenderTile& tile);
  [[nodiscard]] absl::Status Cover(const Roi& tile);
  [[nodiscard]] absl::Status Copy(const v1::AovTensor& image, const Roi& tile, Plane& plane) const;

  const Roi roi_;
  const Precision precision_;
  std::vector<Plane> planes_;          // of the first tile's AOVs
  std::vector<std::uint8_t> covered_;  // of the ROI's pixels, row by row
  std::int64_t covered_count_ = 0;
};

// dL/d(images) of a batch of rays: RGB (N, 3), others (N). The same checks; the answer points into `images`.
[[nodiscard]] absl::StatusOr<HostImageAdjoint> DecodeRayAdjoints(
    const google::protobuf::RepeatedPtrField<v1::AovTensor>& images, std::int64_t count, Precision precision);

}  // namespace dvren::server
