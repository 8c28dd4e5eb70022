// instant-ngp's and nerfstudio's transforms.json.
#include <filesystem>

#include "dataset_listing.h"
#include "transforms_json.h"

namespace dvren::io {

namespace {
constexpr char kFile[] = "transforms.json";
}  // namespace

bool IsTransformsDataset(const std::string& folder) {
  std::error_code ignored;
  return std::filesystem::exists(folder + "/" + kFile, ignored);
}

absl::StatusOr<Listing> ListTransformsDataset(const std::string& folder, const std::string&) {
  Listing listing;
  DVREN_RETURN_IF_ERROR(ListTransformsJson(folder, kFile, "", &listing));
  return listing;
}

}  // namespace dvren::io
