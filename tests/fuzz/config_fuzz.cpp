// libFuzzer: no bytes make ParseConfig crash, hang or leak; what it accepts prints and reads back to the same value.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "fuzz_target.h"
#include "server/app/config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dvren::server;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<Config> config = ParseConfig(text, "fuzz.yaml");
  if (!config.ok()) {
    const absl::string_view message = config.status().message();
    if (message.empty() || message.find('\n') != absl::string_view::npos) std::abort();
    return 0;
  }
  (void)ValidateConfig(*config);
  (void)ConfigToJsonForLog(*config);
  const absl::StatusOr<Config> again = ParseConfig(ConfigToYaml(*config), "printed.yaml");
  if (!again.ok() || !(*again == *config)) std::abort();
  return 0;
}

std::vector<std::string> FuzzSeeds() {
  dvren::server::Config full;
  full.metrics = "127.0.0.1:9551";
  full.roots = {"/srv/a", "/srv/b"};
  full.auth.tokens = {{"alice", std::string(64, 'a')}, {"bob", std::string(64, 'b')}};
  return {dvren::server::ConfigToYaml(full),
          "listen: [127.0.0.1:1, \"[::1]:2\", unix:/x]\nlimits: {memory_bytes: 4GiB}\nlog:\n  level: debug\n",
          "threads: 1\n---\nthreads: 2\n",
          "a: &a [*a, *a]\n",
          "%YAML 1.2\n--- !!map\n? b\n: |\n  text\n...\n",
          "devices: [\"\\x63pu\", 'it''s']\ninsecure: true # why\n",
          std::string(64, '['),
          "{a: {a: {a: {a: {a: {a: {a: {a: {a: 1}}}}}}}}}\n"};
}
