#include "dvren/io/vdb.h"

#include <openvdb/openvdb.h>
#include <openvdb/tools/Dense.h>
#include <openvdb/tools/LevelSetUtil.h>
// After OpenVDB, whose types it converts.
#define NANOVDB_USE_TBB
#include <nanovdb/util/OpenToNanoVDB.h>

#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "byte_reader.h"
#include "dvren/io/check.h"
#include "dvren/io/nvdb.h"
#include "grid_choice.h"
#include "nanovdb_tree.h"
#include "openvdb_guard.h"
#include "printable.h"
#include "vdb_color.h"
#include "vdb_header.h"
#include "volume_json.h"

namespace dvren::io {
namespace {

constexpr std::int64_t kMaxIndex = std::int64_t{1} << 30;

// Grid memory that ends up as our Blob, zeroed so that padding is the same every time. nanovdb::GridHandle's buffer
// concept.
class BlobBuffer {
 public:
  static BlobBuffer create(std::uint64_t bytes, const BlobBuffer* = nullptr) {
    BlobBuffer buffer;
    buffer.blob_ = Blob(bytes);
    std::memset(buffer.blob_.data(), 0, bytes);
    return buffer;
  }
  [[nodiscard]] std::uint8_t* data() { return reinterpret_cast<std::uint8_t*>(blob_.data()); }
  [[nodiscard]] const std::uint8_t* data() const { return reinterpret_cast<const std::uint8_t*>(blob_.data()); }
  [[nodiscard]] std::uint64_t size() const { return blob_.size(); }
  void clear() { blob_ = Blob(); }
  Blob blob_;
};

Affine IndexToWorld(const openvdb::math::Transform& transform) {
  const openvdb::Mat4R mat = transform.baseMap()->getAffineMap()->getMat4();  // row vectors: world = index · mat
  Affine affine;
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 4; ++j) affine.m[4 * i + j] = mat(j, i);
  }
  return affine;
}

// A file that has begun to be read: the open archive and its grids' names.
absl::StatusOr<std::vector<std::string>> OpenFile(openvdb::io::File& file, const std::string& path,
                                                  const std::string& name) {
  DVREN_ASSIGN_OR_RETURN(const std::unique_ptr<FileReader> bytes, FileReader::Open(path, name));
  DVREN_RETURN_IF_ERROR(CheckVdbHeader(*bytes));
  file.open(/*delayLoad=*/false);
  std::vector<std::string> names;
  for (auto it = file.beginName(); it != file.endName(); ++it) names.push_back(*it);
  return names;
}

// A level set (whose interior is negative) becomes density 1 inside, falling to 0 through the narrow band.
void LevelSetToFog(openvdb::FloatGrid& grid) {
  openvdb::tools::sdfToFogVolume(grid);
}

absl::StatusOr<openvdb::FloatGrid::Ptr> ReadGrid(const std::string& path, const VdbOptions& options,
                                                 const std::string& file_name) {
  openvdb::io::File file(path);
  DVREN_ASSIGN_OR_RETURN(const std::vector<std::string> names, OpenFile(file, path, file_name));
  DVREN_ASSIGN_OR_RETURN(const std::size_t chosen, ChooseGrid(names, options.grid, {"density"}, file_name));
  const std::string name = absl::StrCat(file_name, ": grid ", Printable(names[chosen]));
  // The description first: a refusal then costs no more than a header.
  const openvdb::GridBase::Ptr header = file.readGridMetadata(names[chosen]);
  if (!header->isType<openvdb::FloatGrid>() && !header->isType<openvdb::DoubleGrid>()) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": holds ", header->valueType(), " values: must be float or double"));
  }
  if (header->getGridClass() == openvdb::GRID_LEVEL_SET && !options.convert_level_set) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": is a level set, not a density: ask for it to be converted to a fog volume"));
  }
  if (!header->transform().isLinear()) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": its transform is a frustum: must be affine"));
  }
  DVREN_RETURN_IF_ERROR(CheckTransform(IndexToWorld(header->transform()), absl::StrCat(name, ": index_to_world")));

  const openvdb::GridBase::Ptr base = file.readGrid(names[chosen]);
  DVREN_RETURN_IF_ERROR(CheckComplete(*header, *base, name));
  openvdb::FloatGrid::Ptr grid = openvdb::gridPtrCast<openvdb::FloatGrid>(base);
  if (grid == nullptr) {
    const auto wide = openvdb::gridPtrCast<openvdb::DoubleGrid>(base);
    if (wide == nullptr) return DamagedVdb(name, "its values are not what its header says");
    // Not FloatGrid::create(*wide): that copies the description and leaves the tree empty.
    grid = std::make_shared<openvdb::FloatGrid>(*wide);
  }
  if (grid->getGridClass() == openvdb::GRID_LEVEL_SET) LevelSetToFog(*grid);
  const openvdb::CoordBBox box = grid->evalActiveVoxelBoundingBox();
  if (box.empty()) return absl::InvalidArgumentError(absl::StrCat(name, ": grid has no active voxels"));
  for (int i = 0; i < 3; ++i) {
    if (box.min()[i] < -kMaxIndex || box.max()[i] > kMaxIndex) {
      return absl::InvalidArgumentError(absl::StrCat(name, ": active voxels from ", box.min()[i], " to ", box.max()[i],
                                                     ": indices must be within +-2^30"));
    }
  }
  return grid;
}

