// The CUDA backend: turns ops into launches on a stream. Ops return when they are queued; those that bring something to
// host memory wait.
#include <algorithm>
#include <cmath>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "abi/backend.h"
#include "abi/error.h"
#include "abi/gradient_layout.h"
#include "backends/cpu/kernels.h"
#include "backends/cuda/launch.h"
#include "backends/cuda/mask_launch.h"
#include "backends/cuda/parameter_launch.h"
#include "backends/cuda/parameter_store.h"
#include "backends/cuda/runtime.h"
#include "backends/cuda/scratch.h"

namespace hp {
namespace cuda {
namespace {

// Rays whose gradient of the step is computed at a time: what is noted of them takes 32 MB.
constexpr int64_t kStepRays = int64_t{1} << 18;

class CudaBackend final : public Backend {
 public:
  explicit CudaBackend(std::unique_ptr<Device> device) : device_(std::move(device)) {}
  ~CudaBackend() override {
    if (service_) device_->DestroyStream(std::move(service_));
  }
  hp_status Begin() { return device_->CreateStream(&service_); }

  hp_status GetInfo(hp_ctx_info* out) const override { return device_->GetInfo(out); }
  bool Failed() const override { return device_->failed(); }
  hp_status CreateStream(void** out) override {
    std::unique_ptr<Stream> stream;
    HP_RETURN_IF_ERROR(device_->CreateStream(&stream));
    *out = stream.release();
    return HP_STATUS_OK;
  }
  void DestroyStream(void* stream) override { device_->DestroyStream(std::unique_ptr<Stream>(&Of(stream))); }
  hp_status Synchronize(void* stream) override { return device_->Synchronize(Of(stream)); }
  hp_status WaitForAll(void* stream) override { return device_->WaitForAll(Of(stream)); }
  hp_status Allocate(void* stream, size_t bytes, void** out) override {
    return device_->Allocate(Of(stream), bytes, out);
  }
  hp_status Free(void* stream, void* data) override { return device_->Free(Of(stream), data); }
  hp_status Copy(void* stream, void* destination, const void* source, size_t bytes, hp_copy_kind) override {
    return device_->Copy(Of(stream), destination, source, bytes);
  }

  hp_status Launch(void* handle, Op op, hp_precision precision, const Job& given, int64_t* counters) override {
    Stream& stream = Of(handle);
    Job job = given;
    auto* gradient = static_cast<GradientMemory*>(job.gradients.store);
    if (gradient) {
      HP_RETURN_IF_ERROR(gradient->last_use().Before(stream));
      job.gradients.store = gradient->on_device();
      gradient->NoteAdditions(stream);
    }
    Scratch sums(stream);
    if (job.gradients.sums) HP_RETURN_IF_ERROR(sums.AllocateZeros(kSumCopies * HP_SUM_COUNT * sizeof(Sum128)));
    TaskLaunch launch = {&stream, nullptr, {}, counters, sums.as<Sum128>()};
    HP_RETURN_IF_ERROR(Run(op, precision, job, launch));
    if (op == Op::kBackward && (job.gradients.wanted & HP_WANT_STEP)) {
      HP_RETURN_IF_ERROR(RunStep(precision, job, launch));
    }
    if (job.gradients.sums) HP_RETURN_IF_ERROR(LaunchFold(stream, sums.as<Sum128>(), job.gradients.sums));
    if (gradient) HP_RETURN_IF_ERROR(gradient->last_use().After(stream));
    return device_->Settled(stream);
  }

  hp_status MaxCount(void* handle, hp_precision precision, const Job& job, int64_t* out) override {
    Stream& stream = Of(handle);
    Scratch most(stream);
    HP_RETURN_IF_ERROR(most.AllocateZeros(sizeof(int64_t)));
    HP_RETURN_IF_ERROR(Forward(precision).max_count(stream, job, most.as<int64_t>()));
    HP_RETURN_IF_ERROR(device_->Copy(stream, out, most.as<int64_t>(), sizeof *out));
    return device_->Synchronize(stream);
  }

