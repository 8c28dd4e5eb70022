// GraphBuilder: a pipeline's graph, operator by operator. The first error sticks and is what Finish returns.
#pragma once

#include <initializer_list>
#include <string>

#include "dvren/analysis/pipeline.h"

namespace dvren::analysis {

class GraphBuilder {
 public:
  explicit GraphBuilder(const PipelineCase& c);

  struct Size {
    Count rays;
    Count samples;
  };
  // The pipeline's own size.
  [[nodiscard]] Size All() const { return {c_.rays, c_.samples}; }

  // Returns the node's id. `bits`: of the published pipelines with mixed widths; a request's width goes before it.
  int Forward(const std::string& kind, const Size& size, ParameterMap parameters = {}, int bits = 16);
  int Backward(const std::string& kind, const Size& size, ParameterMap parameters = {}, int bits = 16);

  // `to` reads all that `from` makes, or `elements` of it.
  void Connect(int from, int to);
  void Connect(int from, int to, const Count& elements);
  void Chain(std::initializer_list<int> nodes);
  // `node` also reads `elements` that come from outside: rays, targets.
  void External(int node, const Count& elements);

  [[nodiscard]] const OperatorNode& node(int id) const { return graph_.nodes[static_cast<std::size_t>(id)]; }
  [[nodiscard]] const Count& Output(int id) const { return node(id).output; }
  [[nodiscard]] const Count& Weights(int id) const { return node(id).input_w; }
  [[nodiscard]] absl::StatusOr<OperatorGraph> Finish();

 private:
  int Add(const std::string& kind, const Size& size, ParameterMap parameters, int bits, bool backward);

  const PipelineCase& c_;
  OperatorGraph graph_;
  absl::Status status_;
};

}  // namespace dvren::analysis