absl::Status TooBig(absl::string_view name, std::uint64_t bytes, std::uint64_t max_bytes, absl::string_view remedy) {
  return absl::ResourceExhaustedError(
      absl::StrCat(name, ": takes ", bytes, " bytes, more than the ", max_bytes, " allowed", remedy));
}

// What kRawGrid says of itself.
absl::Status ReadRawLayout(const openvdb::FloatGrid& grid, absl::string_view name, openvdb::CoordBBox* box,
                           Activation* activation) {
  const auto made_by = grid.getMetadata<openvdb::StringMetadata>(kActivationKey);
  const auto first = grid.getMetadata<openvdb::Vec3IMetadata>(kFirstKey);
  const auto last = grid.getMetadata<openvdb::Vec3IMetadata>(kLastKey);
  const auto known = made_by == nullptr ? std::nullopt : ActivationOfName(made_by->value());
  if (!known || *known == Activation::kIdentity || first == nullptr || last == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": its metadata must name an activation, first and last; ",
                                                   "name the density grid to leave it out"));
  }
  openvdb::CoordBBox said{openvdb::Coord(first->value()), openvdb::Coord(last->value())};
  for (int i = 0; i < 3; ++i) {
    if (said.min()[i] < -kMaxIndex || said.max()[i] > kMaxIndex) said = openvdb::CoordBBox();
  }
  if (said.empty() || !said.isInside(*box)) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": first and last of its metadata do not hold its active voxels"));
  }
  *box = said;
  *activation = *known;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Blob> NanoVdbOfOpenVdb(const openvdb::FloatGrid& grid, std::uint64_t max_bytes, absl::string_view name) {
  if (grid.getName().size() >= nanovdb::GridData::MaxNameSize) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": its name is ", grid.getName().size(), " bytes long: must be at most 255"));
  }
  static constexpr std::uint64_t kNodeBytes[] = {sizeof(NanoLeafData), sizeof(NanoLowerData), sizeof(NanoUpperData), 0};
  const std::vector<openvdb::Index32> nodes = grid.tree().nodeCount();
  std::uint64_t bytes = sizeof(nanovdb::GridData) + sizeof(NanoTreeData) + sizeof(NanoRootData);
  for (std::size_t i = 0; i < nodes.size() && i < 4; ++i) bytes += nodes[i] * kNodeBytes[i];
  if (bytes > max_bytes) return TooBig(name, bytes, max_bytes, "");
  return nanovdb::openToNanoVDB<BlobBuffer, openvdb::FloatTree, float>(grid).buffer().blob_;
}

absl::StatusOr<std::vector<VdbGridInfo>> ListVdbGrids(const std::string& path) {
  using Grids = std::vector<VdbGridInfo>;
  return Guarded<Grids>(path, [&]() -> absl::StatusOr<Grids> {
    openvdb::io::File file(path);
    DVREN_ASSIGN_OR_RETURN(const std::vector<std::string> names, OpenFile(file, path, path));
    Grids grids;
    for (const std::string& name : names) {
      const openvdb::GridBase::Ptr grid = file.readGridMetadata(name);
      grids.push_back({name, grid->valueType(), openvdb::GridBase::gridClassToString(grid->getGridClass())});
    }
    return grids;
  });
}

