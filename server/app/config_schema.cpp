#include "server/app/config_schema.h"

#include <arpa/inet.h>

#include <algorithm>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/app/listen_address.h"
#include "server/app/queue_url.h"

namespace dvren::server {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kPiB = std::uint64_t{1} << 50;

// Of a SHA-256. A shorter text would be a token in the clear, which has no place in a file.
constexpr std::size_t kSha256HexDigits = 64;

std::string CheckAny(const std::string& value) {
  return value.find('\0') == std::string::npos ? "" : "must not contain a NUL";
}

std::string CheckListen(const std::string& value) {
  const absl::StatusOr<ListenAddress> address = ParseListenAddress(value);
  return address.ok() ? "" : std::string(address.status().message());
}

std::string CheckMetrics(const std::string& value) {
  if (value.empty()) return "";
  const absl::StatusOr<ListenAddress> address = ParseListenAddress(value);
  in_addr v4{};
  in6_addr v6{};
  if (address.ok() && !address->is_unix() &&
      (inet_pton(AF_INET, address->host.c_str(), &v4) == 1 || inet_pton(AF_INET6, address->host.c_str(), &v6) == 1)) {
    return "";
  }
  return "must be IP:port, such as 127.0.0.1:9551, or \"\" for none";
}

std::string CheckDevice(const std::string& value) {
  if (value == "auto" || value == "cpu" || value == "cuda:all") return "";
  const std::string index = absl::StartsWith(value, "cuda:") ? value.substr(5) : "";
  const bool number = !index.empty() && index.size() <= 3 &&
                      std::all_of(index.begin(), index.end(), [](char c) { return c >= '0' && c <= '9'; });
  return number ? "" : "must be auto, cpu, cuda:all or cuda:N, such as cuda:0";
}

std::string CheckFolder(const std::string& value) {
  return CheckAny(value).empty() && !value.empty() && value.front() == '/'
             ? ""
             : "must be an absolute path, such as /srv/volumes";
}

std::string CheckOptionalFolder(const std::string& value) {
  return value.empty() ? "" : CheckFolder(value);
}

std::string CheckTenant(const std::string& value) {
  const bool word = !value.empty() && value.size() <= 64 && std::all_of(value.begin(), value.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  });
  return word ? "" : "must be 1 to 64 letters, digits, '.', '_' or '-'";
}

std::string CheckSha256(const std::string& value) {
  const bool hex = value.size() == kSha256HexDigits && std::all_of(value.begin(), value.end(), [](char c) {
                     return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
                   });
  return hex ? "" : "must be 64 lowercase hex digits: printf %s \"$TOKEN\" | sha256sum";
}

absl::Status Wrong(const std::string& key, const std::string& value, const std::string& remedy) {
  return absl::InvalidArgumentError(absl::StrCat(key, " = ", value, ": ", remedy));
}

}  // namespace

