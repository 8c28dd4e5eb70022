// LoadedDataset: photographs that a training session or an evaluation uses, and what they count for.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "dvren/io/dataset.h"
#include "dvren/v1/training_service.pb.h"
#include "server/app/config.h"
#include "server/registries/byte_budget.h"

namespace dvren::server {

struct LoadedDataset {
  std::shared_ptr<const io::PhotoSet> photos;
  v1::DatasetReport report;
};

// Checks what a dataset's name says and makes it definite: its path resolved, below one of the roots. `path` is the
// proto field that errors name.
[[nodiscard]] absl::StatusOr<v1::DatasetSource> ResolveDataset(const v1::DatasetSource& source,
                                                               const std::vector<std::string>& roots,
                                                               const std::string& path);

// Reads a resolved dataset: seconds, on a thread that may block. At most `max_bytes` of photographs.
[[nodiscard]] absl::StatusOr<LoadedDataset> LoadDataset(const v1::DatasetSource& source, std::uint64_t max_bytes);

}  // namespace dvren::server
