// Stands in for the OpenVDB conversion, which is not what is fuzzed here.
#include "../../engine/io/nanovdb_tree.h"

namespace dvren::io {

absl::StatusOr<Blob> NanoVdbLevelSetToFog(const Blob&, absl::string_view) {
  return absl::UnimplementedError("no level sets in the fuzzer");
}

}  // namespace dvren::io
