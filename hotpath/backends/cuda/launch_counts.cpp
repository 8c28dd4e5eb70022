#include "backends/cuda/launch_counts.h"

#include <mutex>

namespace hp::cuda {
namespace {

struct Counts {
  std::mutex mutex;
  std::map<std::string, int64_t> of;  // guarded by mutex
};
Counts& All() {
  static Counts counts;
  return counts;
}

}  // namespace

void CountLaunch(const char* name) {
  std::lock_guard<std::mutex> lock(All().mutex);
  ++All().of[name];
}

std::map<std::string, int64_t> LaunchCounts() {
  std::lock_guard<std::mutex> lock(All().mutex);
  return All().of;
}

}  // namespace hp::cuda
