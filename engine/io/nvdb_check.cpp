// A NanoVDB buffer is pointer-free but full of offsets that its accessors follow without looking. This walk follows
// each of them once, with every bound checked, so that a buffer that passes can be given to any accessor, on any
// device.
#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "dvren/io/check.h"
#include "dvren/io/nvdb.h"
#include "nanovdb_tree.h"
#include "printable.h"

namespace dvren::io {
namespace {

using nanovdb::GridData;

constexpr std::uint64_t kAlignment = 32;
constexpr std::int64_t kMaxIndex = std::int64_t{1} << 30;  // leaves room to grow the box in 32-bit index arithmetic

bool BadDensity(float v) {
  return !(v >= 0.0f && v <= std::numeric_limits<float>::max());
}

// The active values below a node.
struct ActiveRange {
  Index3 min{INT64_MAX, INT64_MAX, INT64_MAX}, max{INT64_MIN, INT64_MIN, INT64_MIN};
  std::uint64_t voxels = 0;
  float low = std::numeric_limits<float>::infinity(), high = -std::numeric_limits<float>::infinity();

  void AddBox(const Index3& from, const Index3& to) {
    for (int i = 0; i < 3; ++i) {
      min[i] = std::min(min[i], from[i]);
      max[i] = std::max(max[i], to[i]);
    }
  }
  void AddValue(float v) {  // a NaN is no extremum
    if (v < low) low = v;
    if (v > high) high = v;
  }
  void AddTile(const Index3& origin, std::int64_t edge, float value) {
    AddBox(origin, {origin[0] + edge - 1, origin[1] + edge - 1, origin[2] + edge - 1});
    AddValue(value);
    voxels += static_cast<std::uint64_t>(edge) * edge * edge;
  }
  void Add(const ActiveRange& r) {
    if (r.voxels == 0) return;
    AddBox(r.min, r.max);
    voxels += r.voxels;
    low = std::min(low, r.low);
    high = std::max(high, r.high);
  }
};

// The nodes of one level lie in one array; each must be linked exactly once.
struct Level {
  std::uint64_t begin = 0, count = 0, stride = 0;
  std::uint64_t linked = 0, active_tiles = 0;
  std::vector<bool> seen;
};

class StructureCheck {
 public:
  StructureCheck(const Blob& blob, absl::string_view name) : blob_(blob), name_(name) {}

  absl::StatusOr<NanoVdbSummary> Run() {
    DVREN_RETURN_IF_ERROR(Grid());
    DVREN_RETURN_IF_ERROR(Map());
    DVREN_RETURN_IF_ERROR(Tree());
    ActiveRange all;
    DVREN_RETURN_IF_ERROR(Root(&all));
    for (int level = 0; level < 3; ++level) {
      if (levels_[level].linked != levels_[level].count) {
        return Bad(
            absl::StrCat(levels_[level].count, " nodes of level ", level, ", ", levels_[level].linked, " linked"));
      }
    }
    DVREN_RETURN_IF_ERROR(Counts(all));
    DVREN_RETURN_IF_ERROR(Checksum());
    summary_.active_voxels = all.voxels;
    summary_.active_min = all.min;
    summary_.active_max = all.max;
    return summary_;
  }

 private:
  absl::Status Bad(absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat(name_, ": not a readable NanoVDB grid: ", what));
  }
  template <class T>
  const T* At(std::uint64_t offset) const {
    return reinterpret_cast<const T*>(blob_.data() + offset);
  }
  // [offset, offset + count · stride) lies inside.
  [[nodiscard]] bool Inside(std::uint64_t offset, std::uint64_t count, std::uint64_t stride) const {
    return offset <= blob_.size() && count <= (blob_.size() - offset) / stride;
  }