  hp_status CreateGradient(void* stream, const GradientLayout& layout, void** out) override {
    std::unique_ptr<GradientMemory> memory;
    HP_RETURN_IF_ERROR(GradientMemory::Create(Of(stream), *service_, layout, &memory));
    *out = memory.release();
    return HP_STATUS_OK;
  }
  void DestroyGradient(void* gradient) override { delete static_cast<GradientMemory*>(gradient); }
  hp_status ZeroGradient(void* handle, void* gradient) override {
    return Use(handle, *static_cast<GradientMemory*>(gradient), [&](Stream& stream, GradientMemory& memory) {
      memory.NoteZero();
      return LaunchZero(stream, memory.view());
    });
  }
  hp_status InspectGradient(void* gradient, hp_gradient_info* out) const override {
    auto& memory = *static_cast<GradientMemory*>(gradient);
    bool overflowed = false;
    {
      std::lock_guard<std::mutex> lock(service_mutex_);
      HP_RETURN_IF_ERROR(memory.Overflowed(*service_, &overflowed));
    }
    out->overflowed = overflowed ? 1 : 0;
    out->block_count = memory.view().bricks;
    out->device_bytes = memory.bytes();
    return HP_STATUS_OK;
  }
  hp_status ReadGradient(void* handle, void* gradient, const GradientLayout&, int exponent, hp_dtype dtype,
                         void* out) override {
    return Use(handle, *static_cast<GradientMemory*>(gradient), [&](Stream& stream, GradientMemory& memory) {
      return LaunchRead(stream, memory.view(), memory.blocks(), std::ldexp(1.0, exponent), dtype, out);
    });
  }
  hp_status WriteGradient(void* handle, void* gradient, const GradientLayout&, int exponent, hp_dtype dtype,
                          const void* values) override {
    return Use(handle, *static_cast<GradientMemory*>(gradient), [&](Stream& stream, GradientMemory& memory) {
      return LaunchWrite(stream, memory.view(), memory.blocks(), std::ldexp(1.0, exponent), dtype, values);
    });
  }

  hp_status CreateMoments(const GradientLayout& layout, int32_t rule, bool masters, void** out) override {
    std::unique_ptr<MomentMemory> memory;
    std::lock_guard<std::mutex> lock(service_mutex_);
    HP_RETURN_IF_ERROR(MomentMemory::Create(*service_, *service_, layout,
                                            (rule == HP_UPDATE_SGD ? 1 : 2) + (masters ? 1 : 0), &memory));
    *out = memory.release();
    return HP_STATUS_OK;
  }
  void DestroyMoments(void* moments) override { delete static_cast<MomentMemory*>(moments); }
  hp_status InspectMoments(const void* moments, hp_moments_info* out) const override {
    // (Waiting for its last use changes nothing that a caller sees.)
    auto& memory = *const_cast<MomentMemory*>(static_cast<const MomentMemory*>(moments));
    std::vector<int64_t> blocks;
    {
      std::lock_guard<std::mutex> lock(service_mutex_);
      HP_RETURN_IF_ERROR(memory.last_use().Before(*service_));
      HP_RETURN_IF_ERROR(memory.Present(*service_, &blocks));
    }
    out->block_count = static_cast<int64_t>(blocks.size());
    out->block_values = memory.block_values();
    out->device_bytes = static_cast<uint64_t>(memory.blocks() * memory.block_values()) * sizeof(float);
    return HP_STATUS_OK;
  }
  hp_status ReadMoments(void* handle, const void* moments, int64_t* blocks, float* values) override {
    auto& memory = *const_cast<MomentMemory*>(static_cast<const MomentMemory*>(moments));
    return Use(handle, memory, [&](Stream& stream, MomentMemory& of) {
      std::vector<int64_t> present;
      HP_RETURN_IF_ERROR(of.Present(stream, &present));
      std::copy(present.begin(), present.end(), blocks);
      return of.Read(stream, present, values);
    });
  }
  hp_status WriteMoments(void* handle, void* moments, const int64_t* blocks, const float* values,
                         int64_t count) override {
    auto& memory = *static_cast<MomentMemory*>(moments);
    for (int64_t i = 0; i < count; ++i) {
      HP_REQUIRE(blocks[i] >= 0 && blocks[i] < memory.blocks() && (i == 0 || blocks[i] > blocks[i - 1]),
                 "blocks[%lld] = %lld: must be ascending and below %lld", static_cast<long long>(i),
                 static_cast<long long>(blocks[i]), static_cast<long long>(memory.blocks()));
    }
    return Use(handle, memory,
               [&](Stream& stream, MomentMemory& of) { return of.Write(stream, blocks, values, count); });
  }

