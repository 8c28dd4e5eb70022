#include "backends/cuda/parameter_store.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "abi/gradient_layout.h"
#include "backends/cuda/parameter_launch.h"

namespace hp::cuda {
namespace {

// Frees memory once its last use is over. Errors have nobody to go to: a device that has failed keeps what it has.
void FreeAll(Stream& service, LastUse& last_use, void* const* memory, size_t count) {
  if (last_use.Before(service) != HP_STATUS_OK) return;
  for (size_t i = 0; i < count; ++i) {
    if (memory[i] && service.device->Free(service, memory[i]) != HP_STATUS_OK) return;
  }
}

// Calls fn(first, count) for every run of consecutive blocks; `first` counts entries of the list.
template <class Fn>
hp_status ForRuns(const int64_t* blocks, int64_t count, Fn fn) {
  for (int64_t i = 0; i < count;) {
    int64_t n = 1;
    while (i + n < count && blocks[i + n] == blocks[i] + n) ++n;
    HP_RETURN_IF_ERROR(fn(i, n));
    i += n;
  }
  return HP_STATUS_OK;
}

}  // namespace

hp_status LastUse::Before(Stream& stream) {
  return stream.capturing ? HP_STATUS_OK : device_.Wait(stream, event_);
}

hp_status LastUse::After(Stream& stream) {
  return stream.capturing ? HP_STATUS_OK : device_.Record(stream, &event_);
}

hp_status GradientMemory::Create(Stream& stream, Stream& service, const GradientLayout& layout,
                                 std::unique_ptr<GradientMemory>* out) {
  Device& device = *stream.device;
  std::unique_ptr<GradientMemory> memory(new GradientMemory(device, service));
  constexpr size_t kFlag = 64;  // the overflow's place, before the bricks' flags
  const auto bricks = static_cast<size_t>(layout.bricks);
  const size_t sums = bricks * kVoxelsOfBrick * static_cast<size_t>(layout.values_per_voxel) * sizeof(int64_t);
  std::vector<DeviceBlock> blocks(static_cast<size_t>(layout.blocks));
  for (size_t i = 0; i < blocks.size(); ++i) {
    const GradientLayout::Block from = layout.At(static_cast<int64_t>(i));
    for (size_t k = 0; k < 8; ++k) blocks[i].bricks[k] = static_cast<int32_t>(from.bricks[k]);
    for (size_t k = 0; k < 3; ++k) blocks[i].extent[k] = from.extent[k];
    blocks[i].unused = 0;
    blocks[i].first = from.first;
  }
  const size_t block_bytes = blocks.size() * sizeof(DeviceBlock);
  const size_t sizes[4] = {sums, kFlag + bricks, block_bytes, sizeof(GradientView)};
  for (size_t i = 0; i < 4; ++i) {
    HP_RETURN_IF_ERROR(device.Allocate(stream, sizes[i], &memory->memory_[i]));
    memory->bytes_ += sizes[i];
  }
  HP_RETURN_IF_ERROR(device.Fill(stream, memory->memory_[0], 0, sizes[0]));
  HP_RETURN_IF_ERROR(device.Fill(stream, memory->memory_[1], 0, sizes[1]));
  memory->view_.sums = static_cast<int64_t*>(memory->memory_[0]);
  memory->view_.overflow = static_cast<int32_t*>(memory->memory_[1]);
  memory->view_.touched = static_cast<uint8_t*>(memory->memory_[1]) + kFlag;
  memory->view_.bricks = layout.bricks;
  memory->view_.values_per_voxel = layout.values_per_voxel;
  memory->blocks_.blocks = static_cast<const DeviceBlock*>(memory->memory_[2]);
  memory->blocks_.count = layout.blocks;
  memory->blocks_.channels = layout.channels;
  std::copy_n(layout.strides, 3, memory->blocks_.strides);
  memory->on_device_ = memory->memory_[3];
  HP_RETURN_IF_ERROR(device.Copy(stream, memory->memory_[2], blocks.data(), block_bytes));
  HP_RETURN_IF_ERROR(device.Copy(stream, memory->memory_[3], &memory->view_, sizeof(GradientView)));
  HP_RETURN_IF_ERROR(memory->last_use_.After(stream));
  HP_RETURN_IF_ERROR(device.Synchronize(stream));  // `blocks` goes away
  *out = std::move(memory);
  return HP_STATUS_OK;
}

GradientMemory::~GradientMemory() {
  FreeAll(service_, last_use_, memory_, std::size(memory_));
}

hp_status GradientMemory::Overflowed(Stream& stream, bool* overflowed) {
  HP_RETURN_IF_ERROR(last_use_.Before(stream));
  if (unchecked_ || in_graph_) {
    HP_RETURN_IF_ERROR(LaunchCheck(stream, view_));
    HP_RETURN_IF_ERROR(last_use_.After(stream));
    unchecked_ = false;
  }
  int32_t flag = 0;
  HP_RETURN_IF_ERROR(stream.device->Copy(stream, &flag, view_.overflow, sizeof flag));
  HP_RETURN_IF_ERROR(stream.device->Synchronize(stream));
  *overflowed = flag != 0;
  return HP_STATUS_OK;
}

hp_status MomentMemory::Create(Stream& stream, Stream& service, const GradientLayout& layout, int kept,
                               std::unique_ptr<MomentMemory>* out) {
  Device& device = *stream.device;
  std::unique_ptr<MomentMemory> memory(new MomentMemory(device, service));
  memory->blocks_ = layout.blocks;
  memory->view_.kept = kept;
  memory->view_.moment_values = int64_t{512} * layout.values_per_voxel;
  const size_t sizes[2] = {static_cast<size_t>(layout.blocks * memory->block_values()) * sizeof(float),
                           static_cast<size_t>(layout.blocks)};
  for (size_t i = 0; i < 2; ++i) {
    HP_RETURN_IF_ERROR(device.Allocate(stream, sizes[i], &memory->memory_[i]));
    HP_RETURN_IF_ERROR(device.Fill(stream, memory->memory_[i], 0, sizes[i]));
  }
  memory->view_.values = static_cast<float*>(memory->memory_[0]);
  memory->view_.present = static_cast<uint8_t*>(memory->memory_[1]);
  HP_RETURN_IF_ERROR(memory->last_use_.After(stream));
  *out = std::move(memory);
  return HP_STATUS_OK;
}

MomentMemory::~MomentMemory() {
  FreeAll(service_, last_use_, memory_, std::size(memory_));
}

hp_status MomentMemory::Present(Stream& stream, std::vector<int64_t>* blocks) const {
  std::vector<uint8_t> flags(static_cast<size_t>(blocks_));
  HP_RETURN_IF_ERROR(stream.device->Copy(stream, flags.data(), view_.present, flags.size()));
  HP_RETURN_IF_ERROR(stream.device->Synchronize(stream));
  blocks->clear();
  for (int64_t block = 0; block < blocks_; ++block) {
    if (flags[static_cast<size_t>(block)]) blocks->push_back(block);
  }
  return HP_STATUS_OK;
}

hp_status MomentMemory::Read(Stream& stream, const std::vector<int64_t>& blocks, float* values) const {
  const int64_t n = block_values();
  HP_RETURN_IF_ERROR(ForRuns(blocks.data(), static_cast<int64_t>(blocks.size()), [&](int64_t first, int64_t count) {
    return stream.device->Copy(stream, values + first * n, view_.values + blocks[static_cast<size_t>(first)] * n,
                               static_cast<size_t>(count * n) * sizeof(float));
  }));
  return stream.device->Synchronize(stream);
}

hp_status MomentMemory::Write(Stream& stream, const int64_t* blocks, const float* values, int64_t count) {
  Device& device = *stream.device;
  const int64_t n = block_values();
  HP_RETURN_IF_ERROR(device.Fill(stream, view_.values, 0, static_cast<size_t>(blocks_ * n) * sizeof(float)));
  HP_RETURN_IF_ERROR(device.Fill(stream, view_.present, 0, static_cast<size_t>(blocks_)));
  const auto write = [&](int64_t first, int64_t run) -> hp_status {
    HP_RETURN_IF_ERROR(device.Fill(stream, view_.present + blocks[first], 1, static_cast<size_t>(run)));
    return device.Copy(stream, view_.values + blocks[first] * n, values + first * n,
                       static_cast<size_t>(run * n) * sizeof(float));
  };
  HP_RETURN_IF_ERROR(ForRuns(blocks, count, write));
  return device.Synchronize(stream);
}

}  // namespace hp::cuda
