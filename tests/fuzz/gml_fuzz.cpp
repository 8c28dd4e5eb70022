// Execution graphs in GML of arbitrary bytes: an error of one line, or a graph whose edges join its nodes.
#include <cstdlib>

#include "dvren/analysis/execution_dag.h"
#include "fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto dag = dvren::analysis::ReadExecutionDagGml({reinterpret_cast<const char*>(data), size});
  if (!dag.ok()) {
    if (dag.status().message().empty() || dag.status().message().find('\n') != absl::string_view::npos) std::abort();
    return 0;
  }
  for (const auto& edge : dag->edges) {
    if (edge.from >= dag->nodes.size() || edge.to >= dag->nodes.size()) std::abort();
  }
  return 0;
}

std::vector<std::string> FuzzSeeds() {
  return {R"x(# a graph
graph [ directed 1 name "n"
  node [ id 0 label "a.MLP.forward[(8, 4, 3)-&gt;(8, 4)]#1" func_name "a&#46;b" input_shapes "(8, 4, ?)" count 2 ]
  node [ id -7 label "b" stage "coarse" mlp_num_layers 8 mlp_skip_connections 4 mlp_skip_connections 6 x [ y 1.5 z [ ] ] ]
  edge [ source 0 target -7 weight 1.0E+3 sequence 1 ] ])x",
          "Creator \"x\" graph [ node [ id 1 ] node [ id 2 output_shapes \"None\" ] edge [ source 2 target 1 ] ]"};
}
