// OperatorGraph: the operators of a pipeline or trace with their costs, and the tensors between them. Plain data.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "dvren/analysis/count.h"
#include "dvren/analysis/mode.h"
#include "dvren/analysis/parameters.h"
#include "dvren/analysis/work_count.h"

namespace dvren::analysis {

enum class Category { kSampling, kEncoding, kFieldCompute, kBlending, kOptimization };

// "Sampling", "Encoding", "FieldCompute", "Blending", "Optimization".
[[nodiscard]] std::string ToString(Category category);

// A formula of corrected mode by its id, with its derivation or source.
struct Formula {
  std::string id;
  std::string text;
};

// One operator at one size. Tensors are counted in elements, work in operations, traffic in bytes.
struct OperatorNode {
  int id = 0;              // unique in its graph; nodes() of built pipelines are numbered 0, 1, …
  std::string op_type;     // "HashEncoding"
  std::string class_name;  // "HashEncodingOperator"
  std::string label;       // op_type, with " (B)" when backward
  Category category = Category::kFieldCompute;
  std::string metric;       // "FLOPs" or "OPs": what the reference calls num_ops
  std::vector<Count> dims;  // (rays, samples), or (Gaussians)
  int bits = 16;            // width of a value
  bool backward = false;
  Mode mode = Mode::kCorrected;
  ParameterMap parameters;  // all of them, defaults included

  Count input_a;    // activations read
  Count input_w;    // parameters, or the second operand
  Count output;     // elements written
  Count num_ops;    // reference: the published figure; corrected: work.Operations()
  Count bytes_in;   // reference: (input_a + input_w)·bits / 8 rounded down; corrected: work.BytesIn()
  Count bytes_out;  // reference: output·bits / 8 rounded down; corrected: work.BytesOut()

  // Reference mode. Shapes are empty where the class defines none.
  std::vector<std::vector<Count>> input_shapes;
  std::vector<Count> output_shape;
  std::optional<Count> backward_num_ops_formula;         // what the backward formula of the class gives
  std::optional<std::array<Count, 3>> backward_tensors;  // input_a, input_w, output of the backward shapes

  // Corrected mode.
  WorkCount work;
  double collision_factor = 1;  // updates per different entry of a scatter
  std::vector<Formula> formulas;

  std::vector<OperatorNode> parts;  // of a composite, first to last
  Count external_input;             // elements of input_a that no operator of the graph makes: rays, targets
};

struct OperatorEdge {
  int from = 0;  // id
  int to = 0;
  Count elements;  // of `from`'s output that `to` reads
};

struct GraphTotals {
  std::int64_t nodes = 0;
  std::int64_t edges = 0;
  Count num_ops;
  Count num_ops_forward;
  Count num_ops_backward;
  Count num_ops_backward_by_formula;  // reference: with the backward formulas where a class has one
  Count input_a;
  Count input_w;
  Count output;
  Count elements;  // input_a + input_w + output
  Count bytes_in;
  Count bytes_out;
  Count bytes;             // in and out
  Count trace_rule_bytes;  // 4·(input_a + output): the rule of the reference's trace path
  WorkCount work;          // corrected mode; footprints are summed, though tensors are shared
};

struct CategoryTotals {
  std::int64_t nodes = 0;
  Count num_ops;
  Count elements;
};

struct OperatorGraph {
  std::string name;
  Mode mode = Mode::kCorrected;
  std::vector<OperatorNode> nodes;
  std::vector<OperatorEdge> edges;

  // FAILED_PRECONDITION where two nodes share an id, an edge has an end that is no node, or is there twice.
  [[nodiscard]] absl::Status CheckEdges() const;
  // Ids, producers first; FAILED_PRECONDITION names a cycle.
  [[nodiscard]] absl::StatusOr<std::vector<int>> TopologicalOrder() const;
  // Groups of more than one node, or of one with an edge to itself, that reach each other; ids ascending.
  [[nodiscard]] std::vector<std::vector<int>> Cycles() const;
  [[nodiscard]] bool Acyclic() const { return Cycles().empty(); }
  // Every edge carries no more than its producer makes, and edges and external input together are each input_a.
  [[nodiscard]] absl::Status CheckSizes() const;
  // OUT_OF_RANGE where a sum passes int64.
  [[nodiscard]] absl::StatusOr<GraphTotals> Totals() const;
  [[nodiscard]] std::vector<std::pair<Category, CategoryTotals>> ByCategory() const;  // in order of first appearance
  // With composites in parts, which are chained; an edge between two operators goes from the last part of one to the
  // first part of the other. Reference: as the published tool does it, the composites stay before their parts with
  // edges of their own, and totals count both. Corrected: the parts take their place, and totals stay the same.
  // Numbered anew from 0.
  [[nodiscard]] OperatorGraph Expanded() const;
};

// One operator as a graph, all of its input from outside.
[[nodiscard]] OperatorGraph GraphOf(OperatorNode node);

}  // namespace dvren::analysis
