// Checksums: SHA-256 of what is kept, CRC-32C of what is in flight; and random identifiers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace dvren::server {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void Update(const void* data, std::size_t size);
  // 32 bytes. The object is spent.
  [[nodiscard]] std::string Finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

[[nodiscard]] std::string Sha256Of(const void* data, std::size_t size);

// Castagnoli CRC, as iSCSI and google's storage use it: "123456789" gives 0xE3069283.
[[nodiscard]] std::uint32_t Crc32c(const void* data, std::size_t size);

// 128 random bits as 32 hexadecimal digits.
[[nodiscard]] std::string RandomId();

}  // namespace dvren::server
