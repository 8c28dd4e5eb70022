#include "server/app/config.h"

#include <catch2/catch.hpp>

namespace dvren::server {
namespace {

Config Parsed(const std::string& yaml) {
  const absl::StatusOr<Config> config = ParseConfig(yaml, "dvrend.yaml");
  INFO(config.status().message());
  REQUIRE(config.ok());
  return *config;
}

std::string ErrorOf(const std::string& yaml) {
  const absl::StatusOr<Config> config = ParseConfig(yaml, "dvrend.yaml");
  REQUIRE_FALSE(config.ok());
  CHECK(config.status().code() == absl::StatusCode::kInvalidArgument);
  const std::string message(config.status().message());
  CHECK(message.find('\n') == std::string::npos);
  return message;
}

std::string ErrorTogether(Config config) {
  const absl::Status status = ValidateConfig(config);
  REQUIRE_FALSE(status.ok());
  return std::string(status.message());
}

TEST_CASE("An empty file is the default configuration") {
  CHECK(Parsed("") == Config{});
  CHECK(Parsed("# nothing but a comment\n") == Config{});
  CHECK(Parsed("limits:\nlog:\n  # level: info\n") == Config{});
}

TEST_CASE("Every key of a full file arrives") {
  const Config config = Parsed(R"(
listen: [127.0.0.1:5000, "[::1]:5000", unix:/run/dvrend/socket]
metrics: 0.0.0.0:9000
data_dir: /var/lib/dvrend
devices: [cuda:0, cpu]
threads: 4
roots: [/srv/a, "/srv/b c"]
limits:
  max_queued: 7
  launch_rays: 512
  max_upload_bytes: 2GiB
  max_image_edge: 4096
  memory_bytes: 512 MiB
  max_message_bytes: 8388608
  gradient_bytes: 3GiB
tapes: {max_bytes: 2GiB, max_tenant_bytes: 1GiB, lease_s: 60, max_lease_s: 120}
training: {max_sessions: 3, max_bytes: 5GiB, max_tenant_bytes: 4GiB, session_idle_s: 90}
jobs: {store: "postgresql://u:p@db:5433/queue", max_running: 2, max_unfinished: 9, lease_s: 7, retention_days: 3}
store: {objects: /srv/objects}
log: {level: debug, file: /var/log/dvrend.log}
drain_grace_s: 5
reflection: false
tls: {cert: /c.pem, key: /k.pem, client_ca: /ca.pem}
insecure: true
auth:
  tokens:
    - tenant: alice
      sha256: 2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90
tenants:
  - {tenant: alice, weight: 4}
  - tenant: bob
parse: {worker: /usr/libexec/parse, memory_bytes: 1GiB, seconds: 9}
)");
  CHECK(config.listen == std::vector<std::string>{"127.0.0.1:5000", "[::1]:5000", "unix:/run/dvrend/socket"});
  CHECK(config.metrics == "0.0.0.0:9000");
  CHECK(config.data_dir == "/var/lib/dvrend");
  CHECK(config.devices == std::vector<std::string>{"cuda:0", "cpu"});
  CHECK(config.threads == 4);
  CHECK(config.roots == std::vector<std::string>{"/srv/a", "/srv/b c"});
  CHECK(config.limits.max_queued == 7);
  CHECK(config.limits.launch_rays == 512);
  CHECK(config.limits.max_upload_bytes == 2ull << 30);
  CHECK(config.limits.max_image_edge == 4096);
  CHECK(config.limits.memory_bytes == 512ull << 20);
  CHECK(config.limits.max_message_bytes == 8388608);
  CHECK(config.limits.gradient_bytes == 3ull << 30);
  CHECK(config.tapes == TapesConfig{2ull << 30, 1ull << 30, 60, 120});
  CHECK(config.training == TrainingConfig{3, 5ull << 30, 4ull << 30, 90});
  CHECK(config.jobs == JobsConfig{"postgresql://u:p@db:5433/queue", 2, 9, 7, 3});
  CHECK(config.store.objects == "/srv/objects");
  CHECK(config.log.level == LogLevel::kDebug);
  CHECK(config.log.file == "/var/log/dvrend.log");
  CHECK(config.drain_grace_s == 5);
  CHECK_FALSE(config.reflection);
  CHECK(config.tls.client_ca == "/ca.pem");
  CHECK(config.insecure);
  REQUIRE(config.auth.tokens.size() == 1);
  CHECK(config.auth.tokens[0].tenant == "alice");
  CHECK(config.tenants == std::vector<TenantShare>{{"alice", 4}, {"bob", 1}});
  CHECK(config.parse.worker == "/usr/libexec/parse");
  CHECK(config.parse.memory_bytes == 1ull << 30);
  CHECK(config.parse.seconds == 9);
  CHECK(ValidateConfig(config).ok());
}

TEST_CASE("An unknown key is named with its line and the nearest known key") {
  CHECK(ErrorOf("threads: 2\nlisen: []\n") == "dvrend.yaml:2: lisen: unknown key; did you mean listen?");
  CHECK(ErrorOf("limits:\n  max_queue: 3\n") ==
        "dvrend.yaml:2: limits.max_queue: unknown key; did you mean limits.max_queued?");
  CHECK(ErrorOf("auth:\n  tokens:\n    - tennant: a\n") ==
        "dvrend.yaml:3: auth.tokens[0].tennant: unknown key; did you mean auth.tokens[0].tenant?");
}

TEST_CASE("A wrong type or range names line, key, value and remedy") {
  CHECK(ErrorOf("threads: many\n") == "dvrend.yaml:1: threads = many: must be a whole number from 0 to 1024");
  CHECK(ErrorOf("threads: -1\n") == "dvrend.yaml:1: threads = -1: must be a whole number from 0 to 1024");
  CHECK(ErrorOf("threads: 4.5\n").find("whole number") != std::string::npos);
  CHECK(ErrorOf("threads: \"4\"\n").find("whole number") != std::string::npos);
  CHECK(ErrorOf("threads: 99999999999999999999\n").find("whole number") != std::string::npos);
  CHECK(ErrorOf("threads: [1]\n") == "dvrend.yaml:1: threads = a list: must be a single value");
  CHECK(ErrorOf("threads:\n") == "dvrend.yaml:1: threads = nothing: has no value; give one or remove the key");
  CHECK(ErrorOf("listen: 127.0.0.1:1\n").find("must be a list") != std::string::npos);
  CHECK(ErrorOf("listen:\n  - 127.0.0.1\n").find("dvrend.yaml:2: listen[0] = 127.0.0.1: must be host:port") == 0);
  CHECK(ErrorOf("listen: [\"x:70000\"]\n").find("65535") != std::string::npos);
  CHECK(ErrorOf("reflection: yes\n") == "dvrend.yaml:1: reflection = yes: must be true or false");
  CHECK(ErrorOf("log: {level: loud}\n") == "dvrend.yaml:1: log.level = loud: must be one of debug, info, warn, error");
  CHECK(ErrorOf("limits: 5\n") == "dvrend.yaml:1: limits = 5: must be a map of keys and values");
  CHECK(ErrorOf("limits: {max_message_bytes: 1}\n").find("from 2097152 to 67108864") != std::string::npos);
  CHECK(ErrorOf("limits: {memory_bytes: 99999999TiB}\n").find("number of bytes") != std::string::npos);
  CHECK(ErrorOf("devices: [gpu]\n").find("must be auto, cpu, cuda:all or cuda:N") != std::string::npos);
  CHECK(ErrorOf("roots: [srv]\n").find("must be an absolute path") != std::string::npos);
  CHECK(ErrorOf("metrics: unix:/x\n").find("must be IP:port") != std::string::npos);
  CHECK(ErrorOf("auth: {tokens: [{tenant: a, sha256: secret}]}\n").find("64 lowercase hex digits") !=
        std::string::npos);
  CHECK(
      ErrorOf("auth:\n  tokens:\n    - tenant: a\n").find("dvrend.yaml:3: auth.tokens[0].sha256 = nothing: must be") ==
      0);
  CHECK(ErrorOf("tenants: [{tenant: a, weight: 0}]\n").find("tenants[0].weight = 0: must be") != std::string::npos);
  CHECK(ErrorOf("auth: {tokens: [a]}\n").find("auth.tokens[0] = a: must be a map") != std::string::npos);
}

TEST_CASE("A file that is no configuration is refused with its line") {
  CHECK(ErrorOf("- a\n- b\n").find("must be a map") != std::string::npos);
  CHECK(ErrorOf("threads: 1\nthreads: 2\n") == "dvrend.yaml:2: threads: given twice; keep one");
  CHECK(ErrorOf("a: [\n").find("not YAML") != std::string::npos);
  CHECK(ErrorOf("threads: 1\n---\nthreads: 2\n").find("a second document") != std::string::npos);
  CHECK(ErrorOf("threads: !!int 3\n").find("tags are not used") != std::string::npos);
  CHECK(ErrorOf("\xFF\xFE").find("not UTF-8") != std::string::npos);
  CHECK(ErrorOf(std::string("a\n\0", 3)) == "dvrend.yaml:2: a control character; is this a text file?");
  CHECK(ErrorOf("{a: 1}: 2\n").find("a key must be a word") != std::string::npos);
  CHECK(ErrorOf(std::string(300 << 10, ' ')).find("larger than") != std::string::npos);
}

TEST_CASE("A forgotten quote does not swallow the keys after it") {
  CHECK(ErrorOf("data_dir: \"/abc\nthreads: 3\n").find("dvrend.yaml:1: a value that begins with \" must end") == 0);
  CHECK(ErrorOf("data_dir: '/abc\nthreads: 3\n").find("dvrend.yaml:1: a value that begins with ' must end") == 0);
  CHECK(ErrorOf("data_dir: \"a\\\"\n").find("must end with it") != std::string::npos);
  CHECK(Parsed("data_dir: 'it''s'\nthreads: 3\n").data_dir == "it's");
  CHECK(Parsed("\xEF\xBB\xBF"
               "data_dir: \"ü \\\" b\" # c\nthreads: 3\n")
            .data_dir == "ü \" b");
  CHECK(Parsed("roots: ['/ü', \"/b\", '/c']\n").roots.size() == 3);
}

TEST_CASE("An escape that is not UTF-8 is refused") {
  CHECK(ErrorOf("data_dir: \"a\\Nb\"\n").find("dvrend.yaml:1: an escape") == 0);
  CHECK(ErrorOf("data_dir: \"a\\_b\"\n").find("dvrend.yaml:1: an escape") == 0);
}

TEST_CASE("Nesting and aliases cannot blow up") {
  CHECK(ErrorOf(std::string(100000, '[')).find("nested deeper") != std::string::npos);
  CHECK(ErrorOf("a: &a [x, x]\nb: [*a, *a]\n").find("anchors are not used") != std::string::npos);
  CHECK(ErrorOf("a: *nobody\n").find("dvrend.yaml:1:") == 0);
  std::string many = "roots: [";
  for (int i = 0; i < 20000; ++i) many += "/a,";
  CHECK(ErrorOf(many + "]").find("more than") != std::string::npos);
}

TEST_CASE("A value in an error is one short line") {
  const std::string error = ErrorOf("threads: \"" + std::string(5000, 'x') + "\\n\"\n");
  CHECK(error.size() < 250);
}

TEST_CASE("TCP beyond loopback needs TLS or the word insecure") {
  Config config;
  config.listen = {"0.0.0.0:50551"};
  const std::string error = ErrorTogether(config);
  CHECK(error.find("listen = 0.0.0.0:50551") == 0);
  CHECK(error.find("insecure: true") != std::string::npos);
  config.insecure = true;
  CHECK(ValidateConfig(config).ok());
  config.insecure = false;
  config.tls.cert = config.tls.key = "/x.pem";
  CHECK(ValidateConfig(config).ok());
  config.tls = {};
  for (const char* address : {"127.0.0.1:1", "127.8.9.1:1", "[::1]:1", "localhost:1", "unix:/x"}) {
    config.listen = {address};
    CHECK(ValidateConfig(config).ok());
  }
  for (const char* address : {"[::]:1", "localhost.example:1", "10.0.0.1:1", "128.0.0.1:1"}) {
    config.listen = {address};
    CHECK_FALSE(ValidateConfig(config).ok());
  }
}

TEST_CASE("Keys that belong together are checked together") {
  Config config;
  config.tls.cert = "/c.pem";
  CHECK(ErrorTogether(config).find("tls.key") == 0);
  config = {};
  config.tls.client_ca = "/ca.pem";
  CHECK(ErrorTogether(config).find("tls.client_ca") == 0);
  config = {};
  config.listen.clear();
  CHECK(ErrorTogether(config).find("listen = []") == 0);
  config = {};
  config.parse.memory_bytes = 1000;
  CHECK(ErrorTogether(config).find("parse.memory_bytes = 1000") == 0);
  config = {};
  config.devices = {"cpu", "cpu"};
  CHECK(ErrorTogether(config).find("devices") == 0);
  config = {};
  config.auth.tokens = {{"a", std::string(64, '0')}, {"b", std::string(64, '0')}};
  CHECK(ErrorTogether(config).find("auth.tokens[1].sha256") == 0);
  config = {};
  config.auth.tokens = {};
  config.tenants = {{"a", 2}, {"b", 1}, {"a", 3}};
  CHECK(ErrorTogether(config) == "tenants[2].tenant = a: given twice; one entry each");
  config.tenants = {};
  config.auth.tokens = {{"a", ""}};
  CHECK_FALSE(ValidateConfig(config).ok());
}

TEST_CASE("Values from flags obey the same ranges as the file's") {
  Config config;
  config.threads = 5000;
  CHECK(ErrorTogether(config) == "threads = 5000: must be a whole number from 0 to 1024");
  config = {};
  config.listen = {"nonsense"};
  CHECK(ErrorTogether(config).find("listen = nonsense") == 0);
}

}  // namespace
}  // namespace dvren::server
