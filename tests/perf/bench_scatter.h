// The scatter of backward alone, with exact and with float sums (bench_scatter.cpp). Only where AVX-512 runs.
#pragma once

namespace dvren::bench {

// Contributions of edge x edge rays with `steps` samples each; returns something that depends on them.
double ScatterExact(int edge, int steps);
double ScatterFloat(int edge, int steps);

}  // namespace dvren::bench