void DescribeConfig(Config& config, ConfigVisitor& v) {
  v.TextList("listen", &config.listen, CheckListen);
  v.OptionalText("metrics", &config.metrics, CheckMetrics);
  v.Text("data_dir", &config.data_dir, CheckAny);
  v.TextList("devices", &config.devices, CheckDevice);
  v.Int("threads", &config.threads, 0, 1024);
  v.TextList("roots", &config.roots, CheckFolder);
  v.Section("limits", [&] {
    v.Int("max_queued", &config.limits.max_queued, 1, 1'000'000);
    v.Int("launch_rays", &config.limits.launch_rays, 0, 1 << 24);
    v.Bytes("max_upload_bytes", &config.limits.max_upload_bytes, 1, kPiB);
    v.Int("max_image_edge", &config.limits.max_image_edge, 1, 32768);
    v.Bytes("memory_bytes", &config.limits.memory_bytes, 0, kPiB);
    v.Bytes("max_message_bytes", &config.limits.max_message_bytes, 2 * kMiB, 64 * kMiB);
    v.Bytes("gradient_bytes", &config.limits.gradient_bytes, 1, kPiB);
  });
  v.Section("tapes", [&] {
    v.Bytes("max_bytes", &config.tapes.max_bytes, 1, kPiB);
    v.Bytes("max_tenant_bytes", &config.tapes.max_tenant_bytes, 1, kPiB);
    v.Int("lease_s", &config.tapes.lease_s, 1, 86400);
    v.Int("max_lease_s", &config.tapes.max_lease_s, 1, 86400);
  });
  v.Section("training", [&] {
    v.Int("max_sessions", &config.training.max_sessions, 1, 100'000);
    v.Bytes("max_bytes", &config.training.max_bytes, 1, kPiB);
    v.Bytes("max_tenant_bytes", &config.training.max_tenant_bytes, 1, kPiB);
    v.Int("session_idle_s", &config.training.session_idle_s, 1, 7 * 86400);
  });
  v.Section("jobs", [&] {
    v.Url("store", &config.jobs.store, CheckJobsStore);
    v.Int("max_running", &config.jobs.max_running, 0, 1000);
    v.Int("max_unfinished", &config.jobs.max_unfinished, 1, 100'000'000);
    v.Int("lease_s", &config.jobs.lease_s, 1, 86400);
    v.Int("retention_days", &config.jobs.retention_days, 1, 36500);
  });
  v.Section("store", [&] { v.Text("objects", &config.store.objects, CheckOptionalFolder); });
  v.Section("log", [&] {
    v.Level("level", &config.log.level);
    v.Text("file", &config.log.file, CheckAny);
  });
  v.Int("drain_grace_s", &config.drain_grace_s, 0, 86400);
  v.Flag("reflection", &config.reflection);
  v.Section("tls", [&] {
    v.Text("cert", &config.tls.cert, CheckAny);
    v.Text("key", &config.tls.key, CheckAny);
    v.Text("client_ca", &config.tls.client_ca, CheckAny);
  });
  v.Flag("insecure", &config.insecure);
  v.Section("auth", [&] {
    std::vector<AuthToken>& tokens = config.auth.tokens;
    v.SectionList(
        "tokens", tokens.size(), [&](std::size_t n) { tokens.resize(n); },
        [&](std::size_t i) {
          v.RequiredText("tenant", &tokens[i].tenant, CheckTenant);
          v.RequiredText("sha256", &tokens[i].sha256, CheckSha256);
        });
  });
  v.SectionList(
      "tenants", config.tenants.size(), [&](std::size_t n) { config.tenants.resize(n); },
      [&](std::size_t i) {
        v.RequiredText("tenant", &config.tenants[i].tenant, CheckTenant);
        v.Int("weight", &config.tenants[i].weight, 1, 1000);
      });
  v.Section("parse", [&] {
    v.Text("worker", &config.parse.worker, CheckAny);
    v.Bytes("memory_bytes", &config.parse.memory_bytes, 0, kPiB);
    v.Int("seconds", &config.parse.seconds, 1, 86400);
  });
}

absl::Status CheckTogether(const Config& config) {
  if (config.listen.empty())
    return Wrong("listen", "[]", "nobody could reach the daemon; give an address such as 127.0.0.1:50551");
  if (config.devices.empty()) return Wrong("devices", "[]", "nothing could render; give auto, cpu, cuda:all or cuda:N");
  if (std::set<std::string>(config.devices.begin(), config.devices.end()).size() != config.devices.size()) {
    return Wrong("devices", "with one twice", "name each device once");
  }
  if (config.tls.cert.empty() != config.tls.key.empty()) {
    return config.tls.key.empty() ? Wrong("tls.key", "\"\"", "tls.cert is given; give its private key too")
                                  : Wrong("tls.cert", "\"\"", "tls.key is given; give its certificate too");
  }
  if (!config.tls.client_ca.empty() && !config.tls.enabled()) {
    return Wrong("tls.client_ca", config.tls.client_ca, "needs tls.cert and tls.key as well");
  }
  if (IsQueueUrl(config.jobs.store) && config.store.objects.empty()) {
    return Wrong(
        "store.objects", "\"\"",
        "daemons that share a queue (jobs.store) share the files of its jobs as well; name a folder that all of "
        "them see, such as /srv/dvren/objects");
  }
  if (!IsQueueUrl(config.jobs.store) && !config.store.objects.empty()) {
    return Wrong("store.objects", config.store.objects,
                 "is for daemons that share a queue; give jobs.store = postgresql://… as well, or leave it out");
  }
  if (config.tapes.lease_s > config.tapes.max_lease_s) {
    return Wrong("tapes.lease_s", absl::StrCat(config.tapes.lease_s),
                 absl::StrCat("must be at most tapes.max_lease_s = ", config.tapes.max_lease_s));
  }
  if (config.parse.memory_bytes != 0 && config.parse.memory_bytes < 1024 * kMiB) {
    return Wrong("parse.memory_bytes", absl::StrCat(config.parse.memory_bytes),
                 "no file could be parsed within; give 1GiB or more, or 0 for what limits.max_upload_bytes needs");
  }
  std::set<std::string> hashes;
  for (std::size_t i = 0; i < config.auth.tokens.size(); ++i) {
    const AuthToken& token = config.auth.tokens[i];
    const std::string path = absl::StrCat("auth.tokens[", i, "]");
    if (!hashes.insert(token.sha256).second) {
      return Wrong(path + ".sha256", token.sha256.substr(0, 8) + "…", "given twice; one token belongs to one tenant");
    }
  }
  std::set<std::string> tenants;
  for (std::size_t i = 0; i < config.tenants.size(); ++i) {
    if (!tenants.insert(config.tenants[i].tenant).second) {
      return Wrong(absl::StrCat("tenants[", i, "].tenant"), config.tenants[i].tenant, "given twice; one entry each");
    }
  }
  for (const std::string& text : config.listen) {
    const absl::StatusOr<ListenAddress> address = ParseListenAddress(text);
    if (address.ok() && !address->is_loopback() && !config.tls.enabled() && !config.insecure) {
      return Wrong("listen", text,
                   "beyond loopback everybody could read and write; give tls.cert and tls.key, or say insecure: true "
                   "(--insecure) where the network is trusted");
    }
  }
  return absl::OkStatus();
}

const std::vector<std::string>& LogLevelNames() {
  static const std::vector<std::string> names{"debug", "info", "warn", "error"};
  return names;
}

const char* LogLevelName(LogLevel level) {
  return LogLevelNames()[static_cast<std::size_t>(level)].c_str();
}

}  // namespace dvren::server