  absl::Status Grid() {
    if (blob_.size() < sizeof(GridData) + sizeof(NanoTreeData) + sizeof(NanoRootData)) {
      return Bad(absl::StrCat("only ", blob_.size(), " bytes long"));
    }
    if (reinterpret_cast<std::uintptr_t>(blob_.data()) % kAlignment != 0) return Bad("not aligned to 32 bytes");
    const auto* grid = At<GridData>(0);
    if (grid->mMagic != NANOVDB_MAGIC_NUMBER) return Bad("does not start with NanoVDB0");
    if (grid->mVersion.getMajor() != NANOVDB_MAJOR_VERSION_NUMBER) {
      return Bad(absl::StrCat("version ", grid->mVersion.getMajor(), ".", grid->mVersion.getMinor(), ", must be ",
                              NANOVDB_MAJOR_VERSION_NUMBER));
    }
    if (grid->mGridIndex != 0 || grid->mGridCount != 1) return Bad("several grids in one buffer");
    if (grid->mGridSize != blob_.size()) {
      return Bad(absl::StrCat("declares ", grid->mGridSize, " bytes, there are ", blob_.size()));
    }
    const auto type = static_cast<std::uint32_t>(grid->mGridType);
    if (grid->mGridType != nanovdb::GridType::Float) {
      return absl::InvalidArgumentError(
          absl::StrCat(name_, ": grid holds ",
                       type < static_cast<std::uint32_t>(nanovdb::GridType::End) ? toStr(grid->mGridType) : "unknown",
                       " values: must be float"));
    }
    switch (grid->mGridClass) {
      case nanovdb::GridClass::LevelSet:
        summary_.level_set = true;
        break;
      case nanovdb::GridClass::FogVolume:
      case nanovdb::GridClass::Unknown:
        break;
      default:
        return Bad(absl::StrCat("grid class ", static_cast<std::uint32_t>(grid->mGridClass), ", must be a fog volume"));
    }
    const auto has = [&](nanovdb::GridFlags flag) { return (grid->mFlags & static_cast<std::uint32_t>(flag)) != 0; };
    if (has(nanovdb::GridFlags::HasLongGridName)) return Bad("its name is longer than 255 bytes");
    if (!has(nanovdb::GridFlags::IsBreadthFirst)) return Bad("its nodes are not in breadth-first order");
    has_boxes_ = has(nanovdb::GridFlags::HasBBox);
    has_extrema_ = has(nanovdb::GridFlags::HasMinMax);
    const void* end = std::memchr(grid->mGridName, 0, GridData::MaxNameSize);
    if (end == nullptr) return Bad("its name has no end");
    summary_.grid_name = grid->mGridName;
    if (!IsPrintable(summary_.grid_name)) return Bad(absl::StrCat("its name is ", Printable(summary_.grid_name)));
    if (grid->mBlindMetadataCount > 0) {
      const auto offset = static_cast<std::uint64_t>(grid->mBlindMetadataOffset);
      if (offset < sizeof(GridData) || offset % kAlignment != 0 ||
          !Inside(offset, grid->mBlindMetadataCount, sizeof(nanovdb::GridBlindMetaData))) {
        return Bad("its blind data lie outside");
      }
    }
    return absl::OkStatus();
  }

  // The transform is stored four times: forward and inverse, in double and float. They must agree.
  absl::Status Map() {
    const nanovdb::Map& map = At<GridData>(0)->mMap;
    Affine& affine = summary_.index_to_world;
    for (int i = 0; i < 3; ++i) {
      for (int j = 0; j < 3; ++j) affine.m[4 * i + j] = map.mMatD[3 * i + j];
      affine.m[4 * i + 3] = map.mVecD[i];
    }
    DVREN_RETURN_IF_ERROR(CheckTransform(affine, absl::StrCat(name_, ": index_to_world")));
    for (int i = 0; i < 3; ++i) {
      for (int j = 0; j < 3; ++j) {
        double product = 0, scale = 0;
        for (int k = 0; k < 3; ++k) {
          product += map.mMatD[3 * i + k] * map.mInvMatD[3 * k + j];
          scale += std::abs(map.mMatD[3 * i + k] * map.mInvMatD[3 * k + j]);
        }
        if (!(std::abs(product - (i == j)) <= 1e-6 * (1 + scale))) return Bad("its transform and inverse do not agree");
      }
    }
    const auto agree = [](const float* single, const double* full, int count) {
      double scale = 0;
      for (int i = 0; i < count; ++i) scale = std::max(scale, std::abs(full[i]));
      for (int i = 0; i < count; ++i) {
        if (!(std::abs(static_cast<double>(single[i]) - full[i]) <= 1e-6 * scale)) return false;
      }
      return true;
    };
    if (!agree(map.mMatF, map.mMatD, 9) || !agree(map.mInvMatF, map.mInvMatD, 9) || !agree(map.mVecF, map.mVecD, 3)) {
      return Bad("its transforms in single and double precision do not agree");
    }
    return absl::OkStatus();
  }

