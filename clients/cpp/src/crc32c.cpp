#include "crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>

namespace dvren::client {

std::uint32_t Crc32c(const void* data, std::size_t bytes) {
  // ISA-L leaves the inversions before and after to its caller, takes an int for the length and a non-const pointer.
  constexpr std::size_t kPiece = std::size_t{1} << 30;
  auto* p = static_cast<unsigned char*>(const_cast<void*>(data));
  unsigned int crc = 0xFFFFFFFFu;
  while (bytes > 0) {
    const std::size_t n = std::min(bytes, kPiece);
    crc = crc32_iscsi(p, static_cast<int>(n), crc);
    p += n;
    bytes -= n;
  }
  return crc ^ 0xFFFFFFFFu;
}

}  // namespace dvren::client
