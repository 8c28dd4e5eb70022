#include "support/hp_nanovdb.h"

#include <nanovdb/NanoVDB.h>
#include <nanovdb/util/GridBuilder.h>
#include <nanovdb/util/GridStats.h>

#include <algorithm>
#include <cstdlib>
#include <new>

namespace dvren::test {
namespace {

nanovdb::Map MapOf(const hp_affine& a) {
  nanovdb::Map map = {};
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) {
      map.mMatD[3 * i + j] = a.m[4 * i + j];
      map.mMatF[3 * i + j] = static_cast<float>(a.m[4 * i + j]);
    }
    map.mVecD[i] = a.m[4 * i + 3];
    map.mVecF[i] = static_cast<float>(a.m[4 * i + 3]);
  }
  return map;
}

template <class T>
std::size_t OffsetIn(const NanoVdbBlob& blob, const T* p) {
  return static_cast<std::size_t>(reinterpret_cast<const unsigned char*>(p) - blob.data.get());
}

}  // namespace

float SparseVolume::At(const Index3& p) const {
  if (const auto it = inactive.find(p); it != inactive.end()) return it->second;
  if (const auto it = voxels.find(p); it != voxels.end()) return it->second;
  for (auto box = boxes.rbegin(); box != boxes.rend(); ++box) {
    bool inside = true;
    for (std::size_t i = 0; i < 3; ++i) inside &= box->min[i] <= p[i] && p[i] <= box->max[i];
    if (inside) return box->value;
  }
  return background;
}

void SparseVolume::ActiveBounds(Index3* min, Index3* max) const {
  *min = {1 << 30, 1 << 30, 1 << 30};
  *max = {-(1 << 30), -(1 << 30), -(1 << 30)};
  auto grow = [&](const Index3& lo, const Index3& hi) {
    for (std::size_t i = 0; i < 3; ++i) {
      (*min)[i] = std::min((*min)[i], lo[i]);
      (*max)[i] = std::max((*max)[i], hi[i]);
    }
  };
  for (const auto& box : boxes) grow(box.min, box.max);
  for (const auto& [p, value] : voxels) {
    if (!inactive.contains(p)) grow(p, p);
  }
}

NanoVdbBlob CopyBlob(const void* from, std::size_t used, std::size_t size) {
  constexpr std::align_val_t kAlign{64};
  auto* data = static_cast<unsigned char*>(::operator new(std::max<std::size_t>(size, 1), kAlign));
  std::memset(data, 0, size);
  std::memcpy(data, from, std::min(used, size));
  return {std::shared_ptr<unsigned char>(data, [](unsigned char* p) { ::operator delete (p, std::align_val_t{64}); }),
          size};
}

NanoVdbBlob MakeNanoVdbBlob(const SparseVolume& volume) {
  nanovdb::GridBuilder<float> builder(volume.background,
                                      volume.level_set ? nanovdb::GridClass::LevelSet : nanovdb::GridClass::FogVolume);
  for (const auto& box : volume.boxes) {
    const nanovdb::CoordBBox bounds(nanovdb::Coord(box.min[0], box.min[1], box.min[2]),
                                    nanovdb::Coord(box.max[0], box.max[1], box.max[2]));
    builder([&](const nanovdb::Coord&) { return box.value; }, bounds);
  }
  auto access = builder.getAccessor();
  for (const auto* values : {&volume.voxels, &volume.inactive}) {
    for (const auto& [p, value] : *values) access.setValue(nanovdb::Coord(p[0], p[1], p[2]), value);
  }
  auto handle = builder.getHandle(MapOf(volume.index_to_world), "density");
  if (!volume.inactive.empty()) {
    auto* grid = handle.grid<float>();
    auto reader = grid->getAccessor();
    for (const auto& [p, value] : volume.inactive) {
      const nanovdb::Coord at(p[0], p[1], p[2]);
      auto* leaf = const_cast<nanovdb::NanoLeaf<float>*>(reader.probeLeaf(at));
      leaf->data()->mValueMask.setOff(nanovdb::NanoLeaf<float>::CoordToOffset(at));
    }
    nanovdb::gridStats(*grid);
  }
  return CopyBlob(handle.data(), handle.size(), handle.size());
}

NanoVdbBlob MakeRootTileBlob(const std::vector<Index3>& corners, float value, float background, const Index3& min,
                             const Index3& max) {
  using Root = nanovdb::NanoRoot<float>;
  using RootData = Root::DataType;
  SparseVolume one;
  one.voxels[{0, 0, 0}] = 1;
  const NanoVdbBlob model = MakeNanoVdbBlob(one);
  const std::size_t tree_at = sizeof(nanovdb::GridData), root_at = tree_at + sizeof(nanovdb::TreeData<3>);
  const std::size_t size = root_at + sizeof(RootData) + corners.size() * sizeof(RootData::Tile);
  NanoVdbBlob blob = CopyBlob(model.data.get(), tree_at, size);
  reinterpret_cast<nanovdb::GridData*>(blob.data.get())->mGridSize = size;
  auto* tree = reinterpret_cast<nanovdb::TreeData<3>*>(blob.data.get() + tree_at);
  tree->mNodeOffset[3] = sizeof(nanovdb::TreeData<3>);
  auto* root = reinterpret_cast<RootData*>(blob.data.get() + root_at);
  root->mBBox = nanovdb::CoordBBox(nanovdb::Coord(min[0], min[1], min[2]), nanovdb::Coord(max[0], max[1], max[2]));
  root->mTableSize = static_cast<std::uint32_t>(corners.size());
  root->mBackground = background;
  for (std::size_t n = 0; n < corners.size(); ++n) {
    auto* tile = root->tile(static_cast<std::uint32_t>(n));
    tile->key = RootData::CoordToKey(nanovdb::Coord(corners[n][0], corners[n][1], corners[n][2]));
    tile->child = 0;
    tile->state = 1;
    tile->value = value;
  }
  return blob;
}

