// Config: what dvrend is told by its YAML file and its flags. Typed and strict: an unknown key, a wrong type and a
// value out of range are errors that name line, key and remedy. Parsing is pure: no files, no environment, any bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace dvren::server {

inline constexpr char kDefaultMetricsAddress[] = "127.0.0.1:9551";

struct LimitsConfig {
  int launch_rays = 65536;  // of one launch that small ray requests share; 0: each alone
  int max_queued = 256;     // admitted and unfinished requests, over all devices
  std::uint64_t max_upload_bytes = std::uint64_t{8} << 30;  // one field's payload
  int max_image_edge = 8192;                                // pixels, at most kMaxImageEdge of the engine
  std::uint64_t memory_bytes = 0;  // of one device for fields; 0 = three quarters of its memory
  std::uint64_t max_message_bytes = std::uint64_t{4} << 20;  // one gRPC message, 2 … 64 MiB
  // Gradients of fields, dL/d(image) on its way in and copies on their way out, over all devices and callers.
  std::uint64_t gradient_bytes = std::uint64_t{8} << 30;
  friend bool operator==(const LimitsConfig&, const LimitsConfig&) = default;
};

// Tapes: what Forward keeps for Backward.
struct TapesConfig {
  std::uint64_t max_bytes = std::uint64_t{4} << 30;         // of all tapes
  std::uint64_t max_tenant_bytes = std::uint64_t{2} << 30;  // of one tenant's
  int lease_s = 300;       // how long one is kept after its last use, unless Forward says
  int max_lease_s = 3600;  // that Forward may ask for
  friend bool operator==(const TapesConfig&, const TapesConfig&) = default;
};

// Training sessions.
struct TrainingConfig {
  int max_sessions = 16;                                    // of all tenants
  std::uint64_t max_bytes = std::uint64_t{16} << 30;        // photographs, field and optimizer of all sessions
  std::uint64_t max_tenant_bytes = std::uint64_t{8} << 30;  // of one tenant's
  int session_idle_s = 3600;  // one that nobody uses for so long is saved as a checkpoint and closed
  friend bool operator==(const TrainingConfig&, const TrainingConfig&) = default;
};

// Durable jobs.
struct JobsConfig {
  std::string store = "sqlite";  // in data_dir; or postgresql://…: a queue that many daemons share
  int max_running = 4;           // jobs that this daemon runs at once, in turns on its devices
  int max_unfinished = 10'000;   // of one tenant, queued, paused and running; more are refused
  int lease_s = 30;              // a daemon that has not been heard of for so long has lost its jobs
  int retention_days = 30;       // then finished jobs are forgotten, and their files
  friend bool operator==(const JobsConfig&, const JobsConfig&) = default;
};

// What daemons of one queue share beside it.
struct StoreConfig {
  std::string objects;  // folder for the files of jobs; "" = in data_dir, where no other daemon looks
  friend bool operator==(const StoreConfig&, const StoreConfig&) = default;
};

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarn, kError };

struct LogConfig {
  LogLevel level = LogLevel::kInfo;
  std::string file;  // "" = stderr
  friend bool operator==(const LogConfig&, const LogConfig&) = default;
};

struct TlsConfig {
  std::string cert, key;  // PEM files; both or none
  std::string client_ca;  // PEM file; set: clients must show a certificate it signed
  [[nodiscard]] bool enabled() const { return !cert.empty(); }
  friend bool operator==(const TlsConfig&, const TlsConfig&) = default;
};

struct AuthToken {
  std::string tenant;
  std::string sha256;  // of the bearer token, 64 lowercase hex digits
  friend bool operator==(const AuthToken&, const AuthToken&) = default;
};

// What a tenant may have of what all share.
struct TenantShare {
  std::string tenant;
  int weight = 1;  // of device-seconds within a class of work: twice the weight gets twice the seconds
  friend bool operator==(const TenantShare&, const TenantShare&) = default;
};

struct AuthConfig {
  std::vector<AuthToken> tokens;  // none: everybody is the tenant "default"
  friend bool operator==(const AuthConfig&, const AuthConfig&) = default;
};

// How files of untrusted formats are parsed: in a subprocess with limits.
struct ParseLimitsConfig {
  std::string worker;              // program; "" = dvren-parse beside the daemon
  std::uint64_t memory_bytes = 0;  // address space of the subprocess; 0 = what limits.max_upload_bytes needs
  int seconds = 120;               // that one file may take
  friend bool operator==(const ParseLimitsConfig&, const ParseLimitsConfig&) = default;
};

struct Config {
  std::vector<std::string> listen{"127.0.0.1:50551"};  // host:port ([::1]:port for IPv6, port 0 = any) or unix:/path
  std::optional<std::string> metrics;        // host:port; "" = off; absent = kDefaultMetricsAddress where that is free
  std::string data_dir;                      // "" = $XDG_DATA_HOME/dvrend (see ResolveDefaults)
  std::vector<std::string> devices{"auto"};  // auto (all GPUs, or the CPU where there is none), cpu, cuda:all, cuda:N
  int threads = 0;                           // CPU workers; 0 = one per hardware thread
  std::vector<std::string> roots;  // absolute folders below which files and datasets may be read on the server
  LimitsConfig limits;
  TapesConfig tapes;
  TrainingConfig training;
  JobsConfig jobs;
  StoreConfig store;
  LogConfig log;
  int drain_grace_s = 30;  // how long admitted work may go on after SIGTERM
  bool reflection = true;
  TlsConfig tls;
  bool insecure = false;  // allow TCP beyond loopback without TLS
  AuthConfig auth;
  std::vector<TenantShare> tenants;  // others have a weight of 1
  ParseLimitsConfig parse;
  friend bool operator==(const Config&, const Config&) = default;
};

// One YAML document. INVALID_ARGUMENT `file:line: key = value: remedy`; an unknown key names the nearest known one.
// Anchors, aliases, duplicate keys, more than 256 KiB and more than 8 levels are refused.
[[nodiscard]] absl::StatusOr<Config> ParseConfig(const std::string& yaml, const std::string& file_name);

// The same rules for a whole configuration, flags included, and those that concern several keys: TLS beyond loopback, a
// certificate without its key. INVALID_ARGUMENT `key = value: remedy`.
[[nodiscard]] absl::Status ValidateConfig(const Config& config);

// The whole configuration as YAML that ParseConfig reads back to the same value, but for the password of jobs.store,
// which nothing shows; and as one line of JSON for the log, in which token hashes are shortened.
[[nodiscard]] std::string ConfigToYaml(const Config& config);
[[nodiscard]] std::string ConfigToJsonForLog(const Config& config);

[[nodiscard]] const char* LogLevelName(LogLevel level);

}  // namespace dvren::server
