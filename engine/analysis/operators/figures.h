// What the formulas of operators share.
#pragma once

#include <initializer_list>
#include <utility>
#include <vector>

#include "dvren/analysis/operator.h"

namespace dvren::analysis {

[[nodiscard]] inline Count Product(const std::vector<Count>& shape) {
  Count product = 1;
  for (const Count& extent : shape) product = product * extent;
  return product;
}

// The reference's rule: the first shape is input_a, the others are input_w, and the backward shapes are the forward
// ones unless the class overrides them.
[[nodiscard]] inline ReferenceFigures FromShapes(std::vector<std::vector<Count>> inputs, std::vector<Count> output,
                                                 const Count& num_ops) {
  ReferenceFigures figures;
  figures.input_a = Product(inputs.front());
  for (std::size_t i = 1; i < inputs.size(); ++i) figures.input_w += Product(inputs[i]);
  figures.output = Product(output);
  figures.num_ops = num_ops;
  figures.backward_tensors = {figures.input_a, figures.input_w, figures.output};
  figures.input_shapes = std::move(inputs);
  figures.output_shape = std::move(output);
  return figures;
}

// The reference's operators without shapes: counts alone.
[[nodiscard]] inline ReferenceFigures FromCounts(const Count& input_a, const Count& input_w, const Count& output,
                                                 const Count& num_ops) {
  ReferenceFigures figures;
  figures.input_a = input_a;
  figures.input_w = input_w;
  figures.output = output;
  figures.num_ops = num_ops;
  return figures;
}

// The share of samples that do work: occupied space before the ray is opaque. A measured property of a scene.
[[nodiscard]] inline ParameterSpec ActiveRatio() {
  return CorrectedOnly(Ratio("active_ratio", 1, "share of the samples that contribute (occupied, before early stop)"));
}

[[nodiscard]] inline Count ActiveSamples(const OperatorCase& c) {
  return c.total_samples * Count(c.parameters.Real("active_ratio"));
}

// An operator that reads `in` values and writes `out` values in order, and touches each once.
[[nodiscard]] inline CorrectedFigures Streams(const OperatorCase& c, const Count& in, const Count& out) {
  CorrectedFigures figures;
  figures.input_a = in;
  figures.output = out;
  figures.work.stream_read_bytes = c.Bytes(in);
  figures.work.stream_write_bytes = c.Bytes(out);
  figures.work.footprint_bytes = c.Bytes(in + out);
  return figures;
}

// Bytes of an index, of a sort key of 32 bits and of its payload, whatever the width of values.
inline constexpr int kIndexBytes = 4;

// Adds `count` indices read or written.
inline void AddIndices(const Count& count, WorkCount& work) {
  work.integer_bytes += count * kIndexBytes;
  work.footprint_bytes += count * kIndexBytes;
}

}  // namespace dvren::analysis
