#include <vector>

#include "abi/empty_bricks.h"
#include "backends/cuda/mask_launch.h"
#include "backends/cuda/scratch.h"

namespace hp::cuda {

hp_status RefineMask(Stream& stream, MaskJob job, bool half, int64_t* there) {
  Device& device = *stream.device;
  const DenseGridView& grid = job.grid;
  const int64_t bricks = int64_t{grid.bricks_x} * grid.bricks_y * job.bricks_z;
  Scratch next(stream), count(stream);
  HP_RETURN_IF_ERROR(next.Allocate(static_cast<size_t>(bricks) * 512));
  HP_RETURN_IF_ERROR(count.AllocateZeros(sizeof(int64_t)));
  job.next = next.as<uint8_t>();
  job.there = count.as<int64_t>();
  HP_RETURN_IF_ERROR(LaunchAge(stream, job, bricks));
  HP_RETURN_IF_ERROR(LaunchRefine(stream, job, bricks, half));
  HP_RETURN_IF_ERROR(LaunchMaskBits(stream, job, bricks));
  std::vector<int32_t> octants(static_cast<size_t>(bricks));
  HP_RETURN_IF_ERROR(device.Copy(stream, octants.data(), job.bricks, octants.size() * sizeof(int32_t)));
  HP_RETURN_IF_ERROR(device.Copy(stream, there, job.there, sizeof *there));
  HP_RETURN_IF_ERROR(device.Synchronize(stream));
  MeasureEmptyBricks(grid.bricks_x, grid.bricks_y, job.bricks_z, octants.data());
  HP_RETURN_IF_ERROR(device.Copy(stream, job.bricks, octants.data(), octants.size() * sizeof(int32_t)));
  return device.Synchronize(stream);  // `octants` goes away
}

}  // namespace hp::cuda
