// An ImportRequest with its defaults filled in and its contradictions refused. Internal to dvren::io.
#pragma once

#include <string>

#include "dvren/io/import.h"

namespace dvren::io {

struct ResolvedRequest {
  const ImportRequest* request = nullptr;  // outlives this
  std::string name;                        // what messages call the file
  FileFormat format = FileFormat::kUnspecified;
  FieldKind kind = FieldKind::kUnspecified;
};
[[nodiscard]] absl::StatusOr<ResolvedRequest> Resolve(const ImportRequest& request);

// box, local_to_world, interp, border and activation of an array.
void ApplyArrayOptions(const ImportRequest& request, DenseVolume* volume);

}  // namespace dvren::io
