// The device by the host executor: memory is the host's, an op is done when its call returns.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "backends/cuda/launch_counts.h"
#include "backends/cuda/runtime.h"

namespace hp::cuda {
namespace {

// Behind every allocation its size, so that the budget and the high-water mark mean something.
constexpr size_t kHeader = 64;

std::atomic<const char*> broken{nullptr};

}  // namespace

void BreakForTest(const char* what) {
  broken = what;
}

int32_t DeviceCount() {
  return 1;
}

hp_status Device::Check(int, const char*) const {
  return HP_STATUS_OK;
}
hp_status Device::Enter() {
  return failed_ ? Failure() : HP_STATUS_OK;
}

hp_status Device::Open(int32_t index, uint64_t budget_bytes, std::unique_ptr<Device>* out) {
  std::unique_ptr<Device> device(new Device);
  device->index_ = index;
  device->budget_bytes_ = budget_bytes;
  *out = std::move(device);
  return HP_STATUS_OK;
}
Device::~Device() = default;

hp_status Device::GetInfo(hp_ctx_info* out) const {
  if (failed_) return Failure();
  out->device = HP_DEVICE_CUDA;
  out->device_index = index_;
  out->threads = 0;
  out->isa = HP_ISA_AUTO;
  std::snprintf(out->name, sizeof out->name, "host executor");
  std::snprintf(out->uuid, sizeof out->uuid, "HOST");
  out->memory_total_bytes = budget_bytes_ ? budget_bytes_ : uint64_t{1} << 40;
  out->multiprocessors = 1;
  out->driver_cuda_version = 0;
  out->memory_used_bytes = used_bytes_;
  out->memory_peak_bytes = peak_bytes_;
  return HP_STATUS_OK;
}

hp_status Device::CreateStream(std::unique_ptr<Stream>* out) {
  HP_RETURN_IF_ERROR(Enter());
  *out = std::make_unique<Stream>();
  (*out)->device = this;
  return HP_STATUS_OK;
}
void Device::DestroyStream(std::unique_ptr<Stream>) {}
hp_status Device::Synchronize(Stream&) {
  return Enter();
}
hp_status Device::WaitForAll(Stream&) {
  return Enter();
}

hp_status Device::OutOfMemory(size_t bytes) const {
  return Fail(HP_STATUS_OUT_OF_MEMORY, "no room for %zu bytes on cuda:%d: this context uses %llu of %llu", bytes,
              index_, static_cast<unsigned long long>(used_bytes_.load()),
              static_cast<unsigned long long>(budget_bytes_));
}

hp_status Device::Allocate(Stream&, size_t bytes, void** out) {
  HP_RETURN_IF_ERROR(Enter());
  const uint64_t used = used_bytes_.fetch_add(bytes) + bytes;
  void* data = nullptr;
  if (budget_bytes_ == 0 || used <= budget_bytes_) {
    data = ::operator new (bytes + kHeader, std::align_val_t{kHeader}, std::nothrow);
  }
  if (!data) {
    used_bytes_ -= bytes;
    return OutOfMemory(bytes);
  }
  for (uint64_t peak = peak_bytes_; used > peak && !peak_bytes_.compare_exchange_weak(peak, used);) {
  }
  std::memcpy(data, &bytes, sizeof bytes);
  *out = static_cast<char*>(data) + kHeader;
  return HP_STATUS_OK;
}

hp_status Device::Free(Stream&, void* data) {
  char* block = static_cast<char*>(data) - kHeader;
  size_t bytes;
  std::memcpy(&bytes, block, sizeof bytes);
  used_bytes_ -= bytes;
  ::operator delete (block, std::align_val_t{kHeader});
  return HP_STATUS_OK;
}

hp_status Device::Copy(Stream&, void* to, const void* from, size_t bytes) {
  HP_RETURN_IF_ERROR(Enter());
  std::memcpy(to, from, bytes);
  return HP_STATUS_OK;
}
hp_status Device::Fill(Stream&, void* to, unsigned char byte, size_t bytes) {
  HP_RETURN_IF_ERROR(Enter());
  std::memset(to, byte, bytes);
  return HP_STATUS_OK;
}

hp_status Device::Record(Stream&, Event*) {
  return HP_STATUS_OK;
}
hp_status Device::Wait(Stream&, const Event&) {
  return HP_STATUS_OK;
}
void Device::Destroy(Event*) {}

hp_status Device::BeginCapture(Stream&) {
  return Fail(HP_STATUS_UNSUPPORTED, "hp_graph_begin_capture: the host executor captures no graphs");
}
hp_status Device::EndCapture(Stream&, void**) {
  return Fail(HP_STATUS_UNSUPPORTED, "hp_graph_end_capture: the host executor captures no graphs");
}
hp_status Device::LaunchGraph(Stream&, void*) {
  return Fail(HP_STATUS_UNSUPPORTED, "hp_graph_launch: the host executor captures no graphs");
}
void Device::DestroyGraph(void*) {}

hp_status Device::Launching(const char* name) {
  HP_RETURN_IF_ERROR(Enter());
  CountLaunch(name);
  return HP_STATUS_OK;
}
hp_status Device::Launched(Stream&, const char* name) {
  const char* what = broken.exchange(nullptr);
  if (!what) return HP_STATUS_OK;
  MarkFailed(std::string(name) + ": " + what);
  return Fail(HP_STATUS_DEVICE_ERROR, "cuda:%d: %s: %s", index_, name, what);
}
hp_status Device::Settled(Stream&) {
  return HP_STATUS_OK;
}

}  // namespace hp::cuda
