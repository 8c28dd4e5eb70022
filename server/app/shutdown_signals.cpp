#include "server/app/shutdown_signals.h"

#include <pthread.h>

#include <ctime>
#include <initializer_list>

namespace dvren::server {

ShutdownSignals::ShutdownSignals() {
  sigemptyset(&set_);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set_, signal);
  pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

int ShutdownSignals::Wait() const {
  int signal = 0;
  while (sigwait(&set_, &signal) != 0) {
  }
  return signal;
}

int ShutdownSignals::WaitFor(int milliseconds) const {
  const timespec timeout{milliseconds / 1000, milliseconds % 1000 * 1'000'000L};
  const int signal = sigtimedwait(&set_, nullptr, &timeout);
  return signal > 0 ? signal : 0;
}

}  // namespace dvren::server
