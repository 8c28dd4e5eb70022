// The CUDA backend's entry. The ray and fused kernels are built (launch.h); contexts on a device are not implemented
// yet, and say so.
#include "abi/backend.h"
#include "abi/error.h"

namespace hp {

hp_status Create_cuda_backend(const hp_ctx_desc& desc, std::unique_ptr<Backend>*) {
  return Fail(HP_STATUS_NOT_IMPLEMENTED, "ctx_desc.device = CUDA:%d: CUDA contexts are not implemented; use the CPU",
              desc.device_index);
}

int32_t Count_cuda_devices() {
  return 0;
}

}  // namespace hp