  absl::Status Tree() {
    const auto* tree = At<NanoTreeData>(sizeof(GridData));
    const auto place = [&](int level, std::uint64_t* begin) {
      const std::uint64_t offset = tree->mNodeOffset[level];
      if (offset < sizeof(NanoTreeData) || offset > blob_.size() || (sizeof(GridData) + offset) % kAlignment != 0) {
        return false;
      }
      *begin = sizeof(GridData) + offset;
      return true;
    };
    static constexpr std::uint64_t kStride[] = {sizeof(NanoLeafData), sizeof(NanoLowerData), sizeof(NanoUpperData)};
    for (int i = 0; i < 3; ++i) {
      Level& level = levels_[i];
      level.stride = kStride[i];
      level.count = tree->mNodeCount[i];
      if (level.count == 0) continue;
      if (!place(i, &level.begin) || !Inside(level.begin, level.count, level.stride)) {
        return Bad(absl::StrCat("its ", level.count, " nodes of level ", i, " lie outside"));
      }
      level.seen.assign(level.count, false);
    }
    if (!place(3, &root_) || !Inside(root_, 1, sizeof(NanoRootData))) return Bad("its root lies outside");
    const std::uint64_t tiles = At<NanoRootData>(root_)->mTableSize;
    if (!Inside(root_ + sizeof(NanoRootData), tiles, sizeof(NanoRootData::Tile))) {
      return Bad(absl::StrCat("the ", tiles, " tiles of its root lie outside"));
    }
    return absl::OkStatus();
  }

  // Offset of the node that `parent` links to, which must be one of the level's that nothing linked to before.
  absl::StatusOr<std::uint64_t> Follow(int level_index, std::uint64_t parent, std::int64_t link) {
    Level& level = levels_[level_index];
    const auto size = static_cast<std::int64_t>(blob_.size());
    if (link <= -size || link >= size) return Bad(absl::StrCat("a link to level ", level_index, " leaves the buffer"));
    const std::int64_t at = static_cast<std::int64_t>(parent) + link;
    const std::int64_t relative = at - static_cast<std::int64_t>(level.begin);
    if (relative < 0 || relative % static_cast<std::int64_t>(level.stride) != 0 ||
        static_cast<std::uint64_t>(relative) / level.stride >= level.count) {
      return Bad(absl::StrCat("a link to level ", level_index, " does not meet a node"));
    }
    const std::uint64_t n = static_cast<std::uint64_t>(relative) / level.stride;
    if (level.seen[n]) return Bad(absl::StrCat("node ", n, " of level ", level_index, " is linked twice"));
    level.seen[n] = true;
    ++level.linked;
    return static_cast<std::uint64_t>(at);
  }

  void CountValue(float value, const Index3& origin, std::int64_t edge) {
    if (!BadDensity(value)) return;
    const auto before = [](const Index3& a, const Index3& b) {
      return std::array{a[2], a[1], a[0]} < std::array{b[2], b[1], b[0]};
    };
    if (summary_.bad_densities == 0 || before(origin, summary_.first_bad)) summary_.first_bad = origin;
    summary_.bad_densities += static_cast<std::uint64_t>(edge) * edge * edge;
  }

  template <class Node>
  absl::Status Extrema(const Node& node, const ActiveRange& range) const {
    // NanoVDB keeps extrema of the active values only; those may be wider, never narrower.
    if (has_extrema_ && range.voxels > 0 && !(node.mMinimum <= range.low && node.mMaximum >= range.high)) {
      return Bad("a node's extrema do not hold its values");
    }
    return absl::OkStatus();
  }
  template <class BoxT>
  absl::Status SameBox(const BoxT& stored, const ActiveRange& range) const {
    if (range.voxels == 0) return absl::OkStatus();
    for (int i = 0; i < 3; ++i) {
      if (stored.min()[i] != range.min[i] || stored.max()[i] != range.max[i]) {
        return Bad("a node's bounding box is not that of its active values");
      }
    }
    return absl::OkStatus();
  }

  absl::Status Root(ActiveRange* range) {
    const auto* root = At<NanoRootData>(root_);
    summary_.bad_background = BadDensity(root->mBackground);
    std::vector<std::uint64_t> keys;
    keys.reserve(root->mTableSize);
    for (std::uint32_t t = 0; t < root->mTableSize; ++t) {
      const NanoRootData::Tile& tile = *root->tile(t);
      keys.push_back(tile.key);
      if (NanoRootData::CoordToKey(NanoRootData::KeyToCoord(tile.key)) != tile.key)
        return Bad("a root tile's key is none");
      const Index3 origin = RootTileOrigin(tile.key);
      if (tile.isChild()) {
        DVREN_ASSIGN_OR_RETURN(const std::uint64_t child, Follow(2, root_, tile.child));
        DVREN_RETURN_IF_ERROR((Internal<NanoUpperData, 5, 7>(child, 2, origin, range)));
        continue;
      }
      CountValue(tile.value, origin, 4096);
      if (tile.state > 1) return Bad("a root tile's state is neither on nor off");
      if (tile.state == 1) {
        range->AddTile(origin, 4096, tile.value);
        ++root_active_tiles_;
      }
    }
    std::sort(keys.begin(), keys.end());
    if (std::adjacent_find(keys.begin(), keys.end()) != keys.end()) return Bad("two root tiles have one key");
    if (range->voxels == 0) return absl::InvalidArgumentError(absl::StrCat(name_, ": grid has no active voxels"));
    if (!has_boxes_) return Bad("it has no bounding boxes: write it with statistics");
    DVREN_RETURN_IF_ERROR(SameBox(root->mBBox, *range));
    return Extrema(*root, *range);
  }

