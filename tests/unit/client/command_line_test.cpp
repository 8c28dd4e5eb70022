#include "command_line.h"

#include <CLI/App.hpp>
#include <catch2/catch.hpp>
#include <functional>
#include <sstream>

#include "exit_codes.h"

namespace dvren::ctl {
namespace {

struct Outcome {
  int code = 0;
  std::string error;
};

Outcome Run(std::vector<std::string> arguments) {
  std::ostringstream err;
  Outcome outcome;
  outcome.code = RunCommandLine(std::move(arguments), err);
  outcome.error = err.str();
  return outcome;
}

void CheckUsage(std::vector<std::string> arguments, const std::string& part) {
  const Outcome outcome = Run(std::move(arguments));
  CHECK(outcome.code == kExitUsage);
  CHECK_THAT(outcome.error, Catch::StartsWith("dvrenctl: ") && Catch::Contains(part));
  CHECK(std::count(outcome.error.begin(), outcome.error.end(), '\n') == 1);
}

TEST_CASE("Mistyped commands and options are one line with the nearest name") {
  CheckUsage({"rendr"}, "rendr: unknown command; did you mean render?");
  CheckUsage({"field", "lst"}, "lst: unknown command; did you mean list?");
  CheckUsage({"render", "smoke", "--out", "a.png", "--widht", "3"}, "--widht: unknown option; did you mean --width?");
  CheckUsage({"render", "smoke", "--out", "a.png", "--width", "big"}, "--width = big: must be a number");
  CheckUsage({"render", "smoke"}, "--out is missing; see dvrenctl render --help");
  CheckUsage({"render", "--out", "a.png"}, "FIELD is missing");
  CheckUsage({}, "a command is missing");
  CheckUsage({"field"}, "a command is missing; see dvrenctl field --help");
  CheckUsage({"info", "too", "many"}, "too: one argument too many");
  CheckUsage({"completion", "tcsh"}, "SHELL = tcsh: must be bash, zsh or fish");
  CheckUsage({"info", "-o", "xml"}, "--output = xml");
}

TEST_CASE("Wrong values are found before the daemon is asked") {
  CheckUsage({"--endpoint", "nowhere", "info"}, "endpoint = nowhere: must be host:port");
  CheckUsage({"--endpoint", "http://a:1", "info"}, "endpoint = http://a:1");
  CheckUsage({"--endpoint", "127.0.0.1:99999", "info"}, "endpoint = 127.0.0.1:99999");
  CheckUsage({"--timeout", "-1", "info"}, "--timeout = -1");
  CheckUsage({"field", "upload", "a", "a.vdb"}, "ARRAY = a.vdb: must be a .npy or .npz file");
  CheckUsage({"field", "import", "a", "a.vdb", "--kind", "sparse"}, "--kind = sparse: must be nanovdb or dense");
  CheckUsage({"field", "upload", "a", "a.npy", "--box", "0,0,0,1,1,0"}, "--box = 0,0,0,1,1,0");
  CheckUsage({"field", "upload", "a", "a.npy", "--activation", "relu"},
             "--activation = relu: must be identity, softplus, exp or trunc_exp");
  CheckUsage({"field", "create", "a", "--activation", "relu"}, "--activation = relu");
  CheckUsage({"field", "create", "a", "--size", "4"}, "--size = 4: must be 8 to 1024");
  CheckUsage({"render", "smoke", "--out", "a.jpg"}, "--out = a.jpg: must end in");
  CheckUsage({"--tls-cert", "c.pem", "info"}, "needs both its certificate and its key file");
  const Outcome folder = Run({"render", "smoke", "--out", "/nonexistent/a.png"});
  CHECK(folder.code == kExitNotFound);
}

TEST_CASE("A daemon that is not there exits 6 at once") {
  const Outcome outcome = Run({"--endpoint", "unix:/nonexistent/dvrend.sock", "info"});
  CHECK(outcome.code == kExitUnavailable);
  CHECK_THAT(outcome.error, Catch::Contains("endpoint = unix:/nonexistent/dvrend.sock: no daemon answers there"));
}

TEST_CASE("Every command teaches by example") {
  Session session;
  const auto app = MakeApp(session);
  const std::function<void(const CLI::App&)> visit = [&](const CLI::App& command) {
    INFO(command.get_name());
    CHECK_FALSE(command.get_description().empty());
    CHECK_THAT(command.get_footer(), Catch::Contains("dvrenctl "));
    for (const CLI::Option* option : command.get_options()) {
      INFO(option->get_name());
      CHECK_FALSE(option->get_description().empty());
    }
    for (const CLI::App* child : command.get_subcommands([](const CLI::App*) { return true; })) visit(*child);
  };
  visit(*app);
}

}  // namespace
}  // namespace dvren::ctl
