// NanoVDB blobs for tests, built with NanoVDB's own GridBuilder, and what they hold, looked up without NanoVDB.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "support/hp_fixture.h"

namespace dvren::test {

using Index3 = std::array<int, 3>;

// A fog volume as a test writes it down. Later entries win.
struct SparseVolume {
  struct Box {
    Index3 min, max;  // inclusive; a whole 8^3 or 128^3 block becomes a tile
    float value;
  };
  float background = 0;
  std::vector<Box> boxes;
  std::map<Index3, float> voxels;    // active
  std::map<Index3, float> inactive;  // values stored without being active: they do not grow the box
  hp_affine index_to_world = Identity();
  bool level_set = false;

  [[nodiscard]] float At(const Index3& p) const;
  // Of the active voxels.
  void ActiveBounds(Index3* min, Index3* max) const;
};

// Bytes of one grid, 32-byte aligned.
struct NanoVdbBlob {
  std::shared_ptr<unsigned char> data;
  std::size_t bytes = 0;

  [[nodiscard]] hp_nanovdb_desc Desc() const {
    hp_nanovdb_desc desc = {};
    HP_INIT(desc);
    desc.blob = data.get();
    desc.bytes = bytes;
    return desc;
  }
};

// `size` bytes, the first of them from `from`, the rest zero.
NanoVdbBlob CopyBlob(const void* from, std::size_t used, std::size_t size);

NanoVdbBlob MakeNanoVdbBlob(const SparseVolume& volume);
// A grid whose root has tiles of one value only, each 4096^3 voxels, at the given corners (multiples of 4096); the
// active bounding box is as given.
NanoVdbBlob MakeRootTileBlob(const std::vector<Index3>& corners, float value, float background, const Index3& min,
                             const Index3& max);

// Corners and values of the leaves in the order of the tree; a leaf's 8^3 values z, y, x, as hp_gradient_read has them.
std::vector<Index3> LeafOrigins(const NanoVdbBlob& blob);
std::vector<float> LeafValues(const NanoVdbBlob& blob);
// The same tree with other values in its leaves.
NanoVdbBlob WithLeafValues(const NanoVdbBlob& blob, const std::vector<float>& values);

// The blob with every entry of its first lower node pointing at its first leaf: 4096 blocks out of one.
NanoVdbBlob WithEveryBlockTheFirstLeaf(const NanoVdbBlob& blob);

// Where things lie in a blob of MakeNanoVdbBlob, for tests that damage it.
struct NanoVdbLayout {
  std::size_t magic, version, grid_class, grid_type, matrix, root_offset, table_size, root_bbox, background;
  std::size_t tree, root, first_tile, tile_bytes, tile_child, upper, lower, leaf, leaf_values;
};
NanoVdbLayout LayoutOf(const NanoVdbBlob& blob);

inline HpField MakeField(const HpContext& context, const NanoVdbBlob& blob) {
  const hp_nanovdb_desc desc = blob.Desc();
  hp_field* field = nullptr;
  HpCheck(hp_field_create_nanovdb(context.stream(), &desc, &field));
  return {field, hp_field_destroy};
}
inline HpField MakeField(const HpContext& context, const SparseVolume& volume) {
  return MakeField(context, MakeNanoVdbBlob(volume));
}

}  // namespace dvren::test
