// dvrend's flags, and how they, the configuration file and the environment become one configuration.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "server/app/server.h"

namespace dvren::server {

struct CommandLine {
  std::string config_file;
  std::vector<std::string> listen, devices, roots;
  std::optional<std::string> metrics, data_dir, log_level, log_file;
  std::optional<int> threads, drain_grace_s;
  bool insecure = false;
  bool check_config = false, check_store = false;
  std::string ready_file;
};

// The flags, or the exit code when there is nothing left to do (--help, --version, a usage error, which it has
// printed).
[[nodiscard]] std::variant<CommandLine, int> ParseCommandLine(int argc, char** argv);

// Reads and parses the file, lets flags override it, fills in defaults from `environment` (HOME, XDG_DATA_HOME) and
// validates the whole.
[[nodiscard]] absl::StatusOr<ServerOptions> ResolveOptions(const CommandLine& flags,
                                                           const std::map<std::string, std::string>& environment);

}  // namespace dvren::server
