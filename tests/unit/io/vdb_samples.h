// Small VDB files, made with OpenVDB itself.
#pragma once

#include <string>

namespace dvren::io::test {

// Grid "density" 4 x 3 x 2 at index (10, -2, 5): value (x + 10 y + 100 z + 1) / 1000 by offset; voxel 0.5, translated
// (1, 2, 3).
void WriteBlockVdb(const std::string& path, const std::string& grid_name = "density", bool half = false);
// Several grids in one file: "a" (float), "b" (float), "v" (vec3s).
void WriteSeveralVdb(const std::string& path);
void WriteDoubleVdb(const std::string& path);                        // the block in double precision
void WriteLevelSetVdb(const std::string& path, bool named_density);  // a sphere of radius 10 voxels
void WriteFrustumVdb(const std::string& path);
void WriteEmptyVdb(const std::string& path);  // no active voxels
// The block with `value` at its offsets (1, 1, 1) and (2, 0, 1), of which the second comes first by (z, y, x).
void WriteBadVdb(const std::string& path, float value);
// Active tiles of 8^3 and 128^3 beside single voxels, and a sheared transform.
void WriteTilesVdb(const std::string& path);
// One active tile of 4096^3.
void WriteHugeTileVdb(const std::string& path);

}  // namespace dvren::io::test
