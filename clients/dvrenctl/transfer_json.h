// Transfer functions: {"density": [d0, d1, …], "rgb": [[r, g, b], …]}, densities ascending, one colour per density.
#pragma once

#include <string>

#include "dvren/core/status.h"
#include "dvren/v1/scene.pb.h"

namespace dvren::ctl {

[[nodiscard]] absl::StatusOr<v1::TransferFunction> ParseTransferJson(const std::string& text, const std::string& file);
[[nodiscard]] absl::StatusOr<v1::TransferFunction> ReadTransferJson(const std::string& path);

}  // namespace dvren::ctl
