// Session: what every command shares: the global options, and the action that the parsed command line asks for.
#pragma once

#include <functional>
#include <string>

#include "dvren/client/client.h"
#include "output.h"

namespace CLI {
class App;
}

namespace dvren::ctl {

struct Session {
  std::string endpoint = "127.0.0.1:50551";
  std::string token;
  double timeout_s = 0;  // of each call; 0: none
  std::string output = "table";
  bool tls = false;
  client::TlsOptions tls_files;

  // Set while the command line is parsed, run after all of it was found right.
  std::function<absl::Status()> action;

  [[nodiscard]] absl::StatusOr<client::Client> Connect() const;
  [[nodiscard]] absl::StatusOr<Format> format() const { return ParseFormat(output); }
};

// Each adds its commands to `app`. `session` outlives it.
void AddInfoCommand(CLI::App& app, Session& session);
void AddDevicesCommand(CLI::App& app, Session& session);
void AddHealthCommand(CLI::App& app, Session& session);
void AddDatasetCommands(CLI::App& app, Session& session);
void AddCheckpointCommands(CLI::App& app, Session& session);
void AddFieldCommands(CLI::App& app, Session& session);
void AddRenderCommand(CLI::App& app, Session& session);
void AddTrainCommand(CLI::App& app, Session& session);
void AddJobCommands(CLI::App& app, Session& session);
void AddCompletionCommand(CLI::App& app, Session& session);

}  // namespace dvren::ctl
