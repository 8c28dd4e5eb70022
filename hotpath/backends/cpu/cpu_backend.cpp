// The CPU backend: picks an instruction set, runs kernels over items on the thread pool. Ops complete before they
// return.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#include <unistd.h>
#endif

#include "abi/backend.h"
#include "abi/error.h"
#include "abi/gradient_layout.h"
#include "backends/cpu/gradient_store.h"
#include "backends/cpu/gradient_write.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/mask.h"
#include "backends/cpu/moment_store.h"
#include "backends/cpu/ray_order.h"
#include "backends/cpu/scatter_log.h"
#include "backends/cpu/thread_pool.h"

namespace hp {
namespace cpu {

int64_t ImageItems(const Job& job) {
  const int64_t x = (job.roi.width + job.tile - 1) / job.tile, y = (job.roi.height + job.tile - 1) / job.tile;
  return x * y;
}

int64_t RayItems(int64_t count) {
  return (count + kRaysPerItem - 1) / kRaysPerItem;
}

namespace {

bool IsaAvailable(hp_isa isa) {
  switch (isa) {
    case HP_ISA_SCALAR:
      return true;
#if defined(HP_HAVE_X86_KERNELS)
    case HP_ISA_AVX2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    case HP_ISA_AVX512:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
             __builtin_cpu_supports("f16c") && __builtin_cpu_supports("fma");
#endif
    default:
      return false;
  }
}

const KernelTable& KernelsOf(hp_isa isa) {
#if defined(HP_HAVE_X86_KERNELS)
  if (isa == HP_ISA_AVX512) return Avx512Kernels();
  if (isa == HP_ISA_AVX2) return Avx2Kernels();
#endif
  (void)isa;
  return ScalarKernels();
}

// Large blocks lie on huge pages where the system has them: marching through a grid is hard on the TLB.
void* AllocatePages(size_t bytes) {
  constexpr size_t kHugePage = size_t{2} << 20;
  const size_t alignment = bytes >= 2 * kHugePage ? kHugePage : 64;
  if (bytes > SIZE_MAX - alignment) return nullptr;
  const size_t rounded = (std::max<size_t>(bytes, 1) + alignment - 1) / alignment * alignment;
#if defined(_WIN32)
  return _aligned_malloc(rounded, alignment);
#else
  void* data = std::aligned_alloc(alignment, rounded);
#if defined(MADV_HUGEPAGE)
  if (data && alignment == kHugePage) madvise(data, rounded, MADV_HUGEPAGE);  // a hint: failure changes nothing
#endif
  return data;
#endif
}

class CpuBackend final : public Backend {
 public:
  CpuBackend(int threads, hp_isa isa) : pool_(threads), isa_(isa) {}

  hp_status GetInfo(hp_ctx_info* out) const override {
    out->device = HP_DEVICE_CPU;
    out->device_index = 0;
    out->threads = pool_.threads();
    out->isa = isa_;
    std::snprintf(out->name, sizeof out->name, "%s", ModelName().c_str());
    out->uuid[0] = '\0';
    out->memory_total_bytes = TotalMemory();
    out->multiprocessors = out->driver_cuda_version = 0;
    out->memory_used_bytes = out->memory_peak_bytes = 0;
    return HP_STATUS_OK;
  }
  hp_status CreateStream(void** out) override {
    *out = nullptr;  // ops complete before they return: nothing to hold
    return HP_STATUS_OK;
  }
  void DestroyStream(void*) override {}
  hp_status Synchronize(void*) override { return HP_STATUS_OK; }
  hp_status Allocate(void*, size_t bytes, void** out) override {
    *out = AllocatePages(bytes);
    return *out ? HP_STATUS_OK : Fail(HP_STATUS_OUT_OF_MEMORY, "no room for %zu bytes on the CPU", bytes);
  }
  hp_status Free(void*, void* data) override {
#if defined(_WIN32)
    _aligned_free(data);
#else
    std::free(data);
#endif
    return HP_STATUS_OK;
  }
  hp_status Copy(void*, void* destination, const void* source, size_t bytes, hp_copy_kind) override {
    std::memcpy(destination, source, bytes);
    return HP_STATUS_OK;
  }

