// How a client reaches the daemon, and how long it waits.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

namespace dvren::client {

// PEM files. Any of them set turns TLS on; without `ca` the system's authorities are trusted.
struct TlsOptions {
  std::string ca;         // who signed the daemon's certificate
  std::string cert, key;  // this client's own, where the daemon asks for one; both or none
};

struct ConnectOptions {
  std::string token;  // sent as "authorization: Bearer <token>"; empty: none
  bool tls = false;   // TLS with the system's authorities
  TlsOptions tls_files;
  std::chrono::milliseconds connect_timeout{5000};  // how long Connect waits for the daemon to answer
  std::chrono::milliseconds call_timeout{0};        // deadline of a whole call, streams and resumes included; 0: none
};

// Called from the calling thread as a transfer or a render goes on; `done` grows up to `total`. Units: bytes or pixels.
using Progress = std::function<void(std::uint64_t done, std::uint64_t total)>;

}  // namespace dvren::client