  template <class Node, int kLog2, int kChildLog2>
  absl::Status Internal(std::uint64_t offset, int level, const Index3& origin, ActiveRange* parent) {
    const Node& node = *At<Node>(offset);
    ActiveRange range;
    for (std::uint32_t word = 0; word < (1u << (3 * kLog2)) / 64; ++word) {
      const auto children = node.mChildMask.template getWord<std::uint64_t>(static_cast<int>(word));
      const auto active = node.mValueMask.template getWord<std::uint64_t>(static_cast<int>(word));
      if ((children & active) != 0) return Bad("a slot is both child and tile");
      if ((children | active) == 0) {  // most of a sparse tree: 64 inactive tiles, looked at together
        bool bad = false;
        for (std::uint32_t n = 64 * word; n < 64 * word + 64; ++n) bad |= BadDensity(node.mTable[n].value);
        if (!bad) continue;
      }
      for (std::uint32_t bit = 0; bit < 64; ++bit) {
        const std::uint32_t n = 64 * word + bit;
        const Index3 at = SlotOrigin<kLog2, kChildLog2>(origin, n);
        if ((children >> bit & 1) == 0) {
          CountValue(node.mTable[n].value, at, 1 << kChildLog2);
          if ((active >> bit & 1) == 0) continue;
          range.AddTile(at, 1 << kChildLog2, node.mTable[n].value);
          ++levels_[level].active_tiles;
          continue;
        }
        DVREN_ASSIGN_OR_RETURN(const std::uint64_t child, Follow(level - 1, offset, node.mTable[n].child));
        if constexpr (kLog2 == 5) {
          DVREN_RETURN_IF_ERROR((Internal<NanoLowerData, 4, 3>(child, 1, at, &range)));
        } else {
          DVREN_RETURN_IF_ERROR(Leaf(*At<NanoLeafData>(child), at, &range));
        }
      }
    }
    DVREN_RETURN_IF_ERROR(SameBox(node.mBBox, range));
    DVREN_RETURN_IF_ERROR(Extrema(node, range));
    parent->Add(range);
    return absl::OkStatus();
  }

  absl::Status Leaf(const NanoLeafData& leaf, const Index3& origin, ActiveRange* parent) {
    for (int i = 0; i < 3; ++i) {
      if ((leaf.mBBoxMin[i] & ~7) != origin[i]) return Bad("a leaf's origin is not that of its place");
    }
    const auto place = [&](std::uint32_t n) {
      return Index3{origin[0] + (n >> 6), origin[1] + (n >> 3 & 7), origin[2] + (n & 7)};
    };
    bool bad = false;
    for (const float value : leaf.mValues) bad |= BadDensity(value);
    for (std::uint32_t n = 0; bad && n < 512; ++n) CountValue(leaf.mValues[n], place(n), 1);
    ActiveRange range;
    for (std::uint32_t n = 0; n < 512; ++n) {
      if (leaf.mValueMask.isOn(n)) range.AddTile(place(n), 1, leaf.mValues[n]);
    }
    for (int i = 0; i < 3 && range.voxels > 0; ++i) {
      if (leaf.mBBoxMin[i] != range.min[i] || leaf.mBBoxDif[i] != range.max[i] - range.min[i]) {
        return Bad("a leaf's bounding box is not that of its active values");
      }
    }
    DVREN_RETURN_IF_ERROR(Extrema(leaf, range));
    parent->Add(range);
    return absl::OkStatus();
  }

