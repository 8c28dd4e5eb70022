// Turns a NanoVDB float grid into a two-level block table and bricks (fields/nanovdb_view.h). Every offset in the blob
// is checked before it is followed: blobs may come from anywhere.
#include "abi/error.h"
#include "abi/field_build.h"

#if !defined(HP_WITH_NANOVDB)

namespace hp {
hp_status BuildNanoVdb(hp_stream*, const hp_nanovdb_desc&, hp_field**) {
  return Fail(HP_STATUS_UNSUPPORTED, "hp_field_create_nanovdb: this build has no NanoVDB headers");
}
}  // namespace hp

#else

#include <nanovdb/NanoVDB.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <map>
#include <unordered_set>

#include "abi/affine.h"
#include "fields/nanovdb_view.h"

namespace hp {
namespace {

using Upper = nanovdb::NanoUpper<float>::DataType;
using Lower = nanovdb::NanoLower<float>::DataType;
using Leaf = nanovdb::NanoLeaf<float>::DataType;
using Root = nanovdb::NanoRoot<float>::DataType;
using Tree = nanovdb::TreeData<3>;

constexpr int64_t kMaxNodes = int64_t{1} << 22;  // 128^3 nodes in the bounding box: 4 Mi entries

// Where the values of an 8^3 block come from: a leaf of the blob, or one value.
struct Source {
  const float* leaf;  // (x, y, z) with z fastest
  float value;
};

// Leaves in the order of the tree; values of tiles are no parameters.
class SparseGradientLayout final : public GradientLayout {
 public:
  SparseGradientLayout(int64_t brick_count, std::vector<std::array<int32_t, 8>> leaf_bricks,
                       std::vector<int32_t> leaf_origins)
      : leaf_bricks_(std::move(leaf_bricks)) {
    bricks = brick_count;
    blocks = static_cast<int64_t>(leaf_bricks_.size());
    shape = {blocks, 8, 8, 8};
    strides[0] = 1;
    strides[1] = 8;
    strides[2] = 64;
    origins = std::move(leaf_origins);
  }
  Block At(int64_t block) const override {
    Block b;
    for (size_t i = 0; i < 8; ++i) {
      const int32_t brick = leaf_bricks_[static_cast<size_t>(block)][i];
      b.bricks[i] = brick == 0 ? -1 : brick;
    }
    for (int& n : b.extent) n = 8;
    b.first = block * 512;
    return b;
  }

 private:
  std::vector<std::array<int32_t, 8>> leaf_bricks_;
};

class Builder {
 public:
  Builder(const char* blob, size_t bytes) : blob_(blob), bytes_(bytes) {}

