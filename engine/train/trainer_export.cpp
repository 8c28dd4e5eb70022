// What leaves a trainer for those that know no mask.
#include <algorithm>
#include <cstdint>

#include "dvren/train/trainer.h"
#include "train/trainer_state.h"

namespace dvren {
namespace {

// Whose density is exactly 0 under exp and softplus. Far below what values are, so that on the way to it from a voxel
// that stays, which a cell that is not there does not go, the density has fallen to 0 within a hundredth of a voxel.
constexpr float kNothing = -1e4f;

// Voxels of which no adjoining cell is there become empty. A cell reaches from a voxel to its upper neighbours.
void EmptyOutside(const std::vector<std::uint8_t>& cells, io::DenseVolume& grid) {
  const std::int64_t nz = grid.shape[0], ny = grid.shape[1], nx = grid.shape[2], channels = grid.shape[3];
  auto* values = reinterpret_cast<float*>(grid.values.data());
  const float nothing = grid.activation == io::Activation::kIdentity ? 0.0f : kNothing;
  for (std::int64_t z = 0; z < nz; ++z) {
    for (std::int64_t y = 0; y < ny; ++y) {
      for (std::int64_t x = 0; x < nx; ++x) {
        bool there = false;
        for (std::int64_t k = std::max<std::int64_t>(z - 1, 0); k <= z; ++k) {
          for (std::int64_t j = std::max<std::int64_t>(y - 1, 0); j <= y; ++j) {
            for (std::int64_t i = std::max<std::int64_t>(x - 1, 0); i <= x; ++i) {
              there = there || cells[static_cast<std::size_t>((k * ny + j) * nx + i)] != 0;
            }
          }
        }
        if (!there) values[((z * ny + y) * nx + x + 1) * channels - 1] = nothing;
      }
    }
  }
}

}  // namespace

absl::StatusOr<io::DenseVolume> Trainer::ExportGrid(Stream& stream) const {
  DVREN_ASSIGN_OR_RETURN(io::DenseVolume grid, Snapshot(stream));
  if (state_->masked) {
    DVREN_ASSIGN_OR_RETURN(const std::vector<std::uint8_t> cells, state_->writer->ReadMask(stream));
    EmptyOutside(cells, grid);
  }
  return grid;
}

}  // namespace dvren
