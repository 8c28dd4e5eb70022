#include "server/jobs/failpoint.h"

#ifdef DVREN_FAILPOINTS

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <string>

namespace dvren::server {
namespace {

struct Armed {
  std::string name;  // "": none
  std::atomic<long> left{0};
  Armed() {
    const char* const text = std::getenv("DVREN_FAILPOINT");
    if (text == nullptr) return;
    name = text;
    long times = 1;
    if (const auto colon = name.find(':'); colon != std::string::npos) {
      times = std::strtol(name.c_str() + colon + 1, nullptr, 10);
      name.resize(colon);
    }
    left = times;
  }
};

}  // namespace

void Failpoint(const char* name) {
  static Armed armed;
  if (armed.name != name || armed.left.fetch_sub(1) != 1) return;
  std::raise(SIGKILL);
}

}  // namespace dvren::server

#endif