  hp_status Read() {
    const nanovdb::GridData* grid = nullptr;
    HP_RETURN_IF_ERROR(At(0, &grid, "grid"));
    HP_REQUIRE(grid->mMagic == NANOVDB_MAGIC_NUMBER, "nanovdb_desc.blob: not a NanoVDB grid (wrong magic number)");
    HP_REQUIRE(grid->mVersion.getMajor() == NANOVDB_MAJOR_VERSION_NUMBER,
               "nanovdb_desc.blob: NanoVDB version %u; this build reads %d", grid->mVersion.getMajor(),
               NANOVDB_MAJOR_VERSION_NUMBER);
    HP_REQUIRE(grid->mGridType == nanovdb::GridType::Float,
               "nanovdb_desc.blob: grid type %u; only float grids are read", static_cast<unsigned>(grid->mGridType));
    HP_REQUIRE(grid->mGridClass != nanovdb::GridClass::LevelSet,
               "nanovdb_desc.blob: a level set; convert it to a fog volume first");
    for (int i = 0; i < 3; ++i) {
      for (int j = 0; j < 3; ++j) index_to_world.m[4 * i + j] = grid->mMap.mMatD[3 * i + j];
      index_to_world.m[4 * i + 3] = grid->mMap.mVecD[i];
    }
    hp_affine inverse;
    HP_REQUIRE(Invert(index_to_world, &inverse),
               "nanovdb_desc.blob: index-to-world transform is not finite or singular");
    const Tree* tree = nullptr;
    HP_RETURN_IF_ERROR(At(sizeof(nanovdb::GridData), &tree, "tree"));
    uint64_t root_at = sizeof(nanovdb::GridData);
    HP_REQUIRE(tree->mNodeOffset[3] < bytes_, "nanovdb_desc.blob: root offset beyond the end");
    root_at += tree->mNodeOffset[3];
    const Root* root = nullptr;
    HP_RETURN_IF_ERROR(At(root_at, &root, "root"));
    HP_REQUIRE(root->mTableSize > 0, "nanovdb_desc.blob: no active voxels");
    background_ = root->mBackground;
    HP_RETURN_IF_ERROR(CheckValue(background_, 0, 0, 0));
    for (int i = 0; i < 3; ++i) {
      min[i] = root->mBBox.min()[i];
      max[i] = root->mBBox.max()[i];
      HP_REQUIRE(min[i] <= max[i] && min[i] > -(1 << 29) && max[i] < (1 << 29),
                 "nanovdb_desc.blob: active bounding box axis %d = [%d, %d]: empty or too far out", i, min[i], max[i]);
      origin[i] = ((min[i] - 1) >> 7) << 7;
      nodes[i] = ((max[i] + 2 - origin[i]) >> 7) + 1;
    }
    HP_REQUIRE(int64_t{nodes[0]} * nodes[1] <= kMaxNodes && int64_t{nodes[0]} * nodes[1] * nodes[2] <= kMaxNodes,
               "nanovdb_desc.blob: bounding box of %dx%dx%d nodes of 128^3: at most %lld nodes; crop the volume",
               nodes[0], nodes[1], nodes[2], static_cast<long long>(kMaxNodes));
    node_table.assign(static_cast<size_t>(nodes[0]) * nodes[1] * nodes[2], 0);
    sources_.push_back({nullptr, background_});
    NewNode(true);  // node 0: background everywhere
    for (uint32_t i = 0; i < root->mTableSize; ++i) {
      const Root::Tile* tile = nullptr;
      const uint64_t tile_at = root_at + sizeof(Root) + uint64_t{i} * sizeof(Root::Tile);
      HP_RETURN_IF_ERROR(At(tile_at, &tile, "root tile"));
      const nanovdb::Coord at = tile->origin();
      if (tile->child == 0) {
        HP_RETURN_IF_ERROR(FillNodes(at, 4096, tile->value));
      } else {
        HP_RETURN_IF_ERROR(ReadUpper(root_at, tile->child, at));
      }
    }
    return BuildBricks();
  }

  hp_affine index_to_world = {};
  int32_t min[3], max[3], origin[3], nodes[3];
  std::vector<int32_t> node_table, leaf_table;
  std::vector<float> bricks;
  std::vector<int32_t> owned;   // per brick: 1 where its values are parameters
  std::vector<int32_t> leaves;  // (leaves, 3) block coordinates in the table

  // Bricks of a leaf's block and of its lower neighbours; 0 beyond the table.
  std::array<int32_t, 8> BricksOfLeaf(size_t leaf) const {
    std::array<int32_t, 8> out;
    for (int i = 0; i < 8; ++i) {
      const int x = leaves[3 * leaf] - (i & 1), y = leaves[3 * leaf + 1] - (i >> 1 & 1),
                z = leaves[3 * leaf + 2] - (i >> 2);
      int32_t brick = 0;
      if (x >= 0 && y >= 0 && z >= 0) {
        const int32_t node = node_table[(static_cast<size_t>(z >> 4) * nodes[1] + (y >> 4)) * nodes[0] + (x >> 4)];
        brick = leaf_table[static_cast<size_t>(node) * 4096 +
                           static_cast<size_t>((z & 15) << 8 | (y & 15) << 4 | (x & 15))];
      }
      out[static_cast<size_t>(i)] = brick;
    }
    return out;
  }

 private:
  template <class T>
  hp_status At(uint64_t offset, const T** out, const char* what) {
    HP_REQUIRE(offset <= bytes_ && sizeof(T) <= bytes_ - offset && offset % alignof(T) == 0,
               "nanovdb_desc.blob: %s at byte %llu lies outside the %zu bytes of the blob", what,
               static_cast<unsigned long long>(offset), bytes_);
    *out = reinterpret_cast<const T*>(blob_ + offset);
    return HP_STATUS_OK;
  }
  // Follows a signed offset from a node to its child.
  template <class T>
  hp_status Child(uint64_t from, int64_t offset, uint64_t* at, const T** out, const char* what) {
    *at = from + static_cast<uint64_t>(offset);
    HP_REQUIRE(offset > -static_cast<int64_t>(bytes_) && offset < static_cast<int64_t>(bytes_) && *at < bytes_,
               "nanovdb_desc.blob: %s offset points outside the blob", what);
    return At(*at, out, what);
  }