  hp_status Launch(void*, Op op, hp_precision precision, const Job& given, int64_t* counters) override {
    const KernelTable& table = Table(precision);
    Job job = given;
    std::vector<uint32_t> order;
    if ((op == Op::kFused || op == Op::kBackward) && job.rays.count >= kFewestOrderedRays) {
      std::vector<uint32_t> keys(static_cast<size_t>(job.rays.count));
      pool_.Run(RayItems(job.rays.count), [&](int, int64_t item) { table.ray_keys(job, item, keys.data()); });
      order = OrderRays(std::move(keys));
      job.rays.order = order.data();
    }
    const bool half = job.field.half_storage != 0;
    Kernel kernel = nullptr;
    int64_t items = 0;
    switch (op) {
      case Op::kRay:
        kernel = table.ray, items = ImageItems(job);
        break;
      case Op::kSample:
        kernel = table.sample[job.field.type][half], items = RayItems(job.rays.count);
        break;
      case Op::kIntegrate:
        kernel = table.integrate[job.integrals.distortion.data != nullptr], items = RayItems(job.count);
        break;
      case Op::kCompose:
        kernel = table.compose, items = RayItems(job.count);
        break;
      case Op::kFused:
        kernel = table.fused[job.field.type][half][job.image.distortion.data != nullptr];
        items = job.rays.count > 0 ? RayItems(job.rays.count) : ImageItems(job);
        break;
      case Op::kEvaluate:
        kernel = table.evaluate[job.field.type][half], items = RayItems(job.count);
        break;
      case Op::kBackward:
        kernel = table.backward[job.field.type][half][job.gradients.wants_place()]
                               [job.gradients.d_distortion.data != nullptr];
        items = job.rays.count > 0 ? RayItems(job.rays.count) : ImageItems(job);
        break;
      case Op::kDiff:
        kernel = table.diff[job.gradients.d_distortion.data != nullptr], items = RayItems(job.count);
        break;
      case Op::kSampleBackward:
        kernel = table.sample_backward[job.field.type][half], items = RayItems(job.rays.count);
        break;
      case Op::kRayBackward:
        kernel = table.ray_backward, items = ImageItems(job);
        break;
    }
    std::vector<PaddedCounters> per_thread(static_cast<size_t>(pool_.threads()));
    std::vector<Sum128> sums;
    if (job.gradients.sums) {
      sums.resize(per_thread.size() * HP_SUM_COUNT);
      for (size_t i = 0; i < per_thread.size(); ++i) per_thread[i].counters.sums = &sums[i * HP_SUM_COUNT];
    }
    std::vector<std::unique_ptr<ScatterLog>> logs;
    if (op == Op::kBackward && job.rays.order && job.gradients.store && table.add_noted) {
      logs = TakeLogs(table.wide_scatter && !job.gradients.wants_place(), job);
      for (size_t i = 0; i < logs.size(); ++i) per_thread[i].counters.log = logs[i].get();
    }
    pool_.Run(items,
              [&](int thread, int64_t item) { kernel(job, item, per_thread[static_cast<size_t>(thread)].counters); });
    if (!logs.empty()) {
      auto& store = *static_cast<GradientStore*>(job.gradients.store);
      pool_.Run(static_cast<int64_t>(logs.size()), [&](int, int64_t i) {
        table.add_noted(*logs[static_cast<size_t>(i)], store, store.values_per_voxel());
      });
      KeepLogs(std::move(logs));
    }
    if (counters) {
      for (const auto& c : per_thread) {
        for (int i = 0; i < HP_COUNTER_COUNT; ++i) counters[i] += c.counters.value[i];
      }
    }
    for (size_t i = 0; i < sums.size(); ++i) AddSum(job.gradients.sums + 2 * (i % HP_SUM_COUNT), sums[i]);
    return HP_STATUS_OK;
  }

  hp_status CreateGradient(void*, const GradientLayout& layout, void** out) override {
    *out = new GradientStore(layout.bricks, layout.values_per_voxel);
    return HP_STATUS_OK;
  }
  void DestroyGradient(void* gradient) override {
    delete static_cast<GradientStore*>(gradient);
  }
  hp_status ZeroGradient(void*, void* gradient) override {
    static_cast<GradientStore*>(gradient)->Zero();
    return HP_STATUS_OK;
  }
  hp_status InspectGradient(void* gradient, hp_gradient_info* out) const override {
    const auto& store = *static_cast<const GradientStore*>(gradient);
    out->overflowed = store.overflowed() ? 1 : 0;
    out->block_count = store.brick_count();
    out->device_bytes = store.bytes();
    return HP_STATUS_OK;
  }
  hp_status ReadGradient(void*, void* gradient, const GradientLayout& layout, int exponent, hp_dtype dtype,
                         void* out) override {
    auto& store = *static_cast<GradientStore*>(gradient);
    const double quantum = std::ldexp(1.0, exponent);
    // Most blocks of a large field have nothing in them: zeros go in long runs, not block by block.
    size_t bytes = dtype == HP_DTYPE_F64 ? sizeof(double) : sizeof(float);
    for (int64_t extent : layout.shape) bytes *= static_cast<size_t>(extent);
    constexpr size_t kRun = size_t{1} << 20;
    pool_.Run(static_cast<int64_t>((bytes + kRun - 1) / kRun), [&](int, int64_t run) {
      const size_t first = static_cast<size_t>(run) * kRun;
      std::memset(static_cast<unsigned char*>(out) + first, 0, bytes - first < kRun ? bytes - first : kRun);
    });
    pool_.Run(layout.blocks, [&](int, int64_t block) {
      if (dtype == HP_DTYPE_F64) {
        ReadGradientBlock(store, layout, block, quantum, static_cast<double*>(out));
      } else {
        ReadGradientBlock(store, layout, block, quantum, static_cast<float*>(out));
      }
    });
    return HP_STATUS_OK;
  }

