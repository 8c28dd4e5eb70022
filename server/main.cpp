// dvrend: flags, then the server, nothing else.
#include <cstdio>
#include <cstdlib>

#include "server/app/command_line.h"
#include "server/app/exit_code.h"
#include "server/app/store_check.h"

int main(int argc, char** argv) {
  using namespace dvren::server;
  const std::variant<CommandLine, int> parsed = ParseCommandLine(argc, argv);
  if (const int* exit_code = std::get_if<int>(&parsed)) return *exit_code;
  const CommandLine& flags = std::get<CommandLine>(parsed);

  std::map<std::string, std::string> environment;
  for (const char* name : {"HOME", "XDG_DATA_HOME"}) {
    if (const char* value = std::getenv(name)) environment[name] = value;
  }
  const absl::StatusOr<ServerOptions> options = ResolveOptions(flags, environment);
  if (!options.ok()) {
    std::fprintf(stderr, "dvrend: %s\n", std::string(options.status().message()).c_str());
    return ExitCodeOf(options.status().code());
  }
  if (flags.check_config) {
    std::fputs(ConfigToYaml(options->config).c_str(), stdout);
    return 0;
  }
  if (flags.check_store) return CheckStore(options->config);
  return RunServer(*options);
}
