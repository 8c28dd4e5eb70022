#include "command_line.h"

#include <CLI/CLI.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "exit_codes.h"
#include "nearest.h"

namespace dvren::ctl {
namespace {

constexpr char kFooter[] = R"(First steps:
  dvrend &                                          start a daemon on this machine
  dvrenctl field create ball                        make a sample field, no file needed
  dvrenctl render ball --out ball.png               a picture of it
  dvrenctl field import smoke smoke.vdb             send an OpenVDB or NanoVDB file
  dvrenctl render smoke --out s.png --orbit-frames 36

Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 permission, 5 quota, 6 unavailable, 7 deadline,
  8 precondition, 9 internal.
Environment: DVREN_ENDPOINT, DVREN_TOKEN.)";

const CLI::App* Deepest(const CLI::App& app) {
  const CLI::App* deepest = &app;
  while (!deepest->get_subcommands().empty()) deepest = deepest->get_subcommands().front();
  return deepest;
}

// "dvrenctl field import".
std::string PathOf(const CLI::App* app) {
  std::string path = app->get_name();
  for (app = app->get_parent(); app != nullptr; app = app->get_parent()) path = app->get_name() + " " + path;
  return path;
}

std::string UnknownWord(const CLI::App& app, const std::string& word) {
  const CLI::App* at = Deepest(app);
  std::vector<std::string> known;
  if (absl::StartsWith(word, "-")) {
    for (const CLI::App* level = at; level != nullptr; level = level->get_parent()) {
      for (const CLI::Option* option : level->get_options()) {
        for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
      }
    }
    const std::string name = word.substr(0, word.find('='));
    const std::string near = Nearest(name, known);
    return absl::StrCat(name, ": unknown option", near.empty() ? "" : "; did you mean " + near + "?");
  }
  for (const CLI::App* command : at->get_subcommands([](const CLI::App*) { return true; }))
    known.push_back(command->get_name());
  if (known.empty()) return absl::StrCat(word, ": one argument too many");
  return absl::StrCat(word, ": unknown command", Suggest(word, known));
}

// CLI11's words for what is wrong, in the form of ours: field, value, remedy, one line.
std::string Explain(const CLI::App& app, const CLI::ParseError& error) {
  const std::vector<std::string> extras = app.remaining(true);
  std::string what = absl::StrReplaceAll(error.what(), {{"\n", " "}});
  if (!extras.empty() && (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr ||
                          dynamic_cast<const CLI::RequiredError*>(&error) != nullptr)) {
    what = UnknownWord(app, extras.front());
  } else if (dynamic_cast<const CLI::ConversionError*>(&error) != nullptr) {
    what = absl::StrReplaceAll(what, {{"Could not convert: ", ""}}) + ": must be a number";
  } else if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) {
    what = absl::StrReplaceAll(what, {{" is required", " is missing"}, {"A subcommand", "a command"}});
  }
  return absl::StrCat(what, "; see ", PathOf(Deepest(app)), " --help");
}

}  // namespace

std::unique_ptr<CLI::App> MakeApp(Session& session) {
  auto app = std::make_unique<CLI::App>("Talks to dvrend, the differentiable volume rendering daemon.", "dvrenctl");
  app->require_subcommand(1);
  app->footer(kFooter);
  app->set_version_flag("--version", std::string("dvrenctl ") + DVREN_VERSION);
  app->add_option("--endpoint", session.endpoint, "Where the daemon listens: host:port or unix:/path")
      ->envname("DVREN_ENDPOINT")
      ->type_name("ADDR")
      ->capture_default_str();
  app->add_option("--token", session.token, "Bearer token, where the daemon asks for one")
      ->envname("DVREN_TOKEN")
      ->type_name("TOKEN");
  app->add_option("--timeout", session.timeout_s, "Give up on a call after this long; 0: never")
      ->type_name("SECONDS")
      ->capture_default_str();
  app->add_option("-o,--output", session.output, "What results are printed as")
      ->type_name("table|json|yaml")
      ->capture_default_str();
  app->add_flag("--tls", session.tls, "Use TLS with the system's certificate authorities");
  app->add_option("--tls-ca", session.tls_files.ca, "Use TLS; PEM file of who signed the daemon's certificate")
      ->envname("DVREN_TLS_CA")
      ->type_name("FILE");
  app->add_option("--tls-cert", session.tls_files.cert, "PEM file of this client's certificate")
      ->envname("DVREN_TLS_CERT")
      ->type_name("FILE");
  app->add_option("--tls-key", session.tls_files.key, "PEM file of its key")
      ->envname("DVREN_TLS_KEY")
      ->type_name("FILE");
  // Global options may stand behind the command as well.
  app->fallthrough();
  AddInfoCommand(*app, session);
  AddDevicesCommand(*app, session);
  AddHealthCommand(*app, session);
  AddDatasetCommands(*app, session);
  AddFieldCommands(*app, session);
  AddRenderCommand(*app, session);
  AddTrainCommand(*app, session);
  AddJobCommands(*app, session);
  AddCheckpointCommands(*app, session);
  AddCompletionCommand(*app, session);
  return app;
}

int RunCommandLine(std::vector<std::string> arguments, std::ostream& err) {
  Session session;
  const auto app = MakeApp(session);
  std::reverse(arguments.begin(), arguments.end());  // the order in which CLI11 takes a vector
  try {
    app->parse(std::move(arguments));
  } catch (const CLI::Success& success) {  // --help, --version
    return app->exit(success);
  } catch (const CLI::ParseError& error) {
    err << "dvrenctl: " << Explain(*app, error) << "\n";
    return kExitUsage;
  }
  absl::Status status = session.format().status();
  if (status.ok()) status = session.action();
  if (status.ok()) return kExitOk;
  err << "dvrenctl: " << Printable(std::string(status.message())) << "\n";
  return ExitCodeOf(status.code());
}

}  // namespace dvren::ctl
