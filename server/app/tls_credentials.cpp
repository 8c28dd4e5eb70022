#include "server/app/tls_credentials.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <fstream>
#include <sstream>
#include <string>

#include "dvren/core/status.h"

namespace dvren::server {
namespace {

template <class T, void (*kFree)(T*)>
struct Free {
  void operator()(T* object) const { kFree(object); }
};
using CertificatePtr = std::unique_ptr<X509, Free<X509, X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY, EVP_PKEY_free>>;
struct FreeBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};

std::unique_ptr<BIO, FreeBio> BioOf(const std::string& text) {
  return std::unique_ptr<BIO, FreeBio>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

CertificatePtr CertificateOf(const std::string& pem) {
  return CertificatePtr(PEM_read_bio_X509(BioOf(pem).get(), nullptr, nullptr, nullptr));
}

// Without this OpenSSL asks for a passphrase on the terminal.
int NoPassphrase(char*, int, int, void*) {
  return 0;
}

KeyPtr KeyOf(const std::string& pem) {
  return KeyPtr(PEM_read_bio_PrivateKey(BioOf(pem).get(), nullptr, NoPassphrase, nullptr));
}

absl::StatusOr<std::string> ReadFile(const char* key, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) return InvalidField(key, path, "cannot be read; give a readable PEM file");
  return text.str();
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeTlsCredentials(const TlsConfig& tls) {
  grpc::SslServerCredentialsOptions::PemKeyCertPair pair;
  DVREN_ASSIGN_OR_RETURN(pair.cert_chain, ReadFile("tls.cert", tls.cert));
  DVREN_ASSIGN_OR_RETURN(pair.private_key, ReadFile("tls.key", tls.key));
  const CertificatePtr certificate = CertificateOf(pair.cert_chain);
  if (certificate == nullptr) return InvalidField("tls.cert", tls.cert, "holds no PEM certificate");
  const KeyPtr key = KeyOf(pair.private_key);
  if (key == nullptr) return InvalidField("tls.key", tls.key, "holds no PEM private key without passphrase");
  if (X509_check_private_key(certificate.get(), key.get()) != 1) {
    return InvalidField("tls.key", tls.key, absl::StrCat("is not the key of tls.cert = ", tls.cert));
  }
  grpc::SslServerCredentialsOptions options(tls.client_ca.empty()
                                                ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                                                : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  if (!tls.client_ca.empty()) {
    DVREN_ASSIGN_OR_RETURN(options.pem_root_certs, ReadFile("tls.client_ca", tls.client_ca));
    if (CertificateOf(options.pem_root_certs) == nullptr) {
      return InvalidField("tls.client_ca", tls.client_ca, "holds no PEM certificate");
    }
  }
  options.pem_key_cert_pairs.push_back(std::move(pair));
  return grpc::SslServerCredentials(options);
}

}  // namespace dvren::server
