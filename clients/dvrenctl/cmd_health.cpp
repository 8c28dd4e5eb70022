// dvrenctl health: whether the daemon takes requests; made for probes and scripts.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "session.h"

namespace dvren::ctl {
namespace {

absl::Status Health(const Session& session, const std::string& service) {
  DVREN_ASSIGN_OR_RETURN(const Format format, session.format());
  DVREN_ASSIGN_OR_RETURN(const client::Client client, session.Connect());
  DVREN_ASSIGN_OR_RETURN(const client::Serving serving, client.Health(service));
  const std::string text = serving == client::Serving::kServing      ? "SERVING"
                           : serving == client::Serving::kNotServing ? "NOT_SERVING"
                                                                     : "UNKNOWN";
  Print(std::cout, format, Value{{"service", service}, {"status", text}}, Table{{}, {{text}}});
  if (serving == client::Serving::kServing) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("health = ", text, ": the daemon is starting or stopping; try again"));
}

}  // namespace

void AddHealthCommand(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("health", "Say whether the daemon takes requests; exits 0 when it does, else 6");
  command->fallthrough();
  const auto service = std::make_shared<std::string>();
  command
      ->add_option("SERVICE", *service, "One service, such as dvren.v1.RenderService; default: the daemon as a whole")
      ->type_name("TEXT");
  command->footer("Examples:\n  dvrenctl health\n  until dvrenctl --timeout 1 health; do sleep 1; done");
  command->callback(
      [&session, service] { session.action = [&session, service] { return Health(session, *service); }; });
}

}  // namespace dvren::ctl
