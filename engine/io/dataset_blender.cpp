// NeRF's synthetic scenes: one file per split, camera_angle_x, PNG names without extension.
#include <filesystem>

#include "dataset_listing.h"
#include "transforms_json.h"

namespace dvren::io {
namespace {

bool Has(const std::string& folder, const char* split) {
  std::error_code ignored;
  return std::filesystem::exists(absl::StrCat(folder, "/transforms_", split, ".json"), ignored);
}

}  // namespace

bool IsBlenderDataset(const std::string& folder) {
  return Has(folder, "train") || Has(folder, "val") || Has(folder, "test");
}

absl::StatusOr<Listing> ListBlenderDataset(const std::string& folder, const std::string& split) {
  Listing listing;
  listing.bounds = Box{{-1.5, -1.5, -1.5}, {1.5, 1.5, 1.5}};  // the scenes are modelled to fit
  for (const char* name : {"train", "val", "test"}) {
    if (split != name && !(split == "all" && Has(folder, name))) continue;
    DVREN_RETURN_IF_ERROR(ListTransformsJson(folder, absl::StrCat("transforms_", name, ".json"), name, &listing));
  }
  return listing;
}

}  // namespace dvren::io
