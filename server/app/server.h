// Server: the composition root. Makes what the daemon consists of, in the order in which it depends on each other, and
// takes it down in reverse after draining.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/app/config.h"
#include "server/middleware/logger.h"

namespace dvren::server {

struct ServerOptions {
  Config config;                    // resolved and validated
  bool metrics_by_default = false;  // nobody asked for that metrics address: go on without when it is taken
  std::string ready_file;           // "" = none
};

class Server {
 public:
  // Listens when it returns. Errors name the configuration key: UNAVAILABLE for an address or a data directory in use.
  // `logger` outlives the server.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options, Logger& logger);
  // Ends at once what Drain has not ended.
  ~Server();

  // As gRPC clients take them, with the ports that were chosen.
  [[nodiscard]] const std::vector<std::string>& addresses() const;
  // NOT_SERVING, then admitted work may go on for the configured grace, then the listeners close. Blocks.
  void Drain();

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// The whole life of the daemon: start, serve until SIGTERM or SIGINT, drain. Returns the exit code; a second signal
// while draining ends the process at once.
[[nodiscard]] int RunServer(const ServerOptions& options);

}  // namespace dvren::server
