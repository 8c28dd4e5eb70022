// Coarse to fine: the grids of a training run, and how one grows out of another.
#pragma once

#include <cstdint>
#include <vector>

#include "dvren/io/volume.h"
#include "dvren/train/training_spec.h"

namespace dvren {

// A grid of about resolution^3 cubic voxels over the spec's box (the box grows to whole voxels about its centre), all
// of the initial values. RESOURCE_EXHAUSTED when there is no memory for it.
[[nodiscard]] absl::StatusOr<io::DenseVolume> InitialGrid(const FieldSpec& spec, int resolution, int sh_degree);

// Values and cells of `fine`, whose memory is there, from those of `coarse`: interpolated linearly where the coarse
// cell is there; where a fine cell reaches out of those, the weighted mean of the corners that they have; left alone
// elsewhere. `coarse_cells` empty: all are. Cells: u8 (nz, ny, nx), each from its voxel to the next ones. Where `fine`
// has spherical harmonics of a higher degree, the colours are the same in all directions, or as they were.
void GrowGrid(const io::DenseVolume& coarse, const std::vector<std::uint8_t>& coarse_cells, io::DenseVolume& fine,
              std::vector<std::uint8_t>& fine_cells);

}  // namespace dvren
