#include "dvren/train/byte_codec.h"

namespace dvren {

// Not in the header: inlined, GCC 12 takes the growth of the vector for writes beyond its end.
void ByteSink::AppendBytes(const void* from, std::size_t count) {
  const auto* bytes = static_cast<const std::byte*>(from);
  bytes_.insert(bytes_.end(), bytes, bytes + count);
}

}  // namespace dvren