  hp_status CheckValue(float value, int64_t x, int64_t y, int64_t z) {
    HP_REQUIRE(std::isfinite(value) && value >= 0,
               "nanovdb_desc.blob: density %g at voxel (%lld, %lld, %lld): must be finite and >= 0",
               static_cast<double>(value), static_cast<long long>(x), static_cast<long long>(y),
               static_cast<long long>(z));
    return HP_STATUS_OK;
  }

  // Entry of the node table for the 128^3 node at `at`, or nullptr outside the bounding box.
  int32_t* NodeAt(const nanovdb::Coord& at) {
    int64_t n[3];
    for (int i = 0; i < 3; ++i) {
      n[i] = (int64_t{at[i]} - origin[i]) >> 7;
      if (n[i] < 0 || n[i] >= nodes[i]) return nullptr;
    }
    return &node_table[(static_cast<size_t>(n[2]) * nodes[1] + n[1]) * nodes[0] + n[0]];
  }
  int32_t NewNode(bool uniform) {
    blocks_.resize(blocks_.size() + 4096, 0);
    uniform_.push_back(uniform);
    return static_cast<int32_t>(uniform_.size() - 1);
  }
  // A tree has one node at a place, and is in one place: else a small blob could unfold into a large volume.
  hp_status Place(int32_t* entry, int32_t node, const nanovdb::Coord& at) {
    HP_REQUIRE(*entry == 0, "nanovdb_desc.blob: two nodes at voxel (%d, %d, %d)", at[0], at[1], at[2]);
    *entry = node;
    return HP_STATUS_OK;
  }
  hp_status FirstUse(uint64_t offset, const char* what) {
    HP_REQUIRE(used_.insert(offset).second, "nanovdb_desc.blob: the %s at byte %llu is used twice", what,
               static_cast<unsigned long long>(offset));
    return HP_STATUS_OK;
  }
  // A region of one value, `size` voxels wide, 128 or 4096. Its nodes share one table.
  hp_status FillNodes(const nanovdb::Coord& at, int size, float value) {
    if (value == background_) return HP_STATUS_OK;
    HP_RETURN_IF_ERROR(CheckValue(value, at[0], at[1], at[2]));
    int32_t node = 0;
    int64_t from[3], to[3];
    for (int i = 0; i < 3; ++i) {
      from[i] = std::max<int64_t>((int64_t{at[i]} - origin[i]) >> 7, 0);
      to[i] = std::min<int64_t>((int64_t{at[i]} + size - origin[i]) >> 7, nodes[i]);
    }
    for (int64_t z = from[2]; z < to[2]; ++z) {
      for (int64_t y = from[1]; y < to[1]; ++y) {
        for (int64_t x = from[0]; x < to[0]; ++x) {
          if (node == 0) {
            node = NewNode(true);
            std::fill_n(blocks_.end() - 4096, 4096, static_cast<int32_t>(sources_.size()));
            sources_.push_back({nullptr, value});
          }
          HP_RETURN_IF_ERROR(Place(&node_table[(static_cast<size_t>(z) * nodes[1] + y) * nodes[0] + x], node, at));
        }
      }
    }
    return HP_STATUS_OK;
  }

  hp_status ReadUpper(uint64_t root_at, int64_t offset, const nanovdb::Coord& origin_of) {
    uint64_t at = 0;
    const Upper* upper = nullptr;
    HP_RETURN_IF_ERROR(Child(root_at, offset, &at, &upper, "upper node"));
    HP_RETURN_IF_ERROR(FirstUse(at, "upper node"));
    for (uint32_t n = 0; n < 32768; ++n) {
      const nanovdb::Coord where(origin_of[0] + static_cast<int>(n >> 10) * 128,
                                 origin_of[1] + static_cast<int>((n >> 5) & 31) * 128,
                                 origin_of[2] + static_cast<int>(n & 31) * 128);
      if (!NodeAt(where)) continue;
      if (upper->mChildMask.isOn(n)) {
        HP_RETURN_IF_ERROR(ReadLower(at, upper->mTable[n].child, where));
      } else {
        HP_RETURN_IF_ERROR(FillNodes(where, 128, upper->mTable[n].value));
      }
    }
    return HP_STATUS_OK;
  }

