#include "server/registries/digest.h"

#include <isa-l/crc.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <stdexcept>

namespace dvren::server {

struct Sha256::Context {
  EVP_MD_CTX* evp = EVP_MD_CTX_new();
  ~Context() { EVP_MD_CTX_free(evp); }
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {
  if (context_->evp == nullptr || EVP_DigestInit_ex(context_->evp, EVP_sha256(), nullptr) != 1) {
    throw std::runtime_error("SHA-256 is not available in this OpenSSL");
  }
}

Sha256::~Sha256() = default;

void Sha256::Update(const void* data, std::size_t size) {
  EVP_DigestUpdate(context_->evp, data, size);
}

std::string Sha256::Finish() {
  std::string digest(32, '\0');
  unsigned size = 0;
  EVP_DigestFinal_ex(context_->evp, reinterpret_cast<unsigned char*>(digest.data()), &size);
  return digest;
}

std::string Sha256Of(const void* data, std::size_t size) {
  Sha256 hash;
  hash.Update(data, size);
  return hash.Finish();
}

std::uint32_t Crc32c(const void* data, std::size_t size) {
  // ISA-L takes an int length and leaves the initial and final inversion to the caller.
  constexpr std::size_t kStep = std::size_t{1} << 30;
  auto* bytes = static_cast<unsigned char*>(const_cast<void*>(data));
  std::uint32_t crc = ~std::uint32_t{0};
  while (size > 0) {
    const std::size_t step = std::min(size, kStep);
    crc = crc32_iscsi(bytes, static_cast<int>(step), crc);
    bytes += step;
    size -= step;
  }
  return ~crc;
}

std::string RandomId() {
  std::array<unsigned char, 16> bits{};
  if (RAND_bytes(bits.data(), static_cast<int>(bits.size())) != 1)
    throw std::runtime_error("no randomness from OpenSSL");
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string id;
  for (const unsigned char byte : bits) {
    id.push_back(kDigits[byte >> 4]);
    id.push_back(kDigits[byte & 15]);
  }
  return id;
}

}  // namespace dvren::server