namespace {

// Calls visit(leaf's origin, one of its values, its place in the list) for every value of every leaf.
template <class Visit>
void ForLeafValues(unsigned char* blob, Visit visit) {
  auto& tree = reinterpret_cast<nanovdb::NanoGrid<float>*>(blob)->tree();
  auto* leaves = tree.nodeCount(0) ? tree.getFirstNode<0>() : nullptr;
  for (std::uint32_t n = 0; n < tree.nodeCount(0); ++n) {
    auto* data = leaves[n].data();
    const nanovdb::Coord origin = leaves[n].origin();
    for (std::uint32_t z = 0; z < 8; ++z) {
      for (std::uint32_t y = 0; y < 8; ++y) {
        for (std::uint32_t x = 0; x < 8; ++x) {
          visit(origin, data->mValues[64 * x + 8 * y + z], std::size_t{512} * n + 64 * z + 8 * y + x);
        }
      }
    }
  }
}

}  // namespace

std::vector<Index3> LeafOrigins(const NanoVdbBlob& blob) {
  std::vector<Index3> origins;
  ForLeafValues(blob.data.get(), [&](const nanovdb::Coord& o, float&, std::size_t at) {
    if (at % 512 == 0) origins.push_back({o.x(), o.y(), o.z()});
  });
  return origins;
}

std::vector<float> LeafValues(const NanoVdbBlob& blob) {
  std::vector<float> values;
  ForLeafValues(blob.data.get(), [&](const nanovdb::Coord&, float& v, std::size_t) { values.push_back(v); });
  return values;
}

NanoVdbBlob WithLeafValues(const NanoVdbBlob& blob, const std::vector<float>& values) {
  NanoVdbBlob copy = CopyBlob(blob.data.get(), blob.bytes, blob.bytes);
  ForLeafValues(copy.data.get(), [&](const nanovdb::Coord&, float& v, std::size_t at) { v = values[at]; });
  return copy;
}

NanoVdbBlob WithEveryBlockTheFirstLeaf(const NanoVdbBlob& blob) {
  NanoVdbBlob copy = CopyBlob(blob.data.get(), blob.bytes, blob.bytes);
  auto& tree = reinterpret_cast<nanovdb::NanoGrid<float>*>(copy.data.get())->tree();
  auto* lower = tree.getFirstNode<1>();
  const auto* leaf = tree.getFirstNode<0>();
  lower->data()->mChildMask.setOn();
  for (auto& entry : lower->data()->mTable) {
    entry.child = reinterpret_cast<const char*>(leaf) - reinterpret_cast<const char*>(lower);
  }
  return copy;
}

NanoVdbLayout LayoutOf(const NanoVdbBlob& blob) {
  auto* grid = reinterpret_cast<nanovdb::NanoGrid<float>*>(blob.data.get());
  const auto* data = grid->data();
  auto& tree = grid->tree();
  auto& root = tree.root();
  const auto* tile = root.data()->tile(0);
  NanoVdbLayout at = {};
  at.magic = OffsetIn(blob, &data->mMagic);
  at.version = OffsetIn(blob, &data->mVersion);
  at.grid_class = OffsetIn(blob, &data->mGridClass);
  at.grid_type = OffsetIn(blob, &data->mGridType);
  at.matrix = OffsetIn(blob, &data->mMap.mMatD[0]);
  at.tree = sizeof(nanovdb::GridData);
  at.root_offset = OffsetIn(blob, &tree.data()->mNodeOffset[3]);
  at.root = OffsetIn(blob, root.data());
  at.table_size = OffsetIn(blob, &root.data()->mTableSize);
  at.root_bbox = OffsetIn(blob, &root.data()->mBBox);
  at.background = OffsetIn(blob, &root.data()->mBackground);
  at.first_tile = OffsetIn(blob, tile);
  at.tile_bytes = sizeof(*tile);
  at.tile_child = OffsetIn(blob, &tile->child);
  if (tree.nodeCount(2)) at.upper = OffsetIn(blob, tree.getFirstNode<2>());
  if (tree.nodeCount(1)) at.lower = OffsetIn(blob, tree.getFirstNode<1>());
  if (tree.nodeCount(0)) {
    at.leaf = OffsetIn(blob, tree.getFirstNode<0>());
    at.leaf_values = OffsetIn(blob, tree.getFirstNode<0>()->data()->mValues);
  }
  return at;
}

}  // namespace dvren::test
