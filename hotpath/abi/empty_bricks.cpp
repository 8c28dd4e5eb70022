#include "abi/empty_bricks.h"

#include <algorithm>

namespace hp {

// Two sweeps (Borgefors, "Distance transformations in digital images", 1986): with 26 neighbours that all count 1 the
// result is exact.
void MeasureEmptyBricks(int nx, int ny, int nz, int32_t* bricks) {
  constexpr int32_t kFarthest = 127;
  for (int64_t i = 0; i < int64_t{nx} * ny * nz; ++i) {
    if (bricks[i] <= 0) bricks[i] = -kFarthest;
  }
  for (const int way : {1, -1}) {
    for (int i = 0; i < nz; ++i) {
      const int z = way > 0 ? i : nz - 1 - i;
      for (int j = 0; j < ny; ++j) {
        const int y = way > 0 ? j : ny - 1 - j;
        for (int k = 0; k < nx; ++k) {
          const int x = way > 0 ? k : nx - 1 - k;
          int32_t& here = bricks[(int64_t{z} * ny + y) * nx + x];
          if (here > 0) continue;
          int32_t nearest = -here;
          // The 13 neighbours that this sweep has passed.
          for (int n = 0; n < 13; ++n) {
            const int px = x + way * (n % 3 - 1), py = y + way * (n / 3 % 3 - 1), pz = z + way * (n / 9 - 1);
            if (px < 0 || py < 0 || pz < 0 || px >= nx || py >= ny || pz >= nz) continue;
            const int32_t there = bricks[(int64_t{pz} * ny + py) * nx + px];
            nearest = std::min(nearest, there > 0 ? 1 : 1 - there);
          }
          here = -nearest;
        }
      }
    }
  }
}

}  // namespace hp
