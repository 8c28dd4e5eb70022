// libFuzzer: no bytes make AddDefinitions crash, hang or leak; what it accepts evaluates or says why not.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "dvren/analysis/definitions.h"
#include "fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dvren::analysis;
  OperatorRegistry operators = BuiltinOperators();
  PipelineRegistry pipelines = BuiltinPipelines();
  const std::size_t known = operators.operators().size();
  const absl::Status status =
      AddDefinitions("fuzz.yaml", std::string(reinterpret_cast<const char*>(data), size), operators, pipelines);
  if (!status.ok()) {
    if (status.message().empty() || operators.operators().size() != known) std::abort();
    return 0;
  }
  for (std::size_t i = known; i < operators.operators().size(); ++i) {
    const auto node = Evaluate(*operators.operators()[i], {}, Mode::kCorrected);
    if (node.ok() && !(node->num_ops.real() >= 0)) std::abort();
  }
  return 0;
}

std::vector<std::string> FuzzSeeds() {
  return {
      "operators:\n  - name: A\n    category: Encoding\n    parameters:\n      - {name: c, type: integer, default: 4, "
      "least: 2, greatest: 9, meaning: m}\n      - {name: r, type: real, default: 0.5}\n    forward:\n      input_a: 3 "
      "* "
      "rays\n      output: ceil(rays / c)\n      work: {fma: pow(c, 2) * total_samples, gather: min(rays, samples)}\n  "
      " "
      "   formula: f\n    backward: {work: {scatter: r * rays}, formula: b}\n",
      "pipelines:\n  - name: p\n    parameters: [{name: w, type: integer, default: 8}]\n    nodes:\n      - {id: s, "
      "op: "
      "UniformSampler, external: 6 * rays}\n      - {id: h, op: HashEncoding, set: {num_levels: w / 2}, bits: 8}\n    "
      "edges: [{from: s, to: h, elements: 3 * total_samples}]\n",
      "operators: [{name: X, category: Blending, dimensions: 1, forward: {work: {add: log2(rays) + max(1, -2)}, "
      "formula: "
      "x}}]\n",
      "a: &a [*a]\n",
      std::string(64, '['),
      "operators: []\npipelines: []\n"};
}