  hp_status ReadLower(uint64_t upper_at, int64_t offset, const nanovdb::Coord& where) {
    uint64_t at = 0;
    const Lower* lower = nullptr;
    HP_RETURN_IF_ERROR(Child(upper_at, offset, &at, &lower, "lower node"));
    HP_RETURN_IF_ERROR(FirstUse(at, "lower node"));
    const int32_t node = NewNode(false);
    HP_RETURN_IF_ERROR(Place(NodeAt(where), node, where));
    for (uint32_t n = 0; n < 4096; ++n) {
      const int bx = static_cast<int>(n >> 8), by = static_cast<int>((n >> 4) & 15), bz = static_cast<int>(n & 15);
      Source source{nullptr, 0};
      if (lower->mChildMask.isOn(n)) {
        uint64_t leaf_at = 0;
        const Leaf* leaf = nullptr;
        HP_RETURN_IF_ERROR(Child(at, lower->mTable[n].child, &leaf_at, &leaf, "leaf"));
        HP_RETURN_IF_ERROR(FirstUse(leaf_at, "leaf"));
        for (int i = 0; i < 512; ++i) {
          HP_RETURN_IF_ERROR(CheckValue(leaf->mValues[i], where[0] + 8 * bx + (i >> 6),
                                        where[1] + 8 * by + ((i >> 3) & 7), where[2] + 8 * bz + (i & 7)));
        }
        source.leaf = leaf->mValues;
        const int at_block[3] = {bx, by, bz};
        for (int i = 0; i < 3; ++i) leaves.push_back(((where[i] - origin[i]) >> 3) + at_block[i]);
      } else {
        source.value = lower->mTable[n].value;
        if (source.value == background_) continue;
        HP_RETURN_IF_ERROR(CheckValue(source.value, where[0] + 8 * bx, where[1] + 8 * by, where[2] + 8 * bz));
      }
      blocks_[size_t(node) * 4096 + static_cast<size_t>(bz << 8 | by << 4 | bx)] =
          static_cast<int32_t>(sources_.size());
      sources_.push_back(source);
    }
    return HP_STATUS_OK;
  }

  // Sources of a block and of its upper neighbours, index dx + 2 dy + 4 dz: what its brick is made of.
  using Neighbours = std::array<int32_t, 8>;

  // Node at node coordinates of the table; background beyond it.
  int32_t NodeOf(int x, int y, int z) const {
    if (x < 0 || y < 0 || z < 0 || x >= nodes[0] || y >= nodes[1] || z >= nodes[2]) return 0;
    return node_table[(static_cast<size_t>(z) * nodes[1] + y) * nodes[0] + x];
  }
  Neighbours NodesAt(int x, int y, int z) const {
    Neighbours n;
    for (int c = 0; c < 8; ++c) n[static_cast<size_t>(c)] = NodeOf(x + (c & 1), y + (c >> 1 & 1), z + (c >> 2));
    return n;
  }
  // Of block (bx, by, bz), 0 … 15, of the first of `at`.
  Neighbours SourcesAt(const Neighbours& at, int bx, int by, int bz) const {
    Neighbours n;
    for (int c = 0; c < 8; ++c) {
      const int x = bx + (c & 1), y = by + (c >> 1 & 1), z = bz + (c >> 2);
      const int32_t node = at[static_cast<size_t>(x >> 4 | (y >> 4) << 1 | (z >> 4) << 2)];
      n[static_cast<size_t>(c)] =
          blocks_[static_cast<size_t>(node) * 4096 + static_cast<size_t>((z & 15) << 8 | (y & 15) << 4 | (x & 15))];
    }
    return n;
  }

