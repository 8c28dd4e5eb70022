#include <openvdb/openvdb.h>
#include <openvdb/tools/Dense.h>

#include <cmath>
#include <cstring>
#include <sstream>
#include <utility>
#include <vector>

#include "dvren/io/check.h"
#include "dvren/io/densities.h"
#include "dvren/io/nvdb.h"
#include "dvren/io/vdb.h"
#include "half.h"
#include "nanovdb_tree.h"
#include "openvdb_guard.h"
#include "vdb_color.h"
#include "volume_json.h"

namespace dvren::io {

// Not by NanoVDB's converter: that takes origins from nodes which may have none.
openvdb::FloatGrid::Ptr OpenVdbOfNanoVdb(const Blob& blob) {
  const auto* data = reinterpret_cast<const nanovdb::GridData*>(blob.data());
  auto grid = openvdb::FloatGrid::create(NanoRootOf(blob)->mBackground);
  grid->setName(data->mGridName);
  const auto coord = [](const Index3& i) {
    return openvdb::Coord(static_cast<int>(i[0]), static_cast<int>(i[1]), static_cast<int>(i[2]));
  };
  openvdb::FloatTree& tree = grid->tree();
  const float background = grid->background();
  VisitNanoVdb(
      blob,
      [&](const Index3& origin, std::int64_t, int level, float value, bool active) {
        if (active || value != background)
          tree.addTile(static_cast<openvdb::Index>(level), coord(origin), value, active);
      },
      [&](const Index3& origin, const NanoLeafData& leaf) {
        auto* node = new openvdb::FloatTree::LeafNodeType(coord(origin), background);
        for (openvdb::Index n = 0; n < 512; ++n) {  // both count x · 64 + y · 8 + z
          if (leaf.mValueMask.isOn(n)) {
            node->setValueOn(n, leaf.mValues[n]);
          } else {
            node->setValueOff(n, leaf.mValues[n]);
          }
        }
        tree.addLeaf(node);
      });
  openvdb::Mat4R mat = openvdb::Mat4R::identity();
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) mat(j, i) = data->mMap.mMatD[3 * i + j];
    mat(3, i) = data->mMap.mVecD[i];
  }
  grid->setTransform(openvdb::math::Transform::createLinearTransform(mat));
  return grid;
}

namespace {

// Gives access to the archive's own writer for any seekable stream. openvdb::io::File writes to a path, unsynced, and
// forgets to look whether the disk took it.
class MemoryArchive : public openvdb::io::Archive {
 public:
  std::string Write(const openvdb::GridCPtrVec& grids) const {
    std::ostringstream out(std::ios::binary);
    Archive::write(out, grids, /*seekable=*/true);
    if (!out) throw openvdb::IoError("cannot encode the grid");
    return std::move(out).str();
  }
};

// Times finer than the grid, where densities are a curve of what is interpolated: renders then differ little.
constexpr int kRefineActivated = 2;

// index -> local: voxel centres of the box. Indices start at `first`.
struct IndexFrame {
  openvdb::Coord first;
  Affine index_to_local;
};

IndexFrame FrameOf(const DenseVolume& dense) {
  IndexFrame frame;
  bool whole = true;  // already an index space: a voxel is one unit, centres are integers
  for (int i = 0; i < 3; ++i) {
    const double edge = (dense.box.max[i] - dense.box.min[i]) / static_cast<double>(dense.shape[2 - i]);
    const double centre = dense.box.min[i] + 0.5 * edge;
    frame.index_to_local.m[5 * i] = edge;
    frame.index_to_local.m[4 * i + 3] = centre;
    whole = whole && edge == 1.0 && centre == std::floor(centre) && std::abs(centre) < 1 << 30;
  }
  if (!whole) return frame;
  frame.index_to_local = Affine();
  for (int i = 0; i < 3; ++i) frame.first[i] = static_cast<int>(dense.box.min[i] + 0.5);
  return frame;
}

openvdb::Coord LastOf(const DenseVolume& dense, const IndexFrame& frame) {
  return frame.first + openvdb::Coord(static_cast<int>(dense.shape[2] - 1), static_cast<int>(dense.shape[1] - 1),
                                      static_cast<int>(dense.shape[0] - 1));
}

// The last channel as a grid; voxels of `background` stay inactive.
openvdb::FloatGrid::Ptr LastChannel(const DenseVolume& dense, const IndexFrame& frame, float background,
                                    const char* name) {
  auto* values = const_cast<float*>(reinterpret_cast<const float*>(dense.values.data()));  // Dense only reads it
  std::vector<float> picked;
  if (dense.dtype == DType::kF16 || dense.shape[3] != 1) {
    const auto channels = static_cast<std::size_t>(dense.shape[3]);
    const auto* halves = reinterpret_cast<const std::uint16_t*>(dense.values.data());
    picked.resize(dense.values.size() / DTypeSize(dense.dtype) / channels);
    for (std::size_t i = 0; i < picked.size(); ++i) {
      const std::size_t at = (i + 1) * channels - 1;
      picked[i] = dense.dtype == DType::kF16 ? HalfToFloat(halves[at]) : values[at];
    }
    values = picked.data();
  }
  auto grid = openvdb::FloatGrid::create(background);
  openvdb::tools::Dense<float, openvdb::tools::LayoutXYZ> view(openvdb::CoordBBox(frame.first, LastOf(dense, frame)),
                                                               values);
  openvdb::tools::copyFromDense(view, *grid, 0.0f);
  grid->setName(name);
  grid->setGridClass(openvdb::GRID_FOG_VOLUME);
  grid->setSaveFloatAsHalf(dense.dtype == DType::kF16);
  const Affine world = dense.local_to_world.After(frame.index_to_local);
  openvdb::Mat4R mat = openvdb::Mat4R::identity();  // row vectors
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 4; ++j) mat(j, i) = world.m[4 * i + j];
  }
  grid->setTransform(openvdb::math::Transform::createLinearTransform(mat));
  return grid;
}

