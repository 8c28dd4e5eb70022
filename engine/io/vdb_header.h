// The header and table of contents of an OpenVDB file, held against the file's length. OpenVDB itself reads on at the
// end of a file as if there were zeros, and hands out the part that was there. Internal to dvren::io.
#pragma once

#include "byte_reader.h"

namespace dvren::io {

// INVALID_ARGUMENT for what is no VDB or lies, wholly or in part, beyond the end. Files older than format 222 (2013)
// and such as were written to a pipe carry no positions; of those only the magic number is looked at.
[[nodiscard]] absl::Status CheckVdbHeader(ByteReader& file);

}  // namespace dvren::io
