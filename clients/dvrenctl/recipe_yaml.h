// Recipe files: YAML whose keys are those of dvren.v1.RecipeFile and of its Recipe, beside each other. Strict: an
// unknown key names the nearest known one. Errors are INVALID_ARGUMENT `file:line: key = value: remedy`.
#pragma once

#include <google/protobuf/message.h>

#include <span>
#include <string>
#include <vector>

#include "dvren/core/status.h"
#include "dvren/v1/training_service.pb.h"

namespace dvren::ctl {

// The file with all that it `extends` (a path relative to its own folder; cycles are refused), then each of `sets`
// ("optimizer.beta1=0.9", "stages.0.rays=4096"; values are YAML). What is given later wins; a list replaces the one
// before, a map is merged into it.
[[nodiscard]] absl::StatusOr<v1::RecipeFile> ReadRecipe(const std::string& path, std::span<const std::string> sets);

// One "key.sub=value".
[[nodiscard]] absl::Status SetRecipeKey(const std::string& assignment, v1::RecipeFile* recipe);

// The dataset's path as the daemon is asked for it: ${DVREN_DATA} is $DVREN_DATA or ../shared/data, and what is
// relative is so to the current directory.
[[nodiscard]] absl::StatusOr<std::string> DatasetPath(const std::string& path);

}  // namespace dvren::ctl