  hp_status WriteGradient(void*, void* gradient, const GradientLayout& layout, int exponent, hp_dtype dtype,
                          const void* values) override {
    auto& store = *static_cast<GradientStore*>(gradient);
    const double quantum = std::ldexp(1.0, exponent);
    pool_.Run(layout.blocks, [&](int, int64_t block) {
      dtype == HP_DTYPE_F64 ? WriteGradientBlock(store, layout, block, quantum, static_cast<const double*>(values))
                            : WriteGradientBlock(store, layout, block, quantum, static_cast<const float*>(values));
    });
    return HP_STATUS_OK;
  }

  hp_status CreateMoments(const GradientLayout& layout, int32_t rule, bool masters, void** out) override {
    *out = new MomentStore(layout.blocks, layout.values_per_voxel, (rule == HP_UPDATE_SGD ? 1 : 2) + (masters ? 1 : 0));
    return HP_STATUS_OK;
  }
  void DestroyMoments(void* moments) override {
    delete static_cast<MomentStore*>(moments);
  }
  hp_status InspectMoments(const void* moments, hp_moments_info* out) const override {
    const auto& store = *static_cast<const MomentStore*>(moments);
    out->block_count = store.block_count();
    out->block_values = store.block_values();
    out->device_bytes = static_cast<uint64_t>(out->block_count * out->block_values) * sizeof(float);
    return HP_STATUS_OK;
  }
  hp_status ReadMoments(void*, const void* moments, int64_t* blocks, float* values) override {
    const auto& store = *static_cast<const MomentStore*>(moments);
    for (int64_t block = 0; block < store.blocks(); ++block) {
      const float* from = store.Find(block);
      if (!from) continue;
      *blocks++ = block;
      values = std::copy_n(from, store.block_values(), values);
    }
    return HP_STATUS_OK;
  }
  hp_status WriteMoments(void*, void* moments, const int64_t* blocks, const float* values, int64_t count) override {
    auto& store = *static_cast<MomentStore*>(moments);
    for (int64_t i = 0; i < count; ++i) {
      HP_REQUIRE(blocks[i] >= 0 && blocks[i] < store.blocks() && (i == 0 || blocks[i] > blocks[i - 1]),
                 "blocks[%lld] = %lld: must be ascending and below %lld", static_cast<long long>(i),
                 static_cast<long long>(blocks[i]), static_cast<long long>(store.blocks()));
    }
    store.Clear();
    for (int64_t i = 0; i < count; ++i) {
      std::copy_n(values + i * store.block_values(), store.block_values(), store.Touch(blocks[i]));
    }
    return HP_STATUS_OK;
  }
  hp_status UpdateField(void*, const FieldUpdate& job, int64_t* voxels) override {
    const BlockKernel kernel = KernelsOf(isa_).update_block[job.args.rule][job.half_storage];
    std::atomic<int64_t> changed{0};
    const std::vector<int64_t> blocks = BlocksWithGradient(job, job.args.sparse ? nullptr : job.moments);
    pool_.Run(static_cast<int64_t>(blocks.size()), [&](int, int64_t i) {
      BlockUpdate update;
      PrepareBlock(job, blocks[static_cast<size_t>(i)], &update);
      if (const int64_t n = kernel(update)) changed += n;
    });
    if (voxels) *voxels = changed;
    return HP_STATUS_OK;
  }
  hp_status UpdateArray(const UpdateArgs& args, int64_t n, double* values, const double* gradient,
                        double* moments) override {
    DoubleKernels().update_array[args.rule](args, n, values, gradient, moments);
    return HP_STATUS_OK;
  }
  hp_status SmoothGradient(void*, const FieldUpdate& job) override {
    const BlockKernel kernel = KernelsOf(isa_).smooth_block[job.half_storage];
    const std::vector<int64_t> blocks = BlocksWithGradient(job, nullptr);
    pool_.Run(static_cast<int64_t>(blocks.size()), [&](int, int64_t i) {
      BlockUpdate update;
      PrepareBlock(job, blocks[static_cast<size_t>(i)], &update);
      if (kernel(update) < 0) static_cast<GradientStore*>(job.gradient)->SetOverflow();
    });
    return HP_STATUS_OK;
  }
  hp_status RefineMask(void*, const DenseGridMaskedView& view, int half_storage, uint8_t* ages, double raw,
                       int32_t window, int64_t* there) override {
    const MaskArrays arrays = {ages, const_cast<int32_t*>(view.cells), const_cast<int32_t*>(view.bricks), view.seen};
    *there = cpu::RefineMask(pool_, view.grid, half_storage != 0, arrays, raw, window);
    return HP_STATUS_OK;
  }