  hp_status UpdateField(void* handle, const FieldUpdate& given, int64_t* voxels) override {
    Stream& stream = Of(handle);
    auto& moments = *static_cast<MomentMemory*>(given.moments);
    UpdateJob job = JobOf(given);
    job.moments = moments.view();
    Scratch changed(stream);
    if (voxels) {
      HP_RETURN_IF_ERROR(changed.AllocateZeros(sizeof(int64_t)));
      job.changed = changed.as<int64_t>();
    }
    HP_RETURN_IF_ERROR(Use(handle, *static_cast<GradientMemory*>(given.gradient), [&](Stream&, GradientMemory&) {
      return Use(handle, moments,
                 [&](Stream&, MomentMemory&) { return LaunchUpdate(stream, job, given.half_storage != 0); });
    }));
    if (!voxels) return HP_STATUS_OK;
    HP_RETURN_IF_ERROR(device_->Copy(stream, voxels, job.changed, sizeof *voxels));
    return device_->Synchronize(stream);
  }
  // Values in host memory: on the host, by the one text of the optimizers.
  hp_status UpdateArray(const UpdateArgs& args, int64_t n, double* values, const double* gradient,
                        double* moments) override {
    cpu::DoubleKernels().update_array[args.rule](args, n, values, gradient, moments);
    return HP_STATUS_OK;
  }
  hp_status SmoothGradient(void* handle, const FieldUpdate& given) override {
    return Use(handle, *static_cast<GradientMemory*>(given.gradient), [&](Stream& stream, GradientMemory&) {
      return LaunchSmooth(stream, JobOf(given), given.half_storage != 0);
    });
  }
  hp_status RefineMask(void* handle, const DenseGridMaskedView& view, int half_storage, uint8_t* ages, double raw,
                       int32_t window, int64_t* there) override {
    MaskJob job;
    job.grid = view.grid;
    job.ages = ages;
    job.cells = const_cast<int32_t*>(view.cells);
    job.bricks = const_cast<int32_t*>(view.bricks);
    job.seen = view.seen;
    job.raw = raw;
    job.window = window;
    job.bricks_z = (view.grid.nz + 7) / 8;
    return cuda::RefineMask(Of(handle), job, half_storage != 0, there);
  }

  hp_status BeginCapture(void* stream) override { return device_->BeginCapture(Of(stream)); }
  hp_status EndCapture(void* stream, void** graph) override { return device_->EndCapture(Of(stream), graph); }
  hp_status LaunchGraph(void* stream, void* graph) override { return device_->LaunchGraph(Of(stream), graph); }
  void DestroyGraph(void* graph) override { device_->DestroyGraph(graph); }

 private:
  static Stream& Of(void* handle) { return *static_cast<Stream*>(handle); }
  static const ForwardTable& Forward(hp_precision precision) {
    return precision == HP_PRECISION_F64 ? ForwardDouble() : ForwardSingle();
  }
  static const BackwardTable& Backward(hp_precision precision) {
    return precision == HP_PRECISION_F64 ? BackwardDouble() : BackwardSingle();
  }
  // Runs fn(stream, memory) as a use of the memory.
  template <class Memory, class Fn>
  hp_status Use(void* handle, Memory& memory, Fn fn) const {
    Stream& stream = Of(handle);
    HP_RETURN_IF_ERROR(memory.last_use().Before(stream));
    HP_RETURN_IF_ERROR(fn(stream, memory));
    HP_RETURN_IF_ERROR(memory.last_use().After(stream));
    return device_->Settled(stream);
  }
  static UpdateJob JobOf(const FieldUpdate& given) {
    const auto& gradient = *static_cast<const GradientMemory*>(given.gradient);
    UpdateJob job;
    job.grid = *given.grid;
    job.gradient = gradient.view();
    job.blocks = gradient.blocks();
    job.args = given.args;
    job.quantum = given.quantum;
    return job;
  }

  static Items Pixels(const Job& job) { return {job.roi.width, job.roi.height, 0, 0}; }
  static Items Rays(int64_t count) { return {0, 0, 0, count}; }
  // Given rays, or the camera's pixels.
  static Items PixelsOrRays(const Job& job) { return job.rays.count > 0 ? Rays(job.rays.count) : Pixels(job); }

