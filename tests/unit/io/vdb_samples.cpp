#include "vdb_samples.h"

#include <openvdb/openvdb.h>
#include <openvdb/tools/LevelSetSphere.h>

#include <cmath>

namespace dvren::io::test {
namespace {

using openvdb::Coord;

void Write(const std::string& path, const openvdb::GridPtrVec& grids) {
  openvdb::io::File(path).write(grids);
}

openvdb::math::Transform::Ptr Placed() {
  auto transform = openvdb::math::Transform::createLinearTransform(0.5);
  transform->postTranslate(openvdb::Vec3d(1, 2, 3));
  return transform;
}

template <class GridT>
typename GridT::Ptr Block(const std::string& name) {
  openvdb::initialize();
  auto grid = GridT::create(0);
  auto accessor = grid->getAccessor();
  for (int z = 0; z < 2; ++z) {
    for (int y = 0; y < 3; ++y) {
      for (int x = 0; x < 4; ++x) {
        accessor.setValue(Coord(10 + x, -2 + y, 5 + z),
                          static_cast<typename GridT::ValueType>((x + 10 * y + 100 * z + 1) / 1000.0));
      }
    }
  }
  grid->setName(name);
  grid->setGridClass(openvdb::GRID_FOG_VOLUME);
  grid->setTransform(Placed());
  return grid;
}

}  // namespace

void WriteBlockVdb(const std::string& path, const std::string& grid_name, bool half) {
  auto grid = Block<openvdb::FloatGrid>(grid_name);
  grid->setSaveFloatAsHalf(half);
  Write(path, {grid});
}

void WriteSeveralVdb(const std::string& path) {
  auto vectors = openvdb::Vec3SGrid::create();
  vectors->setName("v");
  vectors->tree().setValue(Coord(0, 0, 0), openvdb::Vec3s(1, 2, 3));
  Write(path, {Block<openvdb::FloatGrid>("a"), Block<openvdb::FloatGrid>("b"), vectors});
}

void WriteDoubleVdb(const std::string& path) {
  Write(path, {Block<openvdb::DoubleGrid>("density")});
}

void WriteLevelSetVdb(const std::string& path, bool named_density) {
  openvdb::initialize();
  auto grid = openvdb::tools::createLevelSetSphere<openvdb::FloatGrid>(5.0f, openvdb::Vec3f(0), 0.5f);
  grid->setName(named_density ? "density" : "surface");
  Write(path, {grid});
}

void WriteFrustumVdb(const std::string& path) {
  auto grid = Block<openvdb::FloatGrid>("density");
  grid->setTransform(openvdb::math::Transform::createFrustumTransform(
      openvdb::BBoxd(openvdb::Vec3d(0), openvdb::Vec3d(100)), 0.5, 10.0));
  Write(path, {grid});
}

void WriteEmptyVdb(const std::string& path) {
  openvdb::initialize();
  auto grid = openvdb::FloatGrid::create(0.0f);
  grid->setName("density");
  Write(path, {grid});
}

void WriteBadVdb(const std::string& path, float value) {
  auto grid = Block<openvdb::FloatGrid>("density");
  grid->tree().setValue(Coord(11, -1, 6), value);
  grid->tree().setValue(Coord(12, -2, 6), value);
  Write(path, {grid});
}

void WriteTilesVdb(const std::string& path) {
  openvdb::initialize();
  auto grid = openvdb::FloatGrid::create(0.0f);
  grid->setName("density");
  grid->setGridClass(openvdb::GRID_FOG_VOLUME);
  auto& tree = grid->tree();
  tree.addTile(1, Coord(-8, 0, 8), 0.25f, true);
  tree.addTile(1, Coord(16, 16, 16), 0.75f, false);  // inactive, yet a value
  tree.addTile(2, Coord(128, 0, 0), 0.5f, true);
  tree.setValue(Coord(3, 4, 5), 1.0f);
  tree.setValueOff(Coord(3, 4, 6), 0.125f);
  openvdb::Mat4d mat = openvdb::Mat4d::identity();  // row vectors
  mat(0, 0) = 0.5;
  mat(1, 0) = 0.25;  // y leans into x
  mat(1, 1) = 2.0;
  mat(2, 2) = 1.5;
  mat(3, 0) = -4.0;
  grid->setTransform(openvdb::math::Transform::createLinearTransform(mat));
  Write(path, {grid});
}

void WriteHugeTileVdb(const std::string& path) {
  openvdb::initialize();
  auto grid = openvdb::FloatGrid::create(0.0f);
  grid->setName("density");
  grid->tree().addTile(3, Coord(0, 0, 0), 1.0f, true);
  Write(path, {grid});
}

}  // namespace dvren::io::test