absl::StatusOr<openvdb::GridPtrVec> GridsOf(const DenseVolume& dense, const std::string& path) {
  DVREN_RETURN_IF_ERROR(CheckDense(dense, path));
  for (int i = 0; i < 3; ++i) {
    if (dense.shape[i] > 1 << 28) return InvalidField(absl::StrCat(path, ": extent"), dense.shape[i], "at most 2^28");
  }
  openvdb::GridPtrVec grids;
  const IndexFrame frame = FrameOf(dense);
  openvdb::FloatGrid::Ptr last;  // what colours go around
  if (dense.activation == Activation::kIdentity) {
    last = LastChannel(dense, frame, 0, "density");
    grids.push_back(last);
  } else {
    DVREN_ASSIGN_OR_RETURN(const DenseVolume densities, DensitiesOf(dense, kRefineActivated, path));
    grids.push_back(LastChannel(densities, FrameOf(densities), 0, "density"));
    last = LastChannel(dense, frame, kNothingRaw, kRawGrid);
    last->setGridClass(openvdb::GRID_UNKNOWN);
    last->insertMeta(kActivationKey, openvdb::StringMetadata(std::string(ActivationName(dense.activation))));
    last->insertMeta(kFirstKey, openvdb::Vec3IMetadata(frame.first.asVec3i()));
    last->insertMeta(kLastKey, openvdb::Vec3IMetadata(LastOf(dense, frame).asVec3i()));
    grids.push_back(last);
  }
  for (const openvdb::GridBase::Ptr& color : ColorGridsOf(dense, *last, frame.first)) grids.push_back(color);
  return grids;
}

absl::StatusOr<openvdb::GridPtrVec> GridsOf(const NanoVdbVolume& volume, const std::string& path) {
  DVREN_RETURN_IF_ERROR(NanoVdbFromBlob(volume.blob, path).status());
  openvdb::FloatGrid::Ptr grid = OpenVdbOfNanoVdb(volume.blob);
  grid->setGridClass(openvdb::GRID_FOG_VOLUME);
  return openvdb::GridPtrVec{grid};
}

}  // namespace

absl::StatusOr<NanoVdbVolume> DenseToNanoVdb(const DenseVolume& dense, const std::string& name) {
  return Guarded<NanoVdbVolume>(name, [&]() -> absl::StatusOr<NanoVdbVolume> {
    DVREN_ASSIGN_OR_RETURN(const DenseVolume densities, DensitiesOf(dense, kRefineActivated, name));
    DVREN_ASSIGN_OR_RETURN(
        Blob blob, NanoVdbOfOpenVdb(*LastChannel(densities, FrameOf(densities), 0, "density"), UINT64_MAX, name));
    return NanoVdbFromBlob(std::move(blob), name);
  });
}

absl::Status WriteVdb(const std::string& path, const Volume& volume, FileOps& ops) {
  const absl::StatusOr<std::string> bytes = Guarded<std::string>(path, [&]() -> absl::StatusOr<std::string> {
    DVREN_ASSIGN_OR_RETURN(const openvdb::GridPtrVec grids,
                           std::visit([&](const auto& v) { return GridsOf(v, path); }, volume));
    return MemoryArchive().Write(openvdb::GridCPtrVec(grids.begin(), grids.end()));
  });
  DVREN_RETURN_IF_ERROR(bytes.status());
  return WriteFileAtomically(path, std::as_bytes(std::span(bytes->data(), bytes->size())), ops);
}

}  // namespace dvren::io