  // Values 0 … 8 in each axis of the block, x fastest. False when all are 0.
  bool FillBrick(const Neighbours& at, float* brick) const {
    bool any = false;
    for (int corner = 0; corner < 8; ++corner) {
      const int dx = corner & 1, dy = corner >> 1 & 1, dz = corner >> 2;
      const Source& s = sources_[static_cast<size_t>(at[static_cast<size_t>(corner)])];
      if (!s.leaf && s.value == 0) continue;
      for (int z = 8 * dz; z < (dz ? 9 : 8); ++z) {
        for (int y = 8 * dy; y < (dy ? 9 : 8); ++y) {
          for (int x = 8 * dx; x < (dx ? 9 : 8); ++x) {
            const float value = s.leaf ? s.leaf[(x & 7) << 6 | (y & 7) << 3 | (z & 7)] : s.value;
            brick[z * kBrickSlice + y * kBrickRow + x] = value;
            any |= value != 0;
          }
        }
      }
    }
    return any;
  }

  // The brick of a block, 0 when its interpolation support is all 0. Blocks made of the same tiles share one.
  hp_status BrickOf(const Neighbours& at, int32_t* out) {
    bool tiles = true, zero = true;
    for (int32_t source : at) {
      const Source& s = sources_[static_cast<size_t>(source)];
      tiles = tiles && !s.leaf;
      zero = zero && !s.leaf && s.value == 0;
    }
    *out = 0;
    if (zero) return HP_STATUS_OK;
    if (tiles) {
      if (const auto it = tile_bricks_.find(at); it != tile_bricks_.end()) {
        *out = it->second;
        return HP_STATUS_OK;
      }
    }
    std::array<float, kBrickValues> brick{};
    if (!FillBrick(at, brick.data())) return HP_STATUS_OK;
    const int64_t index = static_cast<int64_t>(bricks.size()) / kBrickValues;
    HP_REQUIRE((index + 1) * kBrickValues < (int64_t{1} << 31),
               "nanovdb_desc.blob: more than %lld leaves; crop the volume", static_cast<long long>(index));
    bricks.insert(bricks.end(), brick.begin(), brick.end());
    owned.push_back(tiles ? 0 : 1);
    *out = static_cast<int32_t>(index);
    if (tiles) tile_bricks_.emplace(at, *out);
    return HP_STATUS_OK;
  }

  // A block has values when it, or a block above it in x, y or z, has.
  hp_status BuildBricks() {
    std::vector<int32_t> nodes_out(node_table.size(), 0);
    leaf_table.assign(4096, 0);
    bricks.assign(kBrickValues, 0.0f);
    owned.assign(1, 0);
    std::map<Neighbours, int32_t> uniform_tables;  // nodes of tiles alone share their tables
    for (int nz = 0; nz < nodes[2]; ++nz) {
      for (int ny = 0; ny < nodes[1]; ++ny) {
        for (int nx = 0; nx < nodes[0]; ++nx) {
          const Neighbours at = NodesAt(nx, ny, nz);
          if (background_ == 0 && at == Neighbours{}) continue;
          int32_t& out = nodes_out[(static_cast<size_t>(nz) * nodes[1] + ny) * nodes[0] + nx];
          bool uniform = true;
          for (int32_t node : at) uniform = uniform && uniform_[static_cast<size_t>(node)];
          if (uniform) {
            if (const auto it = uniform_tables.find(at); it != uniform_tables.end()) {
              out = it->second;
              continue;
            }
          }
          std::array<int32_t, 4096> table;
          bool used = false;
          for (int b = 0; b < 4096; ++b) {
            int32_t& brick = table[static_cast<size_t>(b)];
            HP_RETURN_IF_ERROR(BrickOf(SourcesAt(at, b & 15, b >> 4 & 15, b >> 8), &brick));
            used = used || brick != 0;
          }
          if (used) {
            out = static_cast<int32_t>(leaf_table.size() / 4096);
            leaf_table.insert(leaf_table.end(), table.begin(), table.end());
          }
          if (uniform) uniform_tables.emplace(at, out);
        }
      }
    }
    node_table = std::move(nodes_out);
    return HP_STATUS_OK;
  }

