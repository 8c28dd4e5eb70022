#include "backends/cpu/mask.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <vector>

#include "abi/empty_bricks.h"
#include "abi/half.h"
#include "backends/cpu/thread_pool.h"

namespace hp::cpu {
namespace {

constexpr int kEdge = 8, kCells = 512, kHalo = 10, kNodes = 9;

// Largest of neighbours along each axis in turn: out[i] = max(in[i] ... in[i + reach]) for a cube of `from` to one of
// `to` = from - reach.
void Dilate(std::vector<uint8_t>& cube, int from, int reach) {
  const int to = from - reach;
  std::vector<uint8_t> next;
  int n[3] = {from, from, from};
  for (int axis = 0; axis < 3; ++axis) {
    int m[3] = {n[0], n[1], n[2]};
    m[axis] = to;
    next.assign(static_cast<size_t>(m[0]) * m[1] * m[2], 0);
    const int step = axis == 0 ? 1 : axis == 1 ? n[0] : n[0] * n[1];
    for (int z = 0; z < m[2]; ++z) {
      for (int y = 0; y < m[1]; ++y) {
        for (int x = 0; x < m[0]; ++x) {
          uint8_t most = 0;
          const int at = (z * n[1] + y) * n[0] + x;
          for (int d = 0; d <= reach; ++d) most = std::max(most, cube[static_cast<size_t>(at + d * step)]);
          next[static_cast<size_t>((z * m[1] + y) * m[0] + x)] = most;
        }
      }
    }
    cube.swap(next);
    n[axis] = to;
  }
}

}  // namespace

int64_t RefineMask(ThreadPool& pool, const DenseGridView& grid, bool half, const MaskArrays& mask, double raw,
                   int seen_window) {
  const int bx = grid.bricks_x, by = grid.bricks_y, bz = (grid.nz + 7) / 8;
  const int64_t bricks = int64_t{bx} * by * bz;
  // A period older, or new again where seen.
  pool.Run(bricks, [&](int, int64_t brick) {
    uint8_t* ages = mask.ages + brick * kCells;
    uint32_t* seen = mask.seen + brick * 16;
    if (mask.bricks[brick] > 0) {
      for (int i = 0; i < kCells; ++i) {
        if (ages[i] == 0) continue;
        const int word = (i >> 6) * 2 + (i >> 5 & 1), bit = i & 31;
        ages[i] = seen[word] >> bit & 1 ? 1 : static_cast<uint8_t>(std::min(ages[i] + 1, 127));
      }
    }
    std::memset(seen, 0, 16 * sizeof *seen);
  });
  std::vector<uint8_t> next(static_cast<size_t>(bricks) * kCells, 0);
  std::atomic<int64_t> there{0};
  pool.Run(bricks, [&](int, int64_t brick) {
    if (mask.bricks[brick] < -1) return;  // its neighbours are empty, too
    const int x0 = static_cast<int>(brick % bx) * kEdge, y0 = static_cast<int>(brick / bx % by) * kEdge,
              z0 = static_cast<int>(brick / (int64_t{bx} * by)) * kEdge;
    // Cells seen within the window, with a halo of one.
    std::vector<uint8_t> recent(kHalo * kHalo * kHalo, 0);
    bool any = false;
    for (int z = 0; z < kHalo; ++z) {
      for (int y = 0; y < kHalo; ++y) {
        for (int x = 0; x < kHalo; ++x) {
          const int cx = x0 + x - 1, cy = y0 + y - 1, cz = z0 + z - 1;
          if (cx < 0 || cy < 0 || cz < 0 || cx >= grid.nx || cy >= grid.ny || cz >= grid.nz) continue;
          const int64_t of = (int64_t{cz >> 3} * by + (cy >> 3)) * bx + (cx >> 3);
          if (mask.bricks[of] <= 0) continue;
          const uint8_t age = mask.ages[of * kCells + ((cz & 7) << 6 | (cy & 7) << 3 | (cx & 7))];
          if (age == 0 || age > seen_window) continue;
          recent[static_cast<size_t>((z * kHalo + y) * kHalo + x)] = 1;
          any = true;
        }
      }
    }
    if (!any) return;
    Dilate(recent, kHalo, 2);
    // Voxels that are dense; a cell has eight of them.
    std::vector<uint8_t> dense(kNodes * kNodes * kNodes, 0);
    for (int z = 0; z < kNodes; ++z) {
      for (int y = 0; y < kNodes; ++y) {
        for (int x = 0; x < kNodes; ++x) {
          const int64_t vx = std::min(x0 + x, grid.nx - 1), vy = std::min(y0 + y, grid.ny - 1),
                        vz = std::min(z0 + z, grid.nz - 1);
          const int64_t at = (vz * grid.pitch_z + vy * grid.pitch_y + vx) * grid.channel_stride + (grid.channels - 1);
          const double value = half ? HalfToDouble(static_cast<const uint16_t*>(grid.values)[at])
                                    : static_cast<double>(static_cast<const float*>(grid.values)[at]);
          dense[static_cast<size_t>((z * kNodes + y) * kNodes + x)] = value > raw ? 1 : 0;
        }
      }
    }
    Dilate(dense, kNodes, 1);
    int64_t count = 0;
    const uint8_t* ages = mask.ages + brick * kCells;
    uint8_t* out = next.data() + brick * kCells;
    for (int i = 0; i < kCells; ++i) {
      const int x = x0 + (i & 7), y = y0 + (i >> 3 & 7), z = z0 + (i >> 6);
      if (x >= grid.nx || y >= grid.ny || z >= grid.nz) continue;
      if (!recent[static_cast<size_t>(i)] || !dense[static_cast<size_t>(i)]) continue;
      // A cell that is new here has not been seen: it stays as long as its neighbours are.
      out[i] = ages[i] != 0 ? ages[i] : static_cast<uint8_t>(seen_window + 1);
      ++count;
    }
    there += count;
  });
  pool.Run(bricks, [&](int, int64_t brick) {
    if (mask.bricks[brick] < -1) return;
    const uint8_t* ages = next.data() + brick * kCells;
    int32_t* cells = mask.cells + brick * 16;
    std::memset(cells, 0, 16 * sizeof *cells);
    int32_t octants = 0;
    for (int i = 0; i < kCells; ++i) {
      if (ages[i] == 0) continue;
      cells[(i >> 6) * 2 + (i >> 5 & 1)] |= static_cast<int32_t>(uint32_t{1} << (i & 31));
      octants |= 1 << ((i >> 2 & 1) | (i >> 5 & 1) << 1 | (i >> 8 & 1) << 2);
    }
    mask.bricks[brick] = octants;
    std::memcpy(mask.ages + brick * kCells, ages, kCells);
  });
  MeasureEmptyBricks(bx, by, bz, mask.bricks);
  return there;
}

}  // namespace hp::cpu
