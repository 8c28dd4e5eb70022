#include "vdb_color.h"

#include <openvdb/tools/Dense.h>
#include <openvdb/tools/Morphology.h>

#include <algorithm>
#include <cstdint>

#include "half.h"
#include "openvdb_guard.h"

namespace dvren::io {
namespace {

constexpr float kConstant = 0.28209479f;  // Y_0

std::string GridName(std::int64_t coefficient) {
  return coefficient == 0 ? std::string("color") : absl::StrCat("sh", coefficient);
}

class Values {
 public:
  explicit Values(const DenseVolume& volume)
      : half_(volume.dtype == DType::kF16),
        floats_(reinterpret_cast<const float*>(volume.values.data())),
        halves_(reinterpret_cast<const std::uint16_t*>(volume.values.data())) {}
  float operator[](std::int64_t i) const { return half_ ? HalfToFloat(halves_[i]) : floats_[i]; }

 private:
  bool half_;
  const float* floats_;
  const std::uint16_t* halves_;
};

}  // namespace

openvdb::GridPtrVec ColorGridsOf(const DenseVolume& volume, const openvdb::FloatGrid& last,
                                 const openvdb::Coord& first) {
  openvdb::GridPtrVec grids;
  const std::int64_t channels = volume.shape[3], coefficients = (channels - 1) / 3;
  if (coefficients == 0) return grids;
  openvdb::MaskTree there(last.tree(), false, true, openvdb::TopologyCopy());
  there.voxelizeActiveTiles();
  openvdb::tools::dilateActiveValues(there, 1, openvdb::tools::NN_FACE_EDGE_VERTEX, openvdb::tools::EXPAND_TILES);
  const Values values(volume);
  for (std::int64_t k = 0; k < coefficients; ++k) {
    const bool shared = k == 0 && coefficients > 1;
    const auto tree = std::make_shared<openvdb::Vec3STree>(there, openvdb::Vec3s(0), openvdb::TopologyCopy());
    for (auto leaf = tree->beginLeaf(); leaf; ++leaf) {
      for (auto voxel = leaf->beginValueOn(); voxel; ++voxel) {
        const openvdb::Coord at = voxel.getCoord() - first;
        std::int64_t offset = 0;
        for (int axis = 2; axis >= 0; --axis) {
          const std::int64_t n = volume.shape[static_cast<std::size_t>(2 - axis)];
          offset = offset * n + std::clamp<std::int64_t>(at[axis], 0, n - 1);
        }
        openvdb::Vec3s color;
        for (int c = 0; c < 3; ++c) {
          const float value = values[offset * channels + c * coefficients + k];
          color[c] = shared ? 0.5f + kConstant * value : value;
        }
        voxel.setValue(color);
      }
    }
    const auto grid = openvdb::Vec3SGrid::create(tree);
    grid->setName(GridName(k));
    grid->setVectorType(openvdb::VEC_INVARIANT);
    grid->setSaveFloatAsHalf(last.saveFloatAsHalf());
    grid->setTransform(last.transform().copy());
    grids.push_back(grid);
  }
  return grids;
}

absl::StatusOr<std::int64_t> FindColors(openvdb::io::File& file, const openvdb::math::Transform& transform,
                                        absl::string_view name) {
  std::int64_t found = 0;
  for (; found <= 16 && file.hasGrid(GridName(found)); ++found) {
    const std::string grid = absl::StrCat(name, ": grid ", GridName(found));
    const openvdb::GridBase::Ptr header = file.readGridMetadata(GridName(found));
    if (!header->isType<openvdb::Vec3SGrid>()) {
      return absl::InvalidArgumentError(absl::StrCat(
          grid, ": holds ", header->valueType(), " values: must be vec3s, or name the density grid to leave it out"));
    }
    if (header->transform() != transform) {
      return absl::InvalidArgumentError(
          absl::StrCat(grid, ": has another transform than density: resample it, or name the density grid alone"));
    }
  }
  if (found != 0 && found != 1 && found != 4 && found != 9 && found != 16) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": grids color and sh1 to sh", found - 1,
                                                   ": spherical harmonics need sh1 to sh3, sh8 or sh15"));
  }
  return 3 * found;
}

absl::Status ReadColors(openvdb::io::File& file, const openvdb::CoordBBox& box, absl::string_view name,
                        DenseVolume* dense) {
  const std::int64_t channels = dense->shape[3], coefficients = (channels - 1) / 3;
  const std::int64_t voxels = dense->shape[0] * dense->shape[1] * dense->shape[2];
  auto* values = reinterpret_cast<float*>(dense->values.data());
  std::vector<openvdb::Vec3s> colors(static_cast<std::size_t>(coefficients == 0 ? 0 : voxels));
  for (std::int64_t k = 0; k < coefficients; ++k) {
    const std::string grid_name = absl::StrCat(name, ": grid ", GridName(k));
    const openvdb::GridBase::Ptr base = file.readGrid(GridName(k));
    DVREN_RETURN_IF_ERROR(CheckComplete(*file.readGridMetadata(GridName(k)), *base, grid_name));
    const auto grid = openvdb::gridPtrCast<openvdb::Vec3SGrid>(base);
    if (grid == nullptr) return DamagedVdb(grid_name, "its values are not what its header says");
    openvdb::tools::Dense<openvdb::Vec3s, openvdb::tools::LayoutXYZ> view(box, colors.data());
    openvdb::tools::copyToDense(*grid, view);
    const bool shared = k == 0 && coefficients > 1;
    for (std::int64_t i = 0; i < voxels; ++i) {
      for (int c = 0; c < 3; ++c) {
        const float value = colors[static_cast<std::size_t>(i)][c];
        values[i * channels + c * coefficients + k] = shared ? (value - 0.5f) / kConstant : value;
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace dvren::io