  const char* blob_;
  size_t bytes_;
  float background_ = 0;
  std::vector<Source> sources_;        // 0 = background
  std::vector<int32_t> blocks_;        // per node 4096 indices into sources_
  std::vector<bool> uniform_;          // per node: all of one tile
  std::unordered_set<uint64_t> used_;  // offsets of nodes that have their place
  std::map<Neighbours, int32_t> tile_bricks_;
};

}  // namespace

hp_status BuildNanoVdb(hp_stream* stream, const hp_nanovdb_desc& desc, hp_field** out) {
  HP_REQUIRE(desc.blob, "nanovdb_desc.blob = NULL: required");
  HP_REQUIRE(reinterpret_cast<uintptr_t>(desc.blob) % NANOVDB_DATA_ALIGNMENT == 0,
             "nanovdb_desc.blob: must be aligned to %d bytes", NANOVDB_DATA_ALIGNMENT);
  Builder builder(static_cast<const char*>(desc.blob), desc.bytes);
  HP_RETURN_IF_ERROR(builder.Read());

  FieldPtr field(nullptr, hp_field_destroy);
  HP_RETURN_IF_ERROR(NewField(stream, &field));
  void *nodes = nullptr, *leaves = nullptr, *bricks = nullptr;
  HP_RETURN_IF_ERROR(Upload(field.get(), 0, builder.node_table.data(), builder.node_table.size() * 4, &nodes));
  HP_RETURN_IF_ERROR(Upload(field.get(), 1, builder.leaf_table.data(), builder.leaf_table.size() * 4, &leaves));
  HP_RETURN_IF_ERROR(Upload(field.get(), 2, builder.bricks.data(), builder.bricks.size() * 4, &bricks));
  const size_t leaf_count = builder.leaves.size() / 3;
  void* owned = nullptr;
  HP_RETURN_IF_ERROR(Upload(field.get(), 3, builder.owned.data(), builder.owned.size() * 4, &owned));
  NanoVdbView view = {};
  view.nodes = static_cast<const int32_t*>(nodes);
  view.leaves = static_cast<const int32_t*>(leaves);
  view.bricks = static_cast<const float*>(bricks);
  view.owned = static_cast<const int32_t*>(owned);
  view.nodes_x = builder.nodes[0];
  view.nodes_y = builder.nodes[1];
  view.nodes_z = builder.nodes[2];
  view.shift_x = builder.min[0] - 1 - builder.origin[0];
  view.shift_y = builder.min[1] - 1 - builder.origin[1];
  view.shift_z = builder.min[2] - 1 - builder.origin[2];

  FieldArgs& args = field->args;
  args.type = kField_nanovdb;
  args.channels = 1;
  std::memcpy(args.view, &view, sizeof view);
  hp_field_info& info = field->info;
  info.min_voxel_world = INFINITY;
  for (int i = 0; i < 3; ++i) {
    args.lo[i] = 0;
    args.hi[i] = builder.max[i] - builder.min[i] + 2;
    field->grid_to_local.m[4 * i + 3] = builder.min[i] - 1;
    info.box_min[i] = builder.min[i] - 1;
    info.box_max[i] = builder.max[i] + 1;
    const double* m = builder.index_to_world.m;
    info.min_voxel_world = std::fmin(info.min_voxel_world, std::hypot(m[i], m[4 + i], m[8 + i]));
  }
  info.kind = HP_FIELD_POINTWISE;
  std::snprintf(info.type, sizeof info.type, "nanovdb");
  info.channels = 1;
  info.sh_degree = -1;
  info.storage_dtype = HP_DTYPE_F32;
  info.local_to_world = builder.index_to_world;
  info.parameter_count = leaf_count * 512;
  if (leaf_count > 0) {
    std::vector<std::array<int32_t, 8>> bricks_of(leaf_count);
    std::vector<int32_t> origins(3 * leaf_count);
    for (size_t leaf = 0; leaf < leaf_count; ++leaf) {
      bricks_of[leaf] = builder.BricksOfLeaf(leaf);
      for (size_t i = 0; i < 3; ++i) origins[3 * leaf + i] = builder.leaves[3 * leaf + i] * 8 + builder.origin[i];
    }
    field->gradient_layout = std::make_shared<SparseGradientLayout>(static_cast<int64_t>(builder.owned.size()),
                                                                    std::move(bricks_of), std::move(origins));
  }
  *out = field.release();
  return HP_STATUS_OK;
}

}  // namespace hp

#endif  // HP_WITH_NANOVDB
