#include "server/services/dataset_loading.h"

#include <exception>
#include <new>
#include <utility>

#include "dvren/io/dataset_reader.h"
#include "dvren/train/synthetic_photos.h"
#include "server/codec/training_codec.h"
#include "server/services/allowed_path.h"

namespace dvren::server {

absl::StatusOr<v1::DatasetSource> ResolveDataset(const v1::DatasetSource& source, const std::vector<std::string>& roots,
                                                 const std::string& path) {
  DVREN_RETURN_IF_ERROR(CheckDatasetSource(source, path));
  v1::DatasetSource resolved = source;
  if (!source.path().empty()) {
    DVREN_ASSIGN_OR_RETURN(*resolved.mutable_path(), ResolveAllowedFolder(path + ".path", source.path(), roots));
  }
  return resolved;
}

absl::StatusOr<LoadedDataset> LoadDataset(const v1::DatasetSource& source, std::uint64_t max_bytes) {
  io::DatasetRequest request = DecodeDatasetSource(source);
  request.path = source.path();
  request.max_bytes = max_bytes;
  try {
    DVREN_ASSIGN_OR_RETURN(io::Dataset dataset,
                           source.synthetic().empty() ? io::ReadDataset(request) : MakeGaussianPhotos(request));
    LoadedDataset loaded;
    loaded.report = EncodeDatasetReport(dataset.report);
    loaded.photos = std::make_shared<const io::PhotoSet>(std::move(dataset.photos));
    return loaded;
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(
        "dataset: no host memory left for the photographs; scale them down, or retry later");
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("dataset: ", error.what()));
  }
}

}  // namespace dvren::server