  absl::Status Counts(const ActiveRange& all) const {
    const auto* tree = At<NanoTreeData>(sizeof(GridData));
    if (tree->mVoxelCount != all.voxels) {
      return Bad(absl::StrCat("declares ", tree->mVoxelCount, " active voxels, has ", all.voxels));
    }
    if (tree->mTileCount[0] != levels_[1].active_tiles || tree->mTileCount[1] != levels_[2].active_tiles ||
        tree->mTileCount[2] != root_active_tiles_) {
      return Bad("its counts of active tiles are wrong");
    }
    for (int i = 0; i < 3; ++i) {
      if (all.min[i] < -kMaxIndex || all.max[i] > kMaxIndex) {
        return absl::InvalidArgumentError(absl::StrCat(name_, ": active voxels from ", all.min[i], " to ", all.max[i],
                                                       ": indices must be within +-2^30"));
      }
    }
    return absl::OkStatus();
  }

  // NanoVDB's own CRC-32 pair: of the head (grid, tree, root), and of the CRCs of all nodes. All ones = not computed.
  absl::Status Checksum() const {
    constexpr std::uint32_t kNone = 0xffffffffu;
    std::uint32_t stored[2];
    std::memcpy(stored, &At<GridData>(0)->mChecksum, sizeof stored);
    const auto crc = [&](std::uint64_t offset, std::uint64_t bytes) {
      return static_cast<std::uint32_t>(crc32_z(0, At<Bytef>(offset), bytes));
    };
    if (stored[0] == kNone && stored[1] == kNone) return absl::OkStatus();
    constexpr std::uint64_t kSkip = 16;  // magic and the checksum itself
    const std::uint64_t head = sizeof(GridData) + sizeof(NanoTreeData) + sizeof(NanoRootData) +
                               At<NanoRootData>(root_)->mTableSize * sizeof(NanoRootData::Tile);
    if (crc(kSkip, head - kSkip) != stored[0]) return Bad("its checksum does not match: the file is damaged");
    if (stored[1] == kNone) return absl::OkStatus();
    std::vector<std::uint64_t> nodes;  // NanoVDB keeps each CRC in a uint_fast32_t, 8 bytes where it was written
    for (int i = 2; i >= 0; --i) {
      for (std::uint64_t n = 0; n < levels_[i].count; ++n) {
        nodes.push_back(crc(levels_[i].begin + n * levels_[i].stride, levels_[i].stride));
      }
    }
    const auto all = crc32_z(0, reinterpret_cast<const Bytef*>(nodes.data()), nodes.size() * sizeof(std::uint64_t));
    if (static_cast<std::uint32_t>(all) != stored[1]) return Bad("its checksum does not match: the file is damaged");
    return absl::OkStatus();
  }

  const Blob& blob_;
  absl::string_view name_;
  NanoVdbSummary summary_;
  bool has_boxes_ = false, has_extrema_ = false;
  std::uint64_t root_ = 0, root_active_tiles_ = 0;
  Level levels_[3];  // leaf, lower, upper
};

}  // namespace

absl::StatusOr<NanoVdbSummary> CheckNanoVdbStructure(const Blob& blob, absl::string_view name) {
  return StructureCheck(blob, name).Run();
}

absl::Status CheckNanoVdbDensities(const NanoVdbSummary& summary, absl::string_view name) {
  if (summary.bad_densities > 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        name, ": density is negative, NaN or infinite in ", summary.bad_densities, " voxels, first at (x, y, z) = (",
        summary.first_bad[0], ", ", summary.first_bad[1], ", ", summary.first_bad[2], "): must be finite and >= 0"));
  }
  if (summary.bad_background) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": background density must be finite and >= 0"));
  }
  return absl::OkStatus();
}

NanoVdbVolume DescribeNanoVdb(Blob blob, const NanoVdbSummary& summary) {
  NanoVdbVolume volume;
  volume.blob = std::move(blob);
  volume.grid_name = summary.grid_name;
  volume.index_to_world = summary.index_to_world;
  volume.active_min = summary.active_min;
  volume.active_max = summary.active_max;
  volume.active_voxels = summary.active_voxels;
  return volume;
}

absl::StatusOr<NanoVdbVolume> NanoVdbFromBlob(Blob blob, absl::string_view name) {
  DVREN_ASSIGN_OR_RETURN(const NanoVdbSummary summary, CheckNanoVdbStructure(blob, name));
  if (summary.level_set) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": grid is a level set: convert it to a fog volume on import"));
  }
  DVREN_RETURN_IF_ERROR(CheckNanoVdbDensities(summary, name));
  return DescribeNanoVdb(std::move(blob), summary);
}

absl::Status CheckNanoVdb(const Blob& blob) {
  return NanoVdbFromBlob(blob, "blob").status();
}

}  // namespace dvren::io
