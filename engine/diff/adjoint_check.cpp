#include "diff/adjoint_check.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "render/render_steps.h"

namespace dvren::internal {
namespace {

struct Named {
  const char* name;
  const Tensor* image;
  std::int64_t channels;
};

std::vector<Named> ImagesOf(const ImageAdjoint& a) {
  return {{"rgb", &a.rgb, 3},
          {"opacity", &a.opacity, 1},
          {"transmittance", &a.transmittance, 1},
          {"depth", &a.depth, 1},
          {"distortion", &a.distortion, 1}};
}

template <class T>
absl::StatusOr<double> LargestIn(const Named& image, const std::vector<T>& values) {
  double largest = 0;
  std::size_t bad = 0, first = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double v = std::abs(static_cast<double>(values[i]));
    if (!std::isfinite(v) && bad++ == 0) first = i;
    largest = std::max(largest, v);
  }
  if (bad == 0) return largest;
  const auto pixel = static_cast<std::int64_t>(first) / image.channels, width = image.image->shape()[1];
  return InvalidField(absl::StrCat("adjoint.", image.name, "[", pixel / width, "][", pixel % width, "]"),
                      static_cast<double>(values[first]),
                      absl::StrCat("must be finite; ", bad, " of ", values.size(),
                                   " values are not: look for a division by 0 in the loss"));
}

template <class T>
absl::StatusOr<double> LargestOn(Stream& stream, const Named& image) {
  std::vector<T> values(static_cast<std::size_t>(image.image->size()));
  DVREN_RETURN_IF_ERROR(image.image->CopyToHost(stream, values.data()));
  return LargestIn(image, values);
}

}  // namespace

absl::Status CheckAdjointShapes(const Tape& tape, const ImageAdjoint& adjoint) {
  bool any = false;
  const DType dtype = DTypeOf(tape.plan()->spec().precision);
  for (const Named& image : ImagesOf(adjoint)) {
    if (!image.image->defined()) continue;
    any = true;
    std::vector<std::int64_t> shape{tape.height(), tape.width()};
    if (image.channels > 1) shape.push_back(image.channels);
    if (image.image->shape() != shape) {
      std::string text;
      for (std::int64_t extent : image.image->shape()) absl::StrAppend(&text, text.empty() ? "" : " x ", extent);
      return InvalidField(
          absl::StrCat("adjoint.", image.name, ".shape"), text,
          absl::StrCat("must be the tape's, ", tape.height(), " x ", tape.width(), image.channels > 1 ? " x 3" : ""));
    }
    if (image.image->dtype() != dtype) {
      return InvalidField(absl::StrCat("adjoint.", image.name, ".dtype"), static_cast<int>(image.image->dtype()),
                          "must be of the tape's precision");
    }
  }
  if (adjoint.distortion.defined() && !tape.distortion().defined()) {
    return InvalidField("adjoint.distortion", "given", "the tape has none; ask the plan for kAovDistortion");
  }
  if (any) return absl::OkStatus();
  return InvalidField("adjoint", "empty", "must hold at least one of rgb, opacity, transmittance, depth, distortion");
}

absl::StatusOr<double> LargestOf(Stream& stream, const ImageAdjoint& adjoint) {
  double largest = 0;
  for (const Named& image : ImagesOf(adjoint)) {
    if (!image.image->defined()) continue;
    DVREN_ASSIGN_OR_RETURN(const double here, image.image->dtype() == DType::kF64 ? LargestOn<double>(stream, image)
                                                                                  : LargestOn<float>(stream, image));
    largest = std::max(largest, here);
  }
  return largest;
}

}  // namespace dvren::internal