  static hp_status Run(Op op, hp_precision precision, const Job& job, TaskLaunch launch) {
    const ForwardTable& forward = Forward(precision);
    const BackwardTable& backward = Backward(precision);
    const int32_t type = job.field.type;
    const int half = job.field.half_storage != 0;
    const int with_distortion = job.gradients.d_distortion.data != nullptr;
    Task task = nullptr;
    switch (op) {
      case Op::kRay:
        task = forward.ray, launch.name = "ray", launch.items = Pixels(job);
        break;
      case Op::kSample:
        task = forward.sample[type][half], launch.name = "sample", launch.items = Rays(job.rays.count);
        break;
      case Op::kIntegrate:
        task = forward.integrate[job.integrals.distortion.data != nullptr];
        launch.name = "integrate", launch.items = Rays(job.count);
        break;
      case Op::kCompose:
        task = forward.compose, launch.name = "compose", launch.items = Rays(job.count);
        break;
      case Op::kFused:
        task = forward.fused[type][half][job.image.distortion.data != nullptr];
        launch.name = "fused", launch.items = PixelsOrRays(job);
        break;
      case Op::kEvaluate:
        task = forward.evaluate[type][half], launch.name = "evaluate", launch.items = Rays(job.count);
        break;
      case Op::kBackward:
        task = backward.backward[type][half][job.gradients.wants_place()][with_distortion];
        launch.name = "backward", launch.items = PixelsOrRays(job);
        break;
      case Op::kDiff:
        task = backward.diff[with_distortion], launch.name = "diff", launch.items = Rays(job.count);
        break;
      case Op::kSampleBackward:
        task = backward.sample_backward[type][half];
        launch.name = "sample_backward", launch.items = Rays(job.rays.count);
        break;
      case Op::kRayBackward:
        task = backward.ray_backward, launch.name = "ray_backward", launch.items = Pixels(job);
        break;
    }
    return task(launch, job);
  }

  // dL/d(dt), in double for every precision: the rays are noted as the plan's precision has them, and marched again.
  static hp_status RunStep(hp_precision precision, const Job& job, TaskLaunch launch) {
    const int64_t all = job.rays.count > 0 ? job.rays.count : int64_t{job.roi.width} * job.roi.height;
    Scratch rays(*launch.stream);
    HP_RETURN_IF_ERROR(rays.Allocate(static_cast<size_t>(all < kStepRays ? all : kStepRays) * sizeof(StepRay)));
    const auto gradients = BackwardDouble().step_gradients[job.field.type][job.field.half_storage != 0];
    for (int64_t first = 0; first < all; first += kStepRays) {
      launch.items = {0, 0, first, all - first < kStepRays ? all - first : kStepRays};
      HP_RETURN_IF_ERROR(Backward(precision).step_rays(launch, job, rays.as<StepRay>()));
      HP_RETURN_IF_ERROR(gradients(launch, job, rays.as<StepRay>()));
    }
    return HP_STATUS_OK;
  }

  std::unique_ptr<Device> device_;
  std::unique_ptr<Stream> service_;   // for what comes without a stream of the caller's
  mutable std::mutex service_mutex_;  // one at a time gives work to service_
};

}  // namespace
}  // namespace cuda

hp_status Create_cuda_backend(const hp_ctx_desc& desc, std::unique_ptr<Backend>* out) {
  const int32_t count = cuda::DeviceCount();
  HP_REQUIRE(desc.threads == 0 && desc.isa == HP_ISA_AUTO,
             "ctx_desc.threads = %d, isa = %d: are for the CPU; leave them 0", desc.threads, desc.isa);
  if (count == 0) {
    return Fail(HP_STATUS_UNSUPPORTED,
                "ctx_desc.device = CUDA: this machine offers no CUDA device (no driver, or no GPU); use the CPU");
  }
  HP_REQUIRE(desc.device_index >= 0 && desc.device_index < count, "ctx_desc.device_index = %d: must be 0 to %d",
             desc.device_index, count - 1);
  std::unique_ptr<cuda::Device> device;
  HP_RETURN_IF_ERROR(cuda::Device::Open(desc.device_index, desc.memory_budget_bytes, &device));
  auto backend = std::make_unique<cuda::CudaBackend>(std::move(device));
  HP_RETURN_IF_ERROR(backend->Begin());
  *out = std::move(backend);
  return HP_STATUS_OK;
}

int32_t Count_cuda_devices() {
  return cuda::DeviceCount();
}

}  // namespace hp
