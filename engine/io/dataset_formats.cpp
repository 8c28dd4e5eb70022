#include "dataset_listing.h"

namespace dvren::io {

std::span<const DatasetFormat> DatasetFormats() {
  static constexpr DatasetFormat kFormats[] = {
      {"blender", "transforms_train.json (_val, _test)", IsBlenderDataset, ListBlenderDataset},
      {"transforms", "transforms.json", IsTransformsDataset, ListTransformsDataset},
      {"colmap", "cameras and images (.bin, .txt) in the folder, sparse/0 or sparse", IsColmapDataset,
       ListColmapDataset},
  };
  return kFormats;
}

}  // namespace dvren::io
