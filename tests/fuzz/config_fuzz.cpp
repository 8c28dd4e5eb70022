// libFuzzer: no bytes make ParseConfig crash, hang or leak; what it accepts prints and reads back to the same value.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

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
