// The device by the CUDA runtime, which is linked statically: a program starts, and counts no devices, where there is
// no driver.
#include <cuda_runtime_api.h>
#include <nvtx3/nvToolsExt.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "backends/cuda/launch_counts.h"
#include "backends/cuda/runtime.h"

namespace hp::cuda {
namespace {

cudaStream_t Native(const Stream& stream) {
  return static_cast<cudaStream_t>(stream.native);
}

// Errors after which the device's context gives nothing but the same error.
bool IsSticky(cudaError_t error) {
  switch (error) {
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchFailure:
    case cudaErrorLaunchTimeout:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorAssert:
    case cudaErrorECCUncorrectable:
    case cudaErrorNvlinkUncorrectable:
    case cudaErrorContained:
    case cudaErrorDevicesUnavailable:
    case cudaErrorContextIsDestroyed:
    case cudaErrorCudartUnloading:
    case cudaErrorMpsConnectionFailed:
    case cudaErrorExternalDevice:
    case cudaErrorUnknown:
      return true;
    default:
      return false;
  }
}

}  // namespace

int32_t DeviceCount() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) {
    cudaGetLastError();  // no driver, or no device: that is an answer
    return 0;
  }
  return count;
}

hp_status Device::Check(int code, const char* what) const {
  const auto error = static_cast<cudaError_t>(code);
  if (error == cudaSuccess) return HP_STATUS_OK;
  cudaGetLastError();  // what is not sticky is over with this report
  const std::string text = std::string(what) + ": " + cudaGetErrorName(error) + ": " + cudaGetErrorString(error);
  if (IsSticky(error)) MarkFailed(text);
  if (error == cudaErrorMemoryAllocation) {
    return Fail(HP_STATUS_OUT_OF_MEMORY, "cuda:%d: %s", index_, text.c_str());
  }
  return Fail(HP_STATUS_DEVICE_ERROR, "cuda:%d: %s", index_, text.c_str());
}

hp_status Device::Enter() {
  if (failed_) return Failure();
  return Check(cudaSetDevice(index_), "cudaSetDevice");
}

hp_status Device::Open(int32_t index, uint64_t budget_bytes, std::unique_ptr<Device>* out) {
  std::unique_ptr<Device> device(new Device);
  device->index_ = index;
  const char* blocking = std::getenv("DVREN_CUDA_BLOCKING");
  device->blocking_ = blocking && std::strcmp(blocking, "1") == 0;
  HP_RETURN_IF_ERROR(device->Enter());
  int pools = 0;
  HP_RETURN_IF_ERROR(
      device->Check(cudaDeviceGetAttribute(&pools, cudaDevAttrMemoryPoolsSupported, index), "cudaDeviceGetAttribute"));
  if (!pools)
    return Fail(HP_STATUS_UNSUPPORTED, "cuda:%d: has no stream-ordered memory pools; use another device", index);
  cudaMemPoolProps properties = {};
  properties.allocType = cudaMemAllocationTypePinned;
  properties.handleTypes = cudaMemHandleTypeNone;
  properties.location.type = cudaMemLocationTypeDevice;
  properties.location.id = index;
  properties.maxSize = budget_bytes;
  device->budget_bytes_ = budget_bytes;
  cudaMemPool_t pool = nullptr;
  HP_RETURN_IF_ERROR(device->Check(cudaMemPoolCreate(&pool, &properties), "cudaMemPoolCreate"));
  device->pool_ = pool;
  uint64_t keep = UINT64_MAX;  // memory goes back to the pool, not to the system, when a stream waits
  HP_RETURN_IF_ERROR(
      device->Check(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &keep), "cudaMemPoolSetAttribute"));
  *out = std::move(device);
  return HP_STATUS_OK;
}

Device::~Device() {
  if (pool_ && !failed_ && cudaSetDevice(index_) == cudaSuccess) {
    cudaDeviceSynchronize();
    cudaMemPoolDestroy(static_cast<cudaMemPool_t>(pool_));
  }
  cudaGetLastError();
}

