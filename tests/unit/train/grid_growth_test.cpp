#include "train/grid_growth.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "unit/io/io_fixture.h"

namespace dvren::test {
namespace {

using io::test::Get;

FieldSpec SpecOf(int sh_degree) {
  FieldSpec spec;
  spec.sh_degree = sh_degree;
  spec.box = Box{{-1, 0.5, 2}, {1.2, 2.1, 3.7}};
  return spec;
}

float* Values(io::DenseVolume& grid) {
  return reinterpret_cast<float*>(grid.values.data());
}

// World coordinate of voxel i along an axis.
double Centre(const io::DenseVolume& grid, std::size_t axis, std::int64_t i) {
  const double n = static_cast<double>(grid.shape[2 - axis]);
  return grid.box.min[axis] + (static_cast<double>(i) + 0.5) / n * (grid.box.max[axis] - grid.box.min[axis]);
}

double AffineOf(double x, double y, double z, std::int64_t channel) {
  const auto c = static_cast<double>(channel);
  return 0.3 + 0.1 * c + (0.7 - 0.05 * c) * x - 0.4 * y + (0.2 + 0.01 * c) * z;
}

// Calls visit(x, y, z, value of the first channel) for every voxel.
template <class Visit>
void ForEachVoxel(io::DenseVolume& grid, const Visit& visit) {
  float* value = Values(grid);
  for (std::int64_t z = 0; z < grid.shape[0]; ++z) {
    for (std::int64_t y = 0; y < grid.shape[1]; ++y) {
      for (std::int64_t x = 0; x < grid.shape[2]; ++x, value += grid.shape[3]) visit(x, y, z, value);
    }
  }
}

void FillAffine(io::DenseVolume& grid) {
  ForEachVoxel(grid, [&](std::int64_t x, std::int64_t y, std::int64_t z, float* value) {
    for (std::int64_t c = 0; c < grid.shape[3]; ++c) {
      value[c] = static_cast<float>(AffineOf(Centre(grid, 0, x), Centre(grid, 1, y), Centre(grid, 2, z), c));
    }
  });
}

// The voxel below a world coordinate, none outside the outermost centres.
bool CoarseCell(const io::DenseVolume& grid, std::size_t axis, double world, std::int64_t& low) {
  low = 0;
  while (low + 1 < grid.shape[2 - axis] && Centre(grid, axis, low + 1) <= world) ++low;
  return world >= Centre(grid, axis, 0) && world <= Centre(grid, axis, grid.shape[2 - axis] - 1);
}

}  // namespace

TEST_CASE("A first grid has cubes around the middle of its box, about as many as asked for, all at the initial value") {
  for (const int degree : {0, 1, 2}) {
    FieldSpec spec = SpecOf(degree);
    spec.initial_color = 0.75;
    io::DenseVolume grid = Get(InitialGrid(spec, 20, degree));
    CAPTURE(degree);
    CHECK(grid.shape[3] == (degree == 0 ? 4 : 3 * (degree + 1) * (degree + 1) + 1));
    const double voxel = Centre(grid, 0, 1) - Centre(grid, 0, 0);
    CHECK(voxel == Approx(std::cbrt(2.2 * 1.6 * 1.7) / 20).epsilon(1e-12));
    for (std::size_t axis = 0; axis < 3; ++axis) {
      CHECK(Centre(grid, axis, 1) - Centre(grid, axis, 0) == Approx(voxel).epsilon(1e-12));
      CHECK(grid.box.min[axis] <= spec.box.min[axis] + 1e-6);
      CHECK(grid.box.max[axis] >= spec.box.max[axis] - 1e-6);
      CHECK(grid.box.max[axis] - grid.box.min[axis] < spec.box.max[axis] - spec.box.min[axis] + voxel);
      CHECK(grid.box.min[axis] + grid.box.max[axis] == Approx(spec.box.min[axis] + spec.box.max[axis]));
    }
    // The harmonic of degree 0 is 1/(2 sqrt(pi)), and colours are 1/2 + the sum of harmonics.
    const double constant = 0.5 / std::sqrt(std::acos(-1.0));
    int wrong = 0;
    ForEachVoxel(grid, [&](std::int64_t, std::int64_t, std::int64_t, const float* value) {
      const std::int64_t terms = degree == 0 ? 1 : (degree + 1) * (degree + 1);
      for (std::int64_t c = 0; c + 1 < grid.shape[3]; ++c) {
        const double wanted = degree == 0 ? 0.75 : c % terms == 0 ? 0.25 / constant : 0;
        wrong += std::abs(value[c] - wanted) > 1e-6;
      }
      wrong += value[grid.shape[3] - 1] != -4;
    });
    CHECK(wrong == 0);
  }
}

TEST_CASE("A finer grid has the values of an affine function that the coarser one had") {
  for (const int resolution : {9, 10, 16, 23}) {
    io::DenseVolume coarse = Get(InitialGrid(SpecOf(1), 9, 1)), fine = Get(InitialGrid(SpecOf(1), resolution, 1));
    FillAffine(coarse);
    std::vector<std::uint8_t> cells;
    GrowGrid(coarse, {}, fine, cells);
    double worst = 0;
    int inside = 0, wrong = 0;
    ForEachVoxel(fine, [&](std::int64_t x, std::int64_t y, std::int64_t z, const float* value) {
      const double at[3] = {Centre(fine, 0, x), Centre(fine, 1, y), Centre(fine, 2, z)};
      double clamped[3];
      bool within = true;
      for (std::size_t axis = 0; axis < 3; ++axis) {
        const double low = Centre(coarse, axis, 0), high = Centre(coarse, axis, coarse.shape[2 - axis] - 1);
        clamped[axis] = std::min(std::max(at[axis], low), high);
        within &= clamped[axis] == at[axis];
      }
      inside += within ? 1 : 0;
      for (std::int64_t c = 0; c < fine.shape[3]; ++c) {
        // Beyond the outermost centres the edge value holds.
        worst = std::max(worst, std::abs(value[c] - AffineOf(clamped[0], clamped[1], clamped[2], c)));
      }
    });
    for (const std::uint8_t cell : cells) wrong += cell != 1;
    CAPTURE(resolution, inside);
    CHECK(inside > 200);
    CHECK(worst < 1e-5);
    CHECK(wrong == 0);
    CHECK(cells.size() == static_cast<std::size_t>(fine.shape[0] * fine.shape[1] * fine.shape[2]));
  }
}

namespace {

// Whether one of the cells around a voxel is there.
bool HasCell(const std::vector<std::uint8_t>& cells, const std::array<std::int64_t, 4>& shape, std::int64_t x,
             std::int64_t y, std::int64_t z) {
  for (std::int64_t cz = std::max<std::int64_t>(z - 1, 0); cz <= z; ++cz) {
    for (std::int64_t cy = std::max<std::int64_t>(y - 1, 0); cy <= y; ++cy) {
      for (std::int64_t cx = std::max<std::int64_t>(x - 1, 0); cx <= x; ++cx) {
        if (cells[static_cast<std::size_t>((cz * shape[1] + cy) * shape[2] + cx)] != 0) return true;
      }
    }
  }
  return false;
}

}  // namespace

TEST_CASE("Nothing grows out of cells that are not there") {
  io::DenseVolume coarse = Get(InitialGrid(SpecOf(0), 9, 0)), fine = Get(InitialGrid(SpecOf(0), 17, 0));
  FillAffine(coarse);
  const auto& n = coarse.shape;
  const auto& m = fine.shape;
  const auto there = [](std::int64_t x, std::int64_t y, std::int64_t z) { return x < 3 && (y + z) % 4 != 0; };
  std::vector<std::uint8_t> coarse_cells, cells;
  for (std::int64_t z = 0; z < n[0]; ++z) {
    for (std::int64_t y = 0; y < n[1]; ++y) {
      for (std::int64_t x = 0; x < n[2]; ++x) coarse_cells.push_back(there(x, y, z) ? 5 : 0);
    }
  }
  GrowGrid(coarse, coarse_cells, fine, cells);
  // Voxels from a cell that is there; the cells around them.
  std::vector<std::uint8_t> grown, wanted(cells.size(), 0);
  double worst = 0;
  ForEachVoxel(fine, [&](std::int64_t x, std::int64_t y, std::int64_t z, const float* value) {
    const double at[3] = {Centre(fine, 0, x), Centre(fine, 1, y), Centre(fine, 2, z)};
    std::int64_t cell[3];
    bool within = true;
    for (std::size_t axis = 0; axis < 3; ++axis) within &= CoarseCell(coarse, axis, at[axis], cell[axis]);
    const bool grows = there(cell[0], cell[1], cell[2]);
    grown.push_back(grows ? 1 : 0);
    for (std::int64_t c = 0; c < 4; ++c) {
      if (grows && within) worst = std::max(worst, std::abs(value[c] - AffineOf(at[0], at[1], at[2], c)));
    }
  });
  CHECK(worst < 1e-5);
  for (std::int64_t z = 0; z < m[0]; ++z) {
    for (std::int64_t y = 0; y < m[1]; ++y) {
      for (std::int64_t x = 0; x < m[2]; ++x) {
        for (int corner = 0; corner < 8; ++corner) {
          const std::int64_t vx = x + (corner & 1), vy = y + (corner >> 1 & 1), vz = z + (corner >> 2);
          if (vx >= m[2] || vy >= m[1] || vz >= m[0]) continue;
          if (grown[static_cast<std::size_t>((vz * m[1] + vy) * m[2] + vx)] != 0) {
            wanted[static_cast<std::size_t>((z * m[1] + y) * m[2] + x)] = 1;
          }
        }
      }
    }
  }
  CHECK(cells == wanted);
  // A voxel that no cell has is left alone.
  int changed = 0, alone = 0;
  ForEachVoxel(fine, [&](std::int64_t x, std::int64_t y, std::int64_t z, const float* value) {
    if (HasCell(cells, m, x, y, z)) return;
    ++alone;
    for (std::int64_t c = 0; c < 4; ++c) changed += value[c] != (c == 3 ? -4.0f : 0.5f);
  });
  CHECK(alone > 500);
  CHECK(changed == 0);
}

TEST_CASE("What lies beyond the cells that are there takes nothing from voxels that no cell has") {
  io::DenseVolume coarse = Get(InitialGrid(SpecOf(0), 9, 0)), fine = Get(InitialGrid(SpecOf(0), 23, 0));
  const auto& n = coarse.shape;
  std::vector<std::uint8_t> coarse_cells, cells;
  for (std::int64_t z = 0; z < n[0]; ++z) {
    for (std::int64_t y = 0; y < n[1]; ++y) {
      for (std::int64_t x = 0; x < n[2]; ++x) coarse_cells.push_back((x + 2 * y + 3 * z) % 7 == 0 ? 1 : 0);
    }
  }
  // Seven where some cell has the voxel, a thousand elsewhere.
  auto* value = reinterpret_cast<float*>(coarse.values.data());
  for (std::int64_t z = 0; z < n[0]; ++z) {
    for (std::int64_t y = 0; y < n[1]; ++y) {
      for (std::int64_t x = 0; x < n[2]; ++x) {
        const float v = HasCell(coarse_cells, n, x, y, z) ? 7.0f : 1000.0f;
        for (std::int64_t c = 0; c < 4; ++c) *value++ = v;
      }
    }
  }
  GrowGrid(coarse, coarse_cells, fine, cells);
  int seven = 0, wrong = 0;
  ForEachVoxel(fine, [&](std::int64_t x, std::int64_t y, std::int64_t z, const float* grown) {
    if (!HasCell(cells, fine.shape, x, y, z)) return;
    for (std::int64_t c = 0; c < 4; ++c) (std::abs(grown[c] - 7.0f) < 1e-5f ? seven : wrong) += 1;
  });
  CHECK(seven > 1000);
  CHECK(wrong == 0);
}

TEST_CASE("Harmonics that a finer grid has more of leave colours and densities as they were") {
  // Colour: plain at degree 0, else 1/2 + the sum of harmonics, of which the first is 1/(2 sqrt(pi)).
  const double constant = 0.5 / std::sqrt(std::acos(-1.0));
  for (const auto& [from, to] : {std::pair{0, 0}, {0, 1}, {0, 2}, {1, 1}, {1, 2}, {2, 2}}) {
    CAPTURE(from, to);
    io::DenseVolume coarse = Get(InitialGrid(SpecOf(from), 9, from)), fine = Get(InitialGrid(SpecOf(from), 9, to));
    FillAffine(coarse);
    std::vector<std::uint8_t> cells;
    GrowGrid(coarse, {}, fine, cells);
    const std::int64_t had = (from + 1) * (from + 1), has = (to + 1) * (to + 1);
    const float* before = Values(coarse);
    double worst = 0;
    ForEachVoxel(fine, [&](std::int64_t, std::int64_t, std::int64_t, const float* after) {
      for (std::int64_t c = 0; c < 3; ++c) {
        for (std::int64_t term = 0; term < has; ++term) {
          double wanted = term < had ? before[c * had + term] : 0;
          if (from == 0 && to > 0 && term == 0) wanted = (wanted - 0.5) / constant;
          worst = std::max(worst, std::abs(after[c * has + term] - wanted));
        }
      }
      worst = std::max(worst, std::abs(static_cast<double>(after[3 * has]) - before[3 * had]));
      before += 3 * had + 1;
    });
    CHECK(worst <= 2e-6);
  }
}

}  // namespace dvren::test
