#include "server/app/command_line.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "dvren/core/status.h"
#include "server/app/build_info.h"
#include "server/app/config_schema.h"
#include "server/app/yaml_tree.h"

namespace dvren::server {
namespace {

constexpr char kAbout[] =
    "dvrend, the dvren daemon: renders volumes for clients over gRPC.\n"
    "Flags override the configuration file; without either it serves this machine alone on 127.0.0.1:50551.";

constexpr char kExamples[] =
    "Examples:\n"
    "  dvrend                                       serve on 127.0.0.1:50551, keep fields in ~/.local/share/dvrend\n"
    "  dvrend --listen unix:/run/user/1000/dvrend   serve local programs of this user over a unix socket\n"
    "  dvrend --device cpu --threads 8              render on eight cores of the CPU\n"
    "  dvrend --root /srv/volumes                   let clients import files below that folder (--on-server)\n"
    "  dvrend --config dvrend.yaml --check-config   say what the daemon would run with, and what is wrong with it\n"
    "\n"
    "Signals: SIGTERM and SIGINT drain (drain_grace_s) and exit 0; a second one ends at once.\n"
    "Exit codes: 0 ok, 2 flags or configuration wrong, 3 not found, 4 permission, 6 address or data directory in use.\n"
    "Every key of the configuration is explained in configs/dvrend.yaml.";

absl::StatusOr<Config> ReadConfigFile(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error))
    return InvalidField("--config", path, "is a folder; give a YAML file");
  std::ifstream file(path, std::ios::binary);
  if (!file) return InvalidField("--config", path, "cannot be read; give a readable YAML file");
  // One byte more than allowed is enough to be refused.
  std::string text(kMaxYamlBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return ParseConfig(text, path);
}

std::string Absolute(const std::string& path) {
  return path.empty() ? path : std::filesystem::absolute(path).lexically_normal().string();
}

absl::StatusOr<std::string> DefaultDataDir(const std::map<std::string, std::string>& environment) {
  const auto variable = [&](const char* name) {
    const auto it = environment.find(name);
    return it == environment.end() ? std::string() : it->second;
  };
  const std::string xdg = variable("XDG_DATA_HOME"), home = variable("HOME");
  if (!xdg.empty()) return xdg + "/dvrend";
  if (!home.empty()) return home + "/.local/share/dvrend";
  return InvalidField("data_dir", "\"\"", "HOME is not set, so there is no default; give --data-dir");
}

}  // namespace

std::variant<CommandLine, int> ParseCommandLine(int argc, char** argv) {
  CommandLine flags;
  CLI::App app(kAbout, "dvrend");
  app.footer(kExamples);
  app.option_defaults()->delimiter('\0');
  app.add_option("--config", flags.config_file, "YAML configuration file")->type_name("FILE");
  app.add_option("--listen", flags.listen,
                 "address to serve on; repeat for several (127.0.0.1:50551). Port 0 takes a free one")
      ->type_name("HOST:PORT|unix:/PATH")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--metrics", flags.metrics,
                 "address of Prometheus metrics at /metrics (127.0.0.1:9551); \"\" for none")
      ->type_name("IP:PORT");
  app.add_option("--data-dir", flags.data_dir, "folder that keeps fields (~/.local/share/dvrend)")->type_name("DIR");
  app.add_option("--device", flags.devices, "what renders: auto, cpu, cuda:all or cuda:N; repeat for several (auto)")
      ->type_name("auto|cpu|cuda:all|cuda:N")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--threads", flags.threads, "CPU threads that render (0: one per hardware thread)")->type_name("N");
  app.add_option("--root", flags.roots,
                 "folder below which clients may import files of this machine; repeat for several")
      ->type_name("DIR")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--drain-grace", flags.drain_grace_s, "how long work may go on after SIGTERM (30)")
      ->type_name("SECONDS");
  app.add_option("--log-level", flags.log_level, "debug, info, warn or error (info)")->type_name("LEVEL");
  app.add_option("--log-file", flags.log_file, "append the log to a file instead of stderr")->type_name("FILE");
  app.add_flag("--insecure", flags.insecure, "allow addresses beyond loopback without TLS");
  app.add_option("--ready-file", flags.ready_file, "write the addresses there, one per line, once the daemon listens")
      ->type_name("FILE");
  app.add_flag("--check-config", flags.check_config, "print the effective configuration and exit (2 when it is wrong)");
  app.add_flag("--check-store", flags.check_store,
               "check the job queue and the files of jobs in the data folder and exit (1 when something is wrong)");
  const BuildInfo& build = GetBuildInfo();
  app.set_version_flag("--version", absl::StrCat("dvrend ", build.version, " (", build.commit, ", ", build.compiler,
                                                 build.cuda ? ", CUDA)" : ")"));
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& done) {
    return app.exit(done);
  } catch (const CLI::Error& error) {
    std::fprintf(stderr, "dvrend: %s; see dvrend --help\n", error.what());
    return 2;
  }
  return flags;
}

absl::StatusOr<ServerOptions> ResolveOptions(const CommandLine& flags,
                                             const std::map<std::string, std::string>& environment) {
  ServerOptions options;
  Config& config = options.config;
  if (!flags.config_file.empty()) {
    DVREN_ASSIGN_OR_RETURN(config, ReadConfigFile(flags.config_file));
  }
  if (!flags.listen.empty()) config.listen = flags.listen;
  if (flags.metrics) config.metrics = *flags.metrics;
  if (flags.data_dir) config.data_dir = *flags.data_dir;
  if (!flags.devices.empty()) config.devices = flags.devices;
  if (flags.threads) config.threads = *flags.threads;
  if (!flags.roots.empty()) config.roots = flags.roots;
  if (flags.drain_grace_s) config.drain_grace_s = *flags.drain_grace_s;
  if (flags.log_file) config.log.file = *flags.log_file;
  if (flags.insecure) config.insecure = true;
  if (flags.log_level) {
    const std::vector<std::string>& names = LogLevelNames();
    const auto it = std::find(names.begin(), names.end(), *flags.log_level);
    if (it == names.end()) return InvalidField("--log-level", *flags.log_level, "must be debug, info, warn or error");
    config.log.level = static_cast<LogLevel>(it - names.begin());
  }
  for (std::string& root : config.roots) root = Absolute(root);
  if (config.data_dir.empty()) {
    DVREN_ASSIGN_OR_RETURN(config.data_dir, DefaultDataDir(environment));
  }
  config.data_dir = Absolute(config.data_dir);
  if (!config.metrics) {
    config.metrics = kDefaultMetricsAddress;
    options.metrics_by_default = true;
  }
  DVREN_RETURN_IF_ERROR(ValidateConfig(config));
  options.ready_file = flags.ready_file;
  return options;
}

}  // namespace dvren::server
