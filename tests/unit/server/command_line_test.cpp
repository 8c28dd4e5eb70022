#include "server/app/command_line.h"

#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>

namespace dvren::server {
namespace {

std::variant<CommandLine, int> Parse(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "dvrend");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  return ParseCommandLine(static_cast<int>(argv.size()), argv.data());
}

ServerOptions Resolved(const std::vector<std::string>& arguments) {
  const std::variant<CommandLine, int> flags = Parse(arguments);
  REQUIRE(std::holds_alternative<CommandLine>(flags));
  const absl::StatusOr<ServerOptions> options = ResolveOptions(std::get<CommandLine>(flags), {{"HOME", "/home/ada"}});
  INFO(options.status().message());
  REQUIRE(options.ok());
  return *options;
}

TEST_CASE("Without flags the daemon serves this machine alone") {
  const ServerOptions options = Resolved({});
  CHECK(options.config.listen == std::vector<std::string>{"127.0.0.1:50551"});
  CHECK(options.config.metrics == kDefaultMetricsAddress);
  CHECK(options.metrics_by_default);
  CHECK(options.config.data_dir == "/home/ada/.local/share/dvrend");
}

TEST_CASE("Flags override the file, and lists replace lists") {
  char path[] = "/tmp/dvrend_test_XXXXXX";
  const int fd = mkstemp(path);
  REQUIRE(fd >= 0);
  std::ofstream(path) << "listen: [127.0.0.1:1, 127.0.0.1:2]\nthreads: 7\nroots: [/a]\n";
  const ServerOptions options = Resolved({"--config", path, "--listen", "127.0.0.1:3", "--metrics", "", "--root", "/b",
                                          "--root", "/c", "--device", "cpu", "--data-dir", "/d/../e"});
  std::remove(path);
  CHECK(options.config.listen == std::vector<std::string>{"127.0.0.1:3"});
  CHECK(options.config.threads == 7);
  CHECK(options.config.roots == std::vector<std::string>{"/b", "/c"});
  CHECK(options.config.devices == std::vector<std::string>{"cpu"});
  CHECK(options.config.metrics == "");
  CHECK_FALSE(options.metrics_by_default);
  CHECK(options.config.data_dir == "/e");
}

TEST_CASE("A wrong flag is a usage error") {
  CHECK(std::get<int>(Parse({"--lisen", "x"})) == 2);
  CHECK(std::get<int>(Parse({"--threads", "many"})) == 2);
  CHECK(std::get<int>(Parse({"surplus"})) == 2);
}

TEST_CASE("A wrong value of a flag is refused like one of the file") {
  const auto error = [](const std::vector<std::string>& arguments) {
    const absl::StatusOr<ServerOptions> options =
        ResolveOptions(std::get<CommandLine>(Parse(arguments)), {{"HOME", "/home/ada"}});
    REQUIRE_FALSE(options.ok());
    CHECK(options.status().code() == absl::StatusCode::kInvalidArgument);
    return std::string(options.status().message());
  };
  CHECK(error({"--listen", "0.0.0.0:1"}).find("insecure") != std::string::npos);
  CHECK(error({"--threads", "-3"}).find("threads = -3") == 0);
  CHECK(error({"--log-level", "loud"}).find("--log-level = loud") == 0);
  CHECK(error({"--config", "/does/not/exist.yaml"}).find("--config = /does/not/exist.yaml") == 0);
  CHECK(error({"--config", "/tmp"}).find("is a folder") != std::string::npos);
}

TEST_CASE("Without HOME the data directory has to be given") {
  const CommandLine flags = std::get<CommandLine>(Parse({}));
  CHECK_FALSE(ResolveOptions(flags, {}).ok());
  CHECK(ResolveOptions(flags, {{"XDG_DATA_HOME", "/data"}})->config.data_dir == "/data/dvrend");
}

}  // namespace
}  // namespace dvren::server
