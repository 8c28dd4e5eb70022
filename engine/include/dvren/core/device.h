// Device: one CPU or GPU. Owns the hp context and the plan cache. Shared; thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "dvren/core/status.h"
#include "hotpath/hp.h"

namespace dvren {

class PlanCache;
class Stream;

enum class DeviceKind : std::uint8_t { kCpu, kCuda };
enum class Isa : std::uint8_t { kAuto, kScalar, kAvx2, kAvx512 };

struct DeviceOptions {
  std::string id = "cpu";  // "cpu" or "cuda:N"
  int threads = 0;         // CPU workers including the caller; 0 = one per hardware thread
  Isa isa = Isa::kAuto;    // CPU only
};

struct DeviceInfo {
  std::string id;  // "cpu", "cuda:0"
  DeviceKind kind = DeviceKind::kCpu;
  std::string name;  // marketing name
  std::string uuid;  // GPUs only
  std::string isa;   // "scalar", "avx2", "avx512"; empty on GPUs
  int threads = 0;   // CPU workers
  std::uint64_t memory_total_bytes = 0;
  int multiprocessors = 0;  // GPUs only
  std::string driver;       // GPUs only: the newest CUDA that the driver runs, "13.0"
};

class Device : public std::enable_shared_from_this<Device> {
 public:
  // INVALID_ARGUMENT for an unknown id, UNAVAILABLE where this machine has no such device.
  [[nodiscard]] static absl::StatusOr<std::shared_ptr<Device>> Create(const DeviceOptions& options);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  [[nodiscard]] const DeviceInfo& info() const { return info_; }
  [[nodiscard]] hp_ctx* ctx() const { return ctx_; }
  [[nodiscard]] PlanCache& plans() const { return *plans_; }
  // Bytes that live on this device now: on a CPU of buffers and fields, on a GPU all that its context has taken.
  [[nodiscard]] std::uint64_t memory_used_bytes() const;
  // UNAVAILABLE once the device has failed in a way that it does not recover from. Cheap.
  [[nodiscard]] absl::Status Health() const;
  [[nodiscard]] absl::StatusOr<Stream> CreateStream();

 private:
  Device(hp_ctx* ctx, DeviceInfo info);
  friend class Buffer;
  friend class Field;
  hp_ctx* ctx_;
  DeviceInfo info_;
  std::unique_ptr<PlanCache> plans_;
  std::atomic<std::uint64_t> memory_used_{0};
};

// How many GPUs this build can use on this machine: 0 without CUDA in the build, a driver, or a GPU.
[[nodiscard]] int GpuCount();

// Maps an hp status and this thread's hp_last_error() to absl::Status: INVALID_ARGUMENT and INTERNAL to the same;
// OUT_OF_MEMORY to RESOURCE_EXHAUSTED; NOT_IMPLEMENTED and UNSUPPORTED to UNIMPLEMENTED (another build or device may do
// it, no change of the request will); DEVICE_ERROR to UNAVAILABLE.
[[nodiscard]] absl::Status FromHp(hp_status status);

}  // namespace dvren