  hp_status MaxCount(void*, hp_precision precision, const Job& job, int64_t* out) override {
    const KernelTable& table = Table(precision);
    std::atomic<int64_t> most{0};
    pool_.Run(RayItems(job.rays.count), [&](int, int64_t item) {
      const int64_t here = table.max_count(job, item);
      for (int64_t seen = most; here > seen && !most.compare_exchange_weak(seen, here);) {
      }
    });
    *out = most;
    return HP_STATUS_OK;
  }

 private:
  struct alignas(64) PaddedCounters {
    Counters counters;
  };

  // Blocks for which a gradient has anything: those of the bricks that were touched and of their upper neighbours. With
  // `moments`, also those that have any. Ascending.
  static std::vector<int64_t> BlocksWithGradient(const FieldUpdate& job, const void* moments) {
    const auto& store = *static_cast<const GradientStore*>(job.gradient);
    const int64_t nx = job.grid->bricks_x, ny = job.grid->bricks_y, nz = job.layout->blocks / (nx * ny);
    std::vector<unsigned char> wanted(static_cast<size_t>(job.layout->blocks), 0);
    for (int64_t brick = 0; brick < store.bricks(); ++brick) {
      if (!store.Touched(brick)) continue;
      const int64_t x = brick % nx, y = brick / nx % ny, z = brick / (nx * ny);
      for (int64_t i = 0; i < 8; ++i) {
        const int64_t at[3] = {x + (i & 1), y + (i >> 1 & 1), z + (i >> 2)};
        if (at[0] < nx && at[1] < ny && at[2] < nz) wanted[static_cast<size_t>((at[2] * ny + at[1]) * nx + at[0])] = 1;
      }
    }
    std::vector<int64_t> blocks;
    for (int64_t block = 0; block < job.layout->blocks; ++block) {
      if (wanted[static_cast<size_t>(block)] || (moments && static_cast<const MomentStore*>(moments)->Find(block))) {
        blocks.push_back(block);
      }
    }
    return blocks;
  }
  static void PrepareBlock(const FieldUpdate& job, int64_t index, BlockUpdate* out) {
    const auto& store = *static_cast<const GradientStore*>(job.gradient);
    const GradientLayout::Block block = job.layout->At(index);
    for (size_t i = 0; i < 8; ++i) {
      out->bricks[i] = block.bricks[i] < 0 ? nullptr : store.Find(block.bricks[i]);
      out->voxels[i] = out->bricks[i] ? store.VoxelsOf(out->bricks[i]) : nullptr;
    }
    const DenseGridView& grid = *job.grid;
    out->grid = &grid;
    out->args = job.args;
    out->quantum = job.quantum;
    const int64_t at[3] = {index % grid.bricks_x, index / grid.bricks_x % grid.bricks_y,
                           index / (int64_t{grid.bricks_x} * grid.bricks_y)};
    for (int i = 0; i < 3; ++i) {
      out->extent[i] = block.extent[i];
      out->origin[i] = 8 * at[i];
    }
    out->own = const_cast<int64_t*>(out->bricks[0]);
    out->gradient = job.gradient;
    out->prepare = [](void* gradient, int64_t* own, int row, int x) {
      static_cast<const GradientStore*>(gradient)->PrepareVoxel(own, row, x);
    };
    out->moments = job.moments;
    out->moment_values = job.moments ? static_cast<const MomentStore*>(job.moments)->moment_values() : 0;
    out->find = [](const void* moments, int64_t block_index) -> const float* {
      return static_cast<const MomentStore*>(moments)->Find(block_index);
    };
    out->touch = [](void* moments, int64_t block_index) {
      return static_cast<MomentStore*>(moments)->Touch(block_index);
    };
    out->block = index;
  }
  // A log for every thread, empty; none for fields of one value per voxel.
  std::vector<std::unique_ptr<ScatterLog>> TakeLogs(bool wide, const Job& job) {
    const int stride = static_cast<const GradientStore*>(job.gradients.store)->values_per_voxel();
    if (stride == 1) return {};
    const int values = wide && stride == 16 ? 16 : 4;
    {
      std::lock_guard<std::mutex> lock(logs_mutex_);
      if (!logs_.empty() && logs_.front()->values() == values) return std::exchange(logs_, {});
    }
    const auto threads = static_cast<size_t>(pool_.threads());
    std::vector<std::unique_ptr<ScatterLog>> logs(threads);
    for (auto& log : logs) log = std::make_unique<ScatterLog>(std::min(kLogBytes, kAllLogsBytes / threads), values);
    return logs;
  }
  void KeepLogs(std::vector<std::unique_ptr<ScatterLog>> logs) {
    std::lock_guard<std::mutex> lock(logs_mutex_);
    logs_ = std::move(logs);
  }
  static void AddSum(int64_t* low_high, const Sum128& more) {
    const auto low = static_cast<uint64_t>(low_high[0]) + more.low;
    low_high[1] = static_cast<int64_t>(static_cast<uint64_t>(low_high[1]) + static_cast<uint64_t>(more.high) +
                                       (low < more.low ? 1 : 0));
    low_high[0] = static_cast<int64_t>(low);
  }
  const KernelTable& Table(hp_precision precision) const {
    return precision == HP_PRECISION_F64 ? DoubleKernels() : KernelsOf(isa_);
  }
  static std::string ModelName() {
    std::ifstream info("/proc/cpuinfo");
    for (std::string line; std::getline(info, line);) {
      if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
    }
    return "CPU";
  }
  static uint64_t TotalMemory() {
#if defined(_SC_PHYS_PAGES) && defined(_SC_PAGESIZE)
    return static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
#else
    return 0;
#endif
  }

