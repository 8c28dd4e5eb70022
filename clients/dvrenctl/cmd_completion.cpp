// dvrenctl completion: scripts that teach a shell this command line.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "completion.h"
#include "session.h"
#include "values.h"

namespace dvren::ctl {

void AddCompletionCommand(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("completion", "Print a script that completes commands, options and field names");
  command->fallthrough();
  const auto shell = std::make_shared<std::string>();
  command->add_option("SHELL", *shell, "Which shell it is for")->required()->type_name("bash|zsh|fish");
  command->footer(
      "Examples:\n"
      "  source <(dvrenctl completion bash)       this shell; put the line into ~/.bashrc for every one\n"
      "  source <(dvrenctl completion zsh)        after compinit, in ~/.zshrc\n"
      "  dvrenctl completion fish > ~/.config/fish/completions/dvrenctl.fish");
  command->callback([&app, &session, shell] {
    session.action = [&app, shell]() -> absl::Status {
      static const std::vector<std::string> kShells{"bash", "zsh", "fish"};
      DVREN_ASSIGN_OR_RETURN(const std::size_t index, ParseChoice("SHELL", *shell, kShells));
      const auto tree = CompletionTree(app);
      std::cout << (index == 0 ? BashCompletion(tree) : index == 1 ? ZshCompletion(tree) : FishCompletion(tree));
      return absl::OkStatus();
    };
  });
}

}  // namespace dvren::ctl
