#include "dvren/core/device.h"

#include <charconv>
#include <string_view>
#include <utility>

#include "dvren/core/stream.h"
#include "dvren/plan/plan.h"

namespace dvren {
namespace {

constexpr int kMaxThreads = 4096;

// The CUDA ordinal of "cuda:N"; -1 for anything else.
int CudaOrdinal(std::string_view id) {
  constexpr std::string_view kPrefix = "cuda:";
  if (id.substr(0, kPrefix.size()) != kPrefix) return -1;
  id.remove_prefix(kPrefix.size());
  int ordinal = -1;
  const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), ordinal);
  return error == std::errc() && end == id.data() + id.size() && ordinal >= 0 ? ordinal : -1;
}

const char* IsaName(hp_isa isa) {
  switch (isa) {
    case HP_ISA_AUTO:
      return "auto";
    case HP_ISA_SCALAR:
      return "scalar";
    case HP_ISA_AVX2:
      return "avx2";
    case HP_ISA_AVX512:
      return "avx512";
  }
  return "unknown";
}

hp_isa ToHp(Isa isa) {
  switch (isa) {
    case Isa::kAuto:
      return HP_ISA_AUTO;
    case Isa::kScalar:
      return HP_ISA_SCALAR;
    case Isa::kAvx2:
      return HP_ISA_AVX2;
    case Isa::kAvx512:
      return HP_ISA_AVX512;
  }
  return HP_ISA_AUTO;
}

}  // namespace

absl::Status FromHp(hp_status status) {
  if (status == HP_STATUS_OK) return absl::OkStatus();
  const char* message = hp_last_error();
  const std::string text = message != nullptr && *message != '\0' ? message : hp_status_name(status);
  switch (status) {
    case HP_STATUS_INVALID_ARGUMENT:
      return absl::InvalidArgumentError(text);
    case HP_STATUS_OUT_OF_MEMORY:
      return absl::ResourceExhaustedError(text);
    case HP_STATUS_NOT_IMPLEMENTED:
    case HP_STATUS_UNSUPPORTED:
      return absl::UnimplementedError(text);
    case HP_STATUS_DEVICE_ERROR:
      return absl::UnavailableError(text);
    case HP_STATUS_OVERFLOW:
      return absl::OutOfRangeError(text);
    case HP_STATUS_OK:
    case HP_STATUS_INTERNAL:
      break;
  }
  return absl::InternalError(text);
}

absl::StatusOr<std::shared_ptr<Device>> Device::Create(const DeviceOptions& options) {
  const int ordinal = CudaOrdinal(options.id);
  if (options.id != "cpu" && ordinal < 0) return InvalidField("device", options.id, "must be cpu or cuda:N");
  if (options.threads < 0 || options.threads > kMaxThreads) {
    return InvalidField("threads", options.threads,
                        absl::StrCat("must be 0 (one per hardware thread) to ", kMaxThreads));
  }
  hp_ctx_desc desc{};
  HP_INIT(desc);
  desc.device = ordinal < 0 ? HP_DEVICE_CPU : HP_DEVICE_CUDA;
  desc.device_index = ordinal < 0 ? 0 : ordinal;
  desc.threads = ordinal < 0 ? options.threads : 0;
  desc.isa = ToHp(options.isa);
  if (ordinal >= 0) {
    if (options.isa != Isa::kAuto) return InvalidField("isa", IsaName(desc.isa), "is for the CPU only; leave it out");
    const int count = hp_device_count(HP_DEVICE_CUDA);
    if (ordinal >= count) {
      return absl::UnavailableError(absl::StrCat("device = ", options.id, ": this build and machine offer ", count,
                                                 " CUDA devices; use cpu or a lower number"));
    }
  } else if (desc.isa != HP_ISA_AUTO && hp_isa_available(desc.isa) == 0) {
    return absl::UnavailableError(
        absl::StrCat("isa = ", IsaName(desc.isa), ": this CPU or build does not have it; use auto"));
  }
  hp_ctx* ctx = nullptr;
  DVREN_RETURN_IF_ERROR(FromHp(hp_ctx_create(&desc, &ctx)));
  hp_ctx_info hp_info{};
  HP_INIT(hp_info);
  if (absl::Status status = FromHp(hp_ctx_get_info(ctx, &hp_info)); !status.ok()) {
    hp_ctx_destroy(ctx);
    return status;
  }
  DeviceInfo info;
  info.id = options.id;
  info.kind = ordinal < 0 ? DeviceKind::kCpu : DeviceKind::kCuda;
  info.name = hp_info.name;
  info.uuid = hp_info.uuid;
  if (info.kind == DeviceKind::kCpu) {
    info.isa = IsaName(hp_info.isa);
    info.threads = hp_info.threads;
  }
  info.memory_total_bytes = hp_info.memory_total_bytes;
  if (info.kind == DeviceKind::kCuda) {
    info.multiprocessors = hp_info.multiprocessors;
    info.driver = absl::StrCat(hp_info.driver_cuda_version / 1000, ".", hp_info.driver_cuda_version % 1000 / 10);
  }
  return std::shared_ptr<Device>(new Device(ctx, std::move(info)));
}

Device::Device(hp_ctx* ctx, DeviceInfo info)
    : ctx_(ctx), info_(std::move(info)), plans_(std::make_unique<PlanCache>()) {}

Device::~Device() {
  plans_.reset();  // plans go before their context
  hp_ctx_destroy(ctx_);
}

std::uint64_t Device::memory_used_bytes() const {
  if (info_.kind == DeviceKind::kCpu) return memory_used_.load();
  hp_ctx_info now{};
  HP_INIT(now);
  return hp_ctx_get_info(ctx_, &now) == HP_STATUS_OK ? now.memory_used_bytes : memory_used_.load();
}

absl::Status Device::Health() const {
  if (hp_ctx_failed(ctx_) == 0) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("device = ", info_.id, ": has failed and does not recover; use another, or restart the daemon"));
}

int GpuCount() {
  return hp_device_count(HP_DEVICE_CUDA);
}

absl::StatusOr<Stream> Device::CreateStream() {
  hp_stream* stream = nullptr;
  DVREN_RETURN_IF_ERROR(FromHp(hp_stream_create(ctx_, &stream)));
  return Stream(shared_from_this(), stream);
}

}  // namespace dvren
