// Gradients of fields are laid out in bricks: the 9^3 values that the 8^3 cells of a block read, x fastest, so that the
// eight values of a cell lie in one brick. A value on the edge of blocks has a place in each; reading adds them up.
#pragma once

namespace hp::HP_ISA_NS {

inline constexpr int kCellRow = 9, kCellSlice = 81, kCellsOfBrick = 729;

// The cell of each lane and the weights of its four rows along x.
struct Cell {
  I brick, local;            // local: of the cell's first value in the brick
  I row;                     // 9 z + y, of it
  F fx, w00, w10, w01, w11;  // w<y><z>
  HP_FN void set(I brick_, I ix, I iy, I iz, F fx_, F fy, F fz) {
    brick = brick_;
    row = bit_and(iz, 7) * splat_int(kCellRow) + bit_and(iy, 7);
    local = row * splat_int(kCellRow) + bit_and(ix, 7);
    fx = fx_;
    w11 = fy * fz;
    w10 = fy - w11;
    w01 = fz - w11;
    w00 = (splat(1) - fy) - w01;
  }
};

}  // namespace hp::HP_ISA_NS
