// SIGTERM and SIGINT as events that a thread waits for, instead of handlers that may do next to nothing.
#pragma once

#include <csignal>

namespace dvren::server {

class ShutdownSignals {
 public:
  // Blocks the signals in this thread and those it starts; make it before there are others. Ignores SIGPIPE: a client
  // that hangs up is no reason to end.
  ShutdownSignals();
  // Returns the first SIGTERM, SIGINT or SIGHUP.
  [[nodiscard]] int Wait() const;
  // The same, but 0 after about `milliseconds`.
  [[nodiscard]] int WaitFor(int milliseconds) const;

 private:
  sigset_t set_;
};

}  // namespace dvren::server
