// What a file is and what it is turned into, on the wire.
#pragma once

#include <string>

#include "dvren/io/import.h"
#include "dvren/v1/field_service.pb.h"

namespace dvren::server {

// All of an import but the file, its limits and how it is cancelled. `source` gives the format where the options do
// not.
[[nodiscard]] absl::StatusOr<io::ImportRequest> DecodeImportOptions(const v1::ImportOptions& options,
                                                                    const std::string& source);

}  // namespace dvren::server
