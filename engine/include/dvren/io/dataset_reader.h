// Datasets of photographs with cameras, from a folder. Formats, told apart by what the folder holds:
//   blender     transforms_train.json, _val, _test: NeRF's synthetic scenes; the files are the splits
//   transforms  transforms.json as instant-ngp and nerfstudio write it; splits by train_filenames, … or held out
//   colmap      cameras and images, .bin or .txt, in the folder, sparse/0 or sparse; photographs in images/, by name
// Images are PNG or JPEG, told apart by their first bytes. An EXIF orientation is not applied: cameras are calibrated
// on pixels as stored. Files are read below the dataset's folder only, symbolic links resolved.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dvren/io/dataset.h"

namespace dvren::io {

struct DatasetRequest {
  std::string path;             // a folder
  std::string split = "train";  // train, test, val, all
  int downscale = 1;            // 1, 2, 4, 8: means over squares of this edge, see ScaleDown
  bool skip_missing = false;    // leave out images whose file is not there, instead of an error
  // Without splits in the files: images 0, n, 2n, … as listed are "test", the others "train". 0: all are "train".
  int hold_out_every = 0;
  std::uint64_t max_bytes = std::uint64_t{16}
                            << 30;  // of all values as returned; also of one image while it is decoded
};

struct DatasetReport {
  std::string format;  // of the list above
  std::string split;
  std::int64_t images_listed = 0;    // of the split
  std::int64_t images = 0;           // read, or to be read
  std::vector<std::string> missing;  // files that are not there, left out
  struct Size {
    int width = 0, height = 0;  // after downscale
    std::int64_t images = 0;
  };
  std::vector<Size> sizes;     // in the order of their first image
  std::int64_t cameras = 0;    // different intrinsics
  int channels = 0;            // 3 or 4
  std::uint64_t bytes = 0;     // of all values
  Box camera_positions;        // bounds of the positions, world units
  double camera_distance = 0;  // mean distance of the cameras from the centre of `bounds`, world units
  // A guess for the field's box. Blender's scenes: -1.5 … 1.5. Else a cube around the point nearest to all optical axes
  // of all images listed in any split (least squares), half its edge the mean distance of the cameras from that point.
  Box bounds;
  double rotation_error = 0;       // largest entry of |R^T R - 1| as read; poses are projected to the nearest rotation
  std::vector<std::string> notes;  // what a user should know: what was left out or not used
};

// Lists, checks cameras and reads the headers of the images; no pixels.
// NOT_FOUND: no such folder, no images of this split, a missing image. INVALID_ARGUMENT: not a dataset, bad cameras or
// images, sizes that differ from those stated or cannot be divided, images of different channels. RESOURCE_EXHAUSTED:
// above max_bytes. PERMISSION_DENIED: a path that leads out of the dataset.
[[nodiscard]] absl::StatusOr<DatasetReport> InspectDataset(const DatasetRequest& request);

struct Dataset {
  PhotoSet photos;  // in the order of the files
  DatasetReport report;
};

// The same and the pixels, decoded on all processors.
[[nodiscard]] absl::StatusOr<Dataset> ReadDataset(const DatasetRequest& request);

// `factor` 1, 2, 4 or 8. Each value is the mean of a factor x factor square of premultiplied values, which is the
// repeated mean of 2 x 2, rounded once to the nearest integer (halves up). Focal lengths and centre are divided by
// `factor`: pixel centres lie at +0.5. INVALID_ARGUMENT for an edge that `factor` does not divide.
[[nodiscard]] absl::Status ScaleDown(int factor, Photo* photo);

}  // namespace dvren::io
