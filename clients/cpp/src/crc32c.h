// CRC32C (Castagnoli), the check of upload and download chunks: "123456789" gives 0xE3069283.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dvren::client {

[[nodiscard]] std::uint32_t Crc32c(const void* data, std::size_t bytes);

}  // namespace dvren::client
