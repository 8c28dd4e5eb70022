// What is wrong with dL/d(image), and how large it is.
#pragma once

#include "dvren/diff/backward.h"

namespace dvren::internal {

// Every image is absent, or of the tape's shape, precision and device; at least one is there.
[[nodiscard]] absl::Status CheckAdjointShapes(const Tape& tape, const ImageAdjoint& adjoint);
// The largest magnitude; INVALID_ARGUMENT naming image, pixel and value for a NaN or an infinity, with how many there
// are.
[[nodiscard]] absl::StatusOr<double> LargestOf(Stream& stream, const ImageAdjoint& adjoint);

}  // namespace dvren::internal
