// COLMAP's sparse models: where they lie, and which of text and binary is read.
#include <filesystem>

#include "colmap_model.h"

namespace dvren::io {
namespace {

struct Place {
  std::string model;  // path below the dataset
  bool binary = true;
};

// As COLMAP does, binary files stand above text.
std::optional<Place> Find(const std::string& folder) {
  std::error_code ignored;
  for (const char* model : {"", "sparse/0", "sparse"}) {
    for (const bool binary : {true, false}) {
      const std::string extension = binary ? ".bin" : ".txt";
      const std::filesystem::path base = std::filesystem::path(folder) / model;
      if (std::filesystem::exists(base / ("cameras" + extension), ignored) &&
          std::filesystem::exists(base / ("images" + extension), ignored)) {
        return Place{model, binary};
      }
    }
  }
  return std::nullopt;
}

}  // namespace

bool IsColmapDataset(const std::string& folder) {
  return Find(folder).has_value();
}

absl::StatusOr<Listing> ListColmapDataset(const std::string& folder, const std::string&) {
  const std::optional<Place> place = Find(folder);
  if (!place) return absl::NotFoundError("sparse: the model is gone");
  Listing listing;
  listing.sort_by_name = true;  // COLMAP writes images in any order
  DVREN_RETURN_IF_ERROR((place->binary ? ReadColmapBinary : ReadColmapText)(folder, place->model, &listing));
  if (listing.photos.empty()) {
    const char* file = place->binary ? "images.bin" : "images.txt";
    return absl::InvalidArgumentError(
        absl::StrCat(place->model, place->model.empty() ? "" : "/", file, ": must hold at least one image"));
  }
  return listing;
}

}  // namespace dvren::io