hp_status Device::GetInfo(hp_ctx_info* out) const {
  if (failed_) return Failure();
  cudaDeviceProp properties;
  HP_RETURN_IF_ERROR(Check(cudaGetDeviceProperties(&properties, index_), "cudaGetDeviceProperties"));
  out->device = HP_DEVICE_CUDA;
  out->device_index = index_;
  out->threads = 0;
  out->isa = HP_ISA_AUTO;
  std::snprintf(out->name, sizeof out->name, "%.127s", properties.name);
  const auto* u = reinterpret_cast<const unsigned char*>(properties.uuid.bytes);
  std::snprintf(out->uuid, sizeof out->uuid, "GPU-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
                u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
  out->memory_total_bytes = properties.totalGlobalMem;
  out->multiprocessors = properties.multiProcessorCount;
  int driver = 0;
  HP_RETURN_IF_ERROR(Check(cudaDriverGetVersion(&driver), "cudaDriverGetVersion"));
  out->driver_cuda_version = driver;
  auto* pool = static_cast<cudaMemPool_t>(pool_);
  HP_RETURN_IF_ERROR(Check(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrUsedMemCurrent, &out->memory_used_bytes),
                           "cudaMemPoolGetAttribute"));
  return Check(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrUsedMemHigh, &out->memory_peak_bytes),
               "cudaMemPoolGetAttribute");
}

hp_status Device::CreateStream(std::unique_ptr<Stream>* out) {
  HP_RETURN_IF_ERROR(Enter());
  auto stream = std::make_unique<Stream>();
  stream->device = this;
  cudaStream_t native = nullptr;
  HP_RETURN_IF_ERROR(Check(cudaStreamCreateWithFlags(&native, cudaStreamNonBlocking), "cudaStreamCreateWithFlags"));
  stream->native = native;
  std::lock_guard<std::mutex> lock(mutex_);
  streams_.push_back(stream.get());
  *out = std::move(stream);
  return HP_STATUS_OK;
}

void Device::DestroyStream(std::unique_ptr<Stream> stream) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    streams_.erase(std::find(streams_.begin(), streams_.end(), stream.get()));
  }
  if (!failed_ && cudaSetDevice(index_) == cudaSuccess) {
    (void)Check(cudaStreamSynchronize(Native(*stream)), "cudaStreamSynchronize");
  }
  cudaStreamDestroy(Native(*stream));
  cudaGetLastError();
}

hp_status Device::Synchronize(Stream& stream) {
  HP_RETURN_IF_ERROR(Enter());
  return Check(cudaStreamSynchronize(Native(stream)), "cudaStreamSynchronize");
}

hp_status Device::WaitForAll(Stream& stream) {
  HP_RETURN_IF_ERROR(Enter());
  if (stream.capturing) return HP_STATUS_OK;
  cudaEvent_t event = nullptr;
  HP_RETURN_IF_ERROR(Check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreateWithFlags"));
  hp_status status = HP_STATUS_OK;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    for (const Stream* other : streams_) {
      if (other == &stream || other->capturing) continue;
      if (cudaEventRecord(event, Native(*other)) != cudaSuccess ||
          cudaStreamWaitEvent(Native(stream), event, 0) != cudaSuccess) {
        status = HP_STATUS_DEVICE_ERROR;
        break;
      }
    }
  }
  if (status != HP_STATUS_OK) status = Check(cudaPeekAtLastError(), "cudaStreamWaitEvent");
  cudaEventDestroy(event);
  return status;
}

hp_status Device::OutOfMemory(size_t bytes) const {
  uint64_t used = 0;
  cudaMemPoolGetAttribute(static_cast<cudaMemPool_t>(pool_), cudaMemPoolAttrUsedMemCurrent, &used);
  size_t free_bytes = 0, total = 0;
  cudaMemGetInfo(&free_bytes, &total);
  cudaGetLastError();
  return Fail(HP_STATUS_OUT_OF_MEMORY,
              "no room for %zu bytes on cuda:%d: this context uses %llu of %llu, the device has %zu free; render in "
              "smaller pieces, drop fields, or raise the budget",
              bytes, index_, static_cast<unsigned long long>(used),
              static_cast<unsigned long long>(budget_bytes_ ? budget_bytes_ : total), free_bytes);
}

hp_status Device::Allocate(Stream& stream, size_t bytes, void** out) {
  HP_RETURN_IF_ERROR(Enter());
  const cudaError_t error =
      cudaMallocFromPoolAsync(out, std::max<size_t>(bytes, 1), static_cast<cudaMemPool_t>(pool_), Native(stream));
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    return OutOfMemory(bytes);
  }
  return Check(error, "cudaMallocFromPoolAsync");
}

hp_status Device::Free(Stream& stream, void* data) {
  HP_RETURN_IF_ERROR(Enter());
  return Check(cudaFreeAsync(data, Native(stream)), "cudaFreeAsync");
}

