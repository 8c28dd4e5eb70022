// What the CUDA backend needs of a device: memory, copies, streams, events, graphs, and where errors go. Implemented
// twice: runtime_cuda.cpp by the CUDA runtime, runtime_host.cpp by the host executor, which runs the kernels' own grid
// and block loops on the CPU (kernel.h), for tests without a GPU. Raw cuda* calls are in the first, and in the launches
// of kernel.h, alone.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "abi/error.h"
#include "hotpath/hp.h"

namespace hp::cuda {

class Device;

// Never the default stream.
struct Stream {
  Device* device = nullptr;
  void* native = nullptr;  // cudaStream_t
  bool capturing = false;  // into a graph: what was recorded outside cannot be waited for
};

// A place in a stream's work; made when it is first recorded.
struct Event {
  void* native = nullptr;  // cudaEvent_t
};

// How many devices the driver offers; 0 without a driver. Never fails.
int32_t DeviceCount();

// One device. An error that the device does not recover from ("sticky") marks it as failed: from then on every call
// says so, and nothing is waited for any more. Thread-safe; a Stream belongs to one thread at a time.
class Device {
 public:
  // `budget_bytes`: the most that Allocate hands out at a time; 0: what the device has.
  static hp_status Open(int32_t index, uint64_t budget_bytes, std::unique_ptr<Device>* out);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  hp_status GetInfo(hp_ctx_info* out) const;
  bool failed() const { return failed_; }

  hp_status CreateStream(std::unique_ptr<Stream>* out);
  void DestroyStream(std::unique_ptr<Stream> stream);  // waits for it
  hp_status Synchronize(Stream& stream);
  // Everything that streams of this device have been given so far comes before what `stream` is given next.
  hp_status WaitForAll(Stream& stream);

  // From a pool, in stream order.
  hp_status Allocate(Stream& stream, size_t bytes, void** out);
  hp_status Free(Stream& stream, void* data);
  // Either side may be host memory. To or from pageable host memory the call returns when that may be reused.
  hp_status Copy(Stream& stream, void* to, const void* from, size_t bytes);
  hp_status Fill(Stream& stream, void* to, unsigned char byte, size_t bytes);

  hp_status Record(Stream& stream, Event* event);
  hp_status Wait(Stream& stream, const Event& event);  // nothing, if it was never recorded
  void Destroy(Event* event);

  hp_status BeginCapture(Stream& stream);
  hp_status EndCapture(Stream& stream, void** graph);
  hp_status LaunchGraph(Stream& stream, void* graph);
  void DestroyGraph(void* graph);

  // Around every kernel launch (kernel.h): makes the device current, opens a range of that name for profilers, and
  // counts; then takes the launch's error.
  hp_status Launching(const char* name);
  hp_status Launched(Stream& stream, const char* name);
  // At the end of an op. With DVREN_CUDA_BLOCKING=1 in the environment it waits, so that errors show where they arise
  // and results are there when a call returns.
  hp_status Settled(Stream& stream);

 private:
  friend void BreakForTest(const char* what);
  Device() = default;
  hp_status Enter();                                   // makes the device current; DEVICE_ERROR once it has failed
  hp_status Check(int error, const char* what) const;  // a cudaError_t
  hp_status OutOfMemory(size_t bytes) const;
  void MarkFailed(const std::string& what) const;
  hp_status Failure() const;

  int32_t index_ = 0;
  uint64_t budget_bytes_ = 0;
  void* pool_ = nullptr;  // cudaMemPool_t
  bool blocking_ = false;
  mutable std::atomic<bool> failed_{false};
  mutable std::mutex mutex_;
  mutable std::string failure_;                          // guarded by mutex_: what failed first
  std::vector<Stream*> streams_;                         // guarded by mutex_
  std::atomic<uint64_t> used_bytes_{0}, peak_bytes_{0};  // of the host executor
};

// Of the host executor: the next kernel that any device launches fails for good, as an illegal address does.
void BreakForTest(const char* what);

}  // namespace hp::cuda