absl::StatusOr<NanoVdbVolume> VdbToNanoVdb(const std::string& path, const VdbOptions& options) {
  const std::string file_name = options.source_name.empty() ? path : options.source_name;
  return Guarded<NanoVdbVolume>(file_name, [&]() -> absl::StatusOr<NanoVdbVolume> {
    DVREN_ASSIGN_OR_RETURN(const openvdb::FloatGrid::Ptr grid, ReadGrid(path, options, file_name));
    const std::string name = absl::StrCat(file_name, ": grid ", Printable(grid->getName()));
    DVREN_ASSIGN_OR_RETURN(Blob blob, NanoVdbOfOpenVdb(*grid, options.max_bytes, name));
    return NanoVdbFromBlob(std::move(blob), name);
  });
}

absl::StatusOr<DenseVolume> VdbToDense(const std::string& path, const VdbOptions& options) {
  const std::string file_name = options.source_name.empty() ? path : options.source_name;
  return Guarded<DenseVolume>(file_name, [&]() -> absl::StatusOr<DenseVolume> {
    openvdb::io::File file(path);
    DVREN_RETURN_IF_ERROR(OpenFile(file, path, file_name).status());
    // A grid that was asked for comes alone.
    const bool whole = options.grid.empty() && file.hasGrid("density");
    VdbOptions of = options;
    if (whole && file.hasGrid(kRawGrid)) of.grid = kRawGrid;
    DVREN_ASSIGN_OR_RETURN(const openvdb::FloatGrid::Ptr grid, ReadGrid(path, of, file_name));
    const std::string name = absl::StrCat(file_name, ": grid ", Printable(grid->getName()));
    DenseVolume dense;
    dense.shape[3] = 1;
    openvdb::CoordBBox box = grid->evalActiveVoxelBoundingBox();
    if (whole && !of.grid.empty()) {
      DVREN_RETURN_IF_ERROR(ReadRawLayout(*grid, name, &box, &dense.activation));
    } else {
      box.expand(1);
    }
    if (whole) {
      DVREN_ASSIGN_OR_RETURN(const std::int64_t colors, FindColors(file, grid->transform(), file_name));
      dense.shape[3] += colors;
    }
    std::uint64_t bytes = sizeof(float) * static_cast<std::uint64_t>(dense.shape[3]);
    for (int i = 0; i < 3; ++i) {
      const std::int64_t extent = std::int64_t{box.max()[i]} - box.min()[i] + 1;
      if (!MultiplyFits(bytes, static_cast<std::uint64_t>(extent), &bytes)) bytes = UINT64_MAX;
      if (bytes > options.max_bytes) return TooBig(name, bytes, options.max_bytes, ": import it as NanoVDB");
      dense.shape[2 - i] = extent;
      dense.box.min[i] = box.min()[i] - 0.5;
      dense.box.max[i] = box.max()[i] + 0.5;
    }
    dense.local_to_world = IndexToWorld(grid->transform());
    dense.values = Blob(bytes);
    auto* values = reinterpret_cast<float*>(dense.values.data());
    using View = openvdb::tools::Dense<float, openvdb::tools::LayoutXYZ>;
    if (dense.shape[3] == 1) {
      View view(box, values);
      openvdb::tools::copyToDense(*grid, view);
    } else {
      const auto channels = static_cast<std::size_t>(dense.shape[3]);
      std::vector<float> last(bytes / sizeof(float) / channels);
      View view(box, last.data());
      openvdb::tools::copyToDense(*grid, view);
      for (std::size_t i = 0; i < last.size(); ++i) values[(i + 1) * channels - 1] = last[i];
      DVREN_RETURN_IF_ERROR(ReadColors(file, box, file_name, &dense));
    }
    DVREN_RETURN_IF_ERROR(CheckDense(dense, name, {box.min()[0], box.min()[1], box.min()[2]}));
    return dense;
  });
}

absl::StatusOr<Blob> NanoVdbLevelSetToFog(const Blob& blob, absl::string_view name) {
  return Guarded<Blob>(name, [&]() -> absl::StatusOr<Blob> {
    const openvdb::FloatGrid::Ptr grid = OpenVdbOfNanoVdb(blob);
    grid->setGridClass(openvdb::GRID_LEVEL_SET);
    LevelSetToFog(*grid);
    return NanoVdbOfOpenVdb(*grid, UINT64_MAX, name);
  });
}

}  // namespace dvren::io