hp_status Device::Copy(Stream& stream, void* to, const void* from, size_t bytes) {
  HP_RETURN_IF_ERROR(Enter());
  HP_RETURN_IF_ERROR(Check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, Native(stream)), "cudaMemcpyAsync"));
  return Settled(stream);
}

hp_status Device::Fill(Stream& stream, void* to, unsigned char byte, size_t bytes) {
  HP_RETURN_IF_ERROR(Enter());
  return Check(cudaMemsetAsync(to, byte, bytes, Native(stream)), "cudaMemsetAsync");
}

hp_status Device::Record(Stream& stream, Event* event) {
  HP_RETURN_IF_ERROR(Enter());
  if (!event->native) {
    cudaEvent_t native = nullptr;
    HP_RETURN_IF_ERROR(Check(cudaEventCreateWithFlags(&native, cudaEventDisableTiming), "cudaEventCreateWithFlags"));
    event->native = native;
  }
  return Check(cudaEventRecord(static_cast<cudaEvent_t>(event->native), Native(stream)), "cudaEventRecord");
}

hp_status Device::Wait(Stream& stream, const Event& event) {
  HP_RETURN_IF_ERROR(Enter());
  if (!event.native) return HP_STATUS_OK;
  return Check(cudaStreamWaitEvent(Native(stream), static_cast<cudaEvent_t>(event.native), 0), "cudaStreamWaitEvent");
}

void Device::Destroy(Event* event) {
  if (event->native) cudaEventDestroy(static_cast<cudaEvent_t>(event->native));
  event->native = nullptr;
}

hp_status Device::BeginCapture(Stream& stream) {
  HP_RETURN_IF_ERROR(Enter());
  HP_REQUIRE(!stream.capturing, "hp_graph_begin_capture: the stream is being captured already");
  HP_RETURN_IF_ERROR(
      Check(cudaStreamBeginCapture(Native(stream), cudaStreamCaptureModeRelaxed), "cudaStreamBeginCapture"));
  stream.capturing = true;
  return HP_STATUS_OK;
}

hp_status Device::EndCapture(Stream& stream, void** graph) {
  HP_RETURN_IF_ERROR(Enter());
  HP_REQUIRE(stream.capturing, "hp_graph_end_capture: the stream is not being captured");
  stream.capturing = false;
  cudaGraph_t captured = nullptr;
  HP_RETURN_IF_ERROR(Check(cudaStreamEndCapture(Native(stream), &captured), "cudaStreamEndCapture"));
  // What was there before is updated where that will do: that is much cheaper than to instantiate.
  auto* ready = static_cast<cudaGraphExec_t>(*graph);
  if (ready) {
    cudaGraphExecUpdateResultInfo result;
    if (cudaGraphExecUpdate(ready, captured, &result) != cudaSuccess) {
      cudaGetLastError();
      cudaGraphExecDestroy(ready);
      ready = nullptr;
    }
  }
  hp_status status = HP_STATUS_OK;
  if (!ready) status = Check(cudaGraphInstantiate(&ready, captured, 0), "cudaGraphInstantiate");
  cudaGraphDestroy(captured);
  *graph = ready;
  return status;
}

hp_status Device::LaunchGraph(Stream& stream, void* graph) {
  HP_RETURN_IF_ERROR(Enter());
  HP_REQUIRE(graph, "graph = NULL: required");
  HP_RETURN_IF_ERROR(Check(cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph), Native(stream)), "cudaGraphLaunch"));
  CountLaunch("graph");
  return Settled(stream);
}

void Device::DestroyGraph(void* graph) {
  if (graph) cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph));
}

hp_status Device::Launching(const char* name) {
  HP_RETURN_IF_ERROR(Enter());
  CountLaunch(name);
  nvtxRangePushA(name);
  return HP_STATUS_OK;
}

hp_status Device::Launched(Stream& stream, const char* name) {
  nvtxRangePop();
  HP_RETURN_IF_ERROR(Check(cudaGetLastError(), name));
  if (!blocking_ || stream.capturing) return HP_STATUS_OK;
  return Check(cudaStreamSynchronize(Native(stream)), name);
}

hp_status Device::Settled(Stream& stream) {
  if (!blocking_ || stream.capturing) return HP_STATUS_OK;
  return Check(cudaStreamSynchronize(Native(stream)), "cudaStreamSynchronize");
}

}  // namespace hp::cuda
