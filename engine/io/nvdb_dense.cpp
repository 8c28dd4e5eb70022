#include <algorithm>

#include "byte_reader.h"
#include "dvren/io/nvdb.h"
#include "nanovdb_tree.h"

namespace dvren::io {
namespace {

// Writes boxes of index space into the dense array, clipped to it.
class Painter {
 public:
  Painter(float* values, const Index3& low, const Index3& extent) : values_(values), low_(low), extent_(extent) {}

  // `value(x, y, z)` of the voxel at that offset from `origin`.
  template <class ValueFn>
  void Paint(const Index3& origin, std::int64_t edge, ValueFn value) const {
    Index3 from{}, to{};
    for (int i = 0; i < 3; ++i) {
      from[i] = std::max<std::int64_t>(0, low_[i] - origin[i]);
      to[i] = std::min(edge, low_[i] + extent_[i] - origin[i]);
    }
    for (std::int64_t z = from[2]; z < to[2]; ++z) {
      for (std::int64_t y = from[1]; y < to[1]; ++y) {
        float* row = values_ + ((origin[2] + z - low_[2]) * extent_[1] + origin[1] + y - low_[1]) * extent_[0] +
                     origin[0] - low_[0];
        for (std::int64_t x = from[0]; x < to[0]; ++x) row[x] = value(x, y, z);
      }
    }
  }

 private:
  float* values_;
  Index3 low_, extent_;
};

}  // namespace

absl::StatusOr<DenseVolume> NanoVdbToDense(const NanoVdbVolume& volume, std::uint64_t max_bytes) {
  DVREN_ASSIGN_OR_RETURN(const NanoVdbSummary summary, CheckNanoVdbStructure(volume.blob, volume.grid_name));
  DVREN_RETURN_IF_ERROR(CheckNanoVdbDensities(summary, volume.grid_name));
  DenseVolume dense;
  Index3 low{}, extent{};
  std::uint64_t bytes = sizeof(float);
  for (int i = 0; i < 3; ++i) {
    low[i] = summary.active_min[i] - 1;
    extent[i] = summary.active_max[i] - summary.active_min[i] + 3;
    if (!MultiplyFits(bytes, static_cast<std::uint64_t>(extent[i]), &bytes) || bytes > max_bytes) {
      return absl::ResourceExhaustedError(absl::StrCat(volume.grid_name, ": stored densely it takes more than the ",
                                                       max_bytes, " bytes allowed: import it as NanoVDB"));
    }
    dense.box.min[i] = static_cast<double>(low[i]) - 0.5;
    dense.box.max[i] = static_cast<double>(low[i] + extent[i]) - 0.5;
  }
  dense.shape = {extent[2], extent[1], extent[0], 1};
  dense.local_to_world = summary.index_to_world;
  dense.values = Blob(bytes);
  auto* values = reinterpret_cast<float*>(dense.values.data());
  std::fill(values, values + bytes / sizeof(float), NanoRootOf(volume.blob)->mBackground);
  const Painter painter(values, low, extent);
  VisitNanoVdb(
      volume.blob,
      [&](const Index3& origin, std::int64_t edge, int, float value, bool) {
        painter.Paint(origin, edge, [&](std::int64_t, std::int64_t, std::int64_t) { return value; });
      },
      [&](const Index3& origin, const NanoLeafData& leaf) {
        painter.Paint(origin, 8, [&](std::int64_t x, std::int64_t y, std::int64_t z) {
          return leaf.mValues[x << 6 | y << 3 | z];
        });
      });
  return dense;
}

}  // namespace dvren::io