  static constexpr size_t kLogBytes = size_t{16} << 20, kAllLogsBytes = size_t{256} << 20;

  ThreadPool pool_;
  hp_isa isa_;
  std::mutex logs_mutex_;
  std::vector<std::unique_ptr<ScatterLog>> logs_;  // guarded by logs_mutex_: of the last pass, for the next one
};

}  // namespace
}  // namespace cpu

hp_status Create_cpu_backend(const hp_ctx_desc& desc, std::unique_ptr<Backend>* out) {
  HP_REQUIRE(desc.device_index == 0, "ctx_desc.device_index = %d: must be 0 for the CPU", desc.device_index);
  HP_REQUIRE(desc.threads >= 0 && desc.threads <= 1024,
             "ctx_desc.threads = %d: must be 0 (one per hardware thread) to 1024", desc.threads);
  HP_REQUIRE(desc.isa >= HP_ISA_AUTO && desc.isa <= HP_ISA_AVX512,
             "ctx_desc.isa = %d: must be auto, scalar, avx2 or avx512", desc.isa);
  HP_REQUIRE(desc.memory_budget_bytes == 0, "ctx_desc.memory_budget_bytes = %llu: is for CUDA devices; leave it 0",
             static_cast<unsigned long long>(desc.memory_budget_bytes));
  hp_isa isa = desc.isa;
  if (isa == HP_ISA_AUTO) {
    isa = cpu::IsaAvailable(HP_ISA_AVX512) ? HP_ISA_AVX512
          : cpu::IsaAvailable(HP_ISA_AVX2) ? HP_ISA_AVX2
                                           : HP_ISA_SCALAR;
  }
  if (!cpu::IsaAvailable(isa)) {
    return Fail(HP_STATUS_UNSUPPORTED, "ctx_desc.isa = %d: this CPU or build does not have it; use HP_ISA_AUTO",
                desc.isa);
  }
  const int threads =
      desc.threads > 0 ? desc.threads : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  *out = std::make_unique<cpu::CpuBackend>(threads, isa);
  return HP_STATUS_OK;
}

int32_t Count_cpu_devices() {
  return 1;
}

}  // namespace hp

extern "C" int32_t hp_isa_available(hp_isa isa) {
  return hp::cpu::IsaAvailable(isa) ? 1 : 0;
}
