// The whole command line: builds the tree of commands, parses, runs, and turns every error into one line and an exit
// code.
#pragma once

#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "session.h"

namespace dvren::ctl {

// The tree of commands, all of them, bound to `session`.
[[nodiscard]] std::unique_ptr<CLI::App> MakeApp(Session& session);

// `arguments` without the program's name. Returns the exit code; errors go to `err` as one line, help to stdout.
[[nodiscard]] int RunCommandLine(std::vector<std::string> arguments, std::ostream& err);

}  // namespace dvren::ctl
