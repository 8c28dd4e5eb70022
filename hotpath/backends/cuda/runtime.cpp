// What both runtimes have in common.
#include "backends/cuda/runtime.h"

namespace hp::cuda {

void Device::MarkFailed(const std::string& what) const {
  std::lock_guard<std::mutex> lock(mutex_);
  if (failure_.empty()) failure_ = what;
  failed_ = true;
}

hp_status Device::Failure() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return Fail(HP_STATUS_DEVICE_ERROR,
              "cuda:%d has failed (%s); this context is unusable: use another device, or start the process again",
              index_, failure_.c_str());
}

}  // namespace hp::cuda
