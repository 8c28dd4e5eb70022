// The inside of a NanoVDB float grid: the structural check, and a plain walk for buffers that have passed it. Internal
// to dvren::io. Origins come from a node's place in its parent, never from the node: a node without active values has
// none.
#pragma once

#include <nanovdb/NanoVDB.h>

#include <array>
#include <cstdint>
#include <string>

#include "dvren/core/status.h"
#include "dvren/io/volume.h"

namespace dvren::io {

using NanoLeafData = nanovdb::NanoLeaf<float>::DataType;
using NanoLowerData = nanovdb::NanoLower<float>::DataType;
using NanoUpperData = nanovdb::NanoUpper<float>::DataType;
using NanoRootData = nanovdb::NanoRoot<float>::DataType;
using NanoTreeData = nanovdb::TreeData<3>;
using Index3 = std::array<std::int64_t, 3>;

// What the walk over a sound buffer found.
struct NanoVdbSummary {
  std::string grid_name;
  Affine index_to_world;
  bool level_set = false;
  std::uint64_t active_voxels = 0;
  Index3 active_min{}, active_max{};  // inclusive
  std::uint64_t bad_densities = 0;    // voxels, active or not, that are negative, NaN or infinite
  Index3 first_bad{};                 // of those, smallest z, then y, then x
  bool bad_background = false;
};

// Bounds, alignment, masks, links, boxes, extrema, counts, checksums of every node. Values are only counted, not
// refused. INVALID_ARGUMENT `name: not a readable NanoVDB grid: …`. Takes arbitrary bytes.
[[nodiscard]] absl::StatusOr<NanoVdbSummary> CheckNanoVdbStructure(const Blob& blob, absl::string_view name);

// Refuses what CheckNanoVdbStructure counted.
[[nodiscard]] absl::Status CheckNanoVdbDensities(const NanoVdbSummary& summary, absl::string_view name);

[[nodiscard]] NanoVdbVolume DescribeNanoVdb(Blob blob, const NanoVdbSummary& summary);

// A level set becomes fog, through OpenVDB. The structure of `blob` has been checked.
[[nodiscard]] absl::StatusOr<Blob> NanoVdbLevelSetToFog(const Blob& blob, absl::string_view name);

[[nodiscard]] inline const NanoRootData* NanoRootOf(const Blob& blob) {
  const auto* tree = reinterpret_cast<const NanoTreeData*>(blob.data() + sizeof(nanovdb::GridData));
  return reinterpret_cast<const NanoRootData*>(reinterpret_cast<const std::byte*>(tree) + tree->mNodeOffset[3]);
}

// Origin of slot n of an internal node: n = x · 2^2k + y · 2^k + z in units of the child's edge.
template <int kLog2, int kChildLog2>
[[nodiscard]] Index3 SlotOrigin(const Index3& origin, std::uint32_t n) {
  constexpr std::uint32_t kMask = (1u << kLog2) - 1;
  return {origin[0] + (static_cast<std::int64_t>(n >> (2 * kLog2)) << kChildLog2),
          origin[1] + (static_cast<std::int64_t>(n >> kLog2 & kMask) << kChildLog2),
          origin[2] + (static_cast<std::int64_t>(n & kMask) << kChildLog2)};
}

[[nodiscard]] inline Index3 RootTileOrigin(std::uint64_t key) {
  const nanovdb::Coord c = NanoRootData::KeyToCoord(key);
  return {c[0], c[1], c[2]};
}

// Calls tile(origin, edge, level, value, active) for every tile (level 3, 2, 1 as OpenVDB's Tree::addTile counts) and
// leaf(origin, data) for every leaf of a checked buffer.
template <class TileFn, class LeafFn>
void VisitNanoVdb(const Blob& blob, TileFn&& tile, LeafFn&& leaf) {
  const NanoRootData* root = NanoRootOf(blob);
  for (std::uint32_t t = 0; t < root->mTableSize; ++t) {
    const NanoRootData::Tile* entry = root->tile(t);
    const Index3 upper_origin = RootTileOrigin(entry->key);
    if (!entry->isChild()) {
      tile(upper_origin, 4096, 3, entry->value, entry->state != 0);
      continue;
    }
    const auto* upper = reinterpret_cast<const NanoUpperData*>(root->getChild(entry));
    for (std::uint32_t u = 0; u < 32768; ++u) {
      const Index3 lower_origin = SlotOrigin<5, 7>(upper_origin, u);
      if (!upper->mChildMask.isOn(u)) {
        tile(lower_origin, 128, 2, upper->mTable[u].value, upper->mValueMask.isOn(u));
        continue;
      }
      const auto* lower = reinterpret_cast<const NanoLowerData*>(upper->getChild(u));
      for (std::uint32_t l = 0; l < 4096; ++l) {
        const Index3 leaf_origin = SlotOrigin<4, 3>(lower_origin, l);
        if (lower->mChildMask.isOn(l)) {
          leaf(leaf_origin, *reinterpret_cast<const NanoLeafData*>(lower->getChild(l)));
        } else {
          tile(leaf_origin, 8, 1, lower->mTable[l].value, lower->mValueMask.isOn(l));
        }
      }
    }
  }
}

}  // namespace dvren::io
