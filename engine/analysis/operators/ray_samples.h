// The places of samples along rays, as both samplers count them.
#pragma once

#include "analysis/operators/figures.h"

namespace dvren::analysis {

[[nodiscard]] inline ParameterSpec CoarseSamples() {
  return CorrectedOnly(PositiveInteger("coarse_samples", 64, "weights per ray that a pdf sampler inverts"));
}

// input B, output S, one operation each.
[[nodiscard]] inline ReferenceFigures ReferenceRaySamples(const OperatorCase& c) {
  return FromShapes({{c.rays}}, {c.rays, c.samples}, c.total_samples);
}

// Origin and direction in, position and segment length out.
[[nodiscard]] inline CorrectedFigures RaySamples(const OperatorCase& c) {
  const Count active = ActiveSamples(c);
  CorrectedFigures figures = Streams(c, 6 * c.rays, 4 * active);
  figures.work.fma = c.total_samples + 3 * active;
  figures.work.compare = c.total_samples;
  figures.formulas = {{"sample.positions",
                       "t = fma(k, dt, t_near) and one comparison with the end for each of the S "
                       "samples; p = fma(t, d, o) in 3 axes for each active one"}};
  return figures;
}

// dL/do = sum of dL/dp, dL/dd = sum of t·dL/dp.
[[nodiscard]] inline CorrectedFigures RaySamplesBackward(const OperatorCase& c) {
  const Count active = ActiveSamples(c);
  CorrectedFigures figures = Streams(c, 4 * active, 6 * c.rays);
  figures.work.add = 3 * active;
  figures.work.fma = 3 * active;
  figures.formulas = {{"sample.positions.backward",
                       "dL/do = sum dL/dp: 3 add; dL/dd = sum t·dL/dp: 3 fma, per active "
                       "sample; places are held fixed as the renderer does"}};
  return figures;
}

// Cumulative weights of Nc coarse samples, then a binary search and an interpolation for each new sample.
inline void AddInverseCdf(const OperatorCase& c, CorrectedFigures& figures) {
  const Count coarse = c.Integer("coarse_samples");
  const Count weights = c.rays * coarse;
  Count search_steps = 0;
  for (std::int64_t reach = 1; reach < c.parameters.Integer("coarse_samples") && reach > 0; reach *= 2) {
    search_steps += 1;
  }
  figures.input_a += weights;
  figures.work.add += weights + 2 * c.total_samples;
  figures.work.mul += weights + c.total_samples;
  figures.work.fma += c.total_samples;
  figures.work.compare += c.total_samples * search_steps;
  figures.work.stream_read_bytes += c.Bytes(weights);
  figures.work.gather_bytes += c.Bytes(c.total_samples * 4);
  figures.work.footprint_bytes += c.Bytes(weights);
  figures.formulas.push_back({"sample.inverse_cdf",
                              "cumulative sum and normalisation of Nc weights: 1 add, 1 mul each; "
                              "per new sample ceil(log2 Nc) comparisons, 2 cdf values and 2 bins "
                              "gathered, 2 sub, 1 div, 1 fma"});
}

}  // namespace dvren::analysis
