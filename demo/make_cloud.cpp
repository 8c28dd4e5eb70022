// dvren-cloud FILE.vdb [VOXELS [SEED]]: a procedural cumulus cloud of VOXELS^3 (default 128) as an OpenVDB fog volume.
#include <cstdio>
#include <cstdlib>

#include "dvren/io/procedural.h"
#include "dvren/io/vdb.h"

int main(int argc, char** argv) {
  const int voxels = argc > 2 ? std::atoi(argv[2]) : 128;
  if (argc < 2 || argc > 4 || voxels < 8 || voxels > 1024) {
    std::fprintf(stderr, "usage: dvren-cloud FILE.vdb [VOXELS (8 to 1024) [SEED]]\n");
    return 2;
  }
  const unsigned long long seed = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 1;
  const absl::Status status = dvren::io::WriteVdb(argv[1], dvren::io::MakeCloud(voxels, seed));
  if (!status.ok()) std::fprintf(stderr, "dvren-cloud: %s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
