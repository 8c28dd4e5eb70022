// The devices that the configuration names, opened.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "dvren/core/device.h"

namespace dvren::server {

// "auto" is every GPU, or the CPU on a machine (or in a build) without; "cuda:all" is every GPU, and an error without.
// A device named twice, as by auto and by name, is opened once. The error of a device that is not there names it.
[[nodiscard]] absl::StatusOr<std::vector<std::shared_ptr<Device>>> OpenDevices(const std::vector<std::string>& ids,
                                                                               int threads);

}  // namespace dvren::server
