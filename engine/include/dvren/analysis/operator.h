// Operator: a kind of work in a rendering pipeline and the formulas of its cost. Stateless; one object serves all
// sizes.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dvren/analysis/operator_graph.h"

namespace dvren::analysis {

// What backward means for an operator in corrected mode.
enum class BackwardRule {
  kAdjoint,    // gradients of its inputs and weights, by formulas of their own
  kSameWork,   // it is a step of the backward pass already, or symmetric: the flag only labels it
  kUndefined,  // its result is discrete; asking for it is an error
};

struct OperatorInfo {
  std::string class_name;                // "HashEncodingOperator"
  std::string op_type;                   // "HashEncoding"
  std::vector<std::string> other_names;  // under which the registry finds it as well
  Category category = Category::kFieldCompute;
  std::string metric = "OPs";
  int dimensions = 2;  // 2: (rays, samples); 1: (Gaussians), and `rays` of a request counts them
  std::vector<ParameterSpec> parameters;
  BackwardRule backward = BackwardRule::kAdjoint;
  // Of the reference's constructors.
  bool published = true;  // false: the operator has no reference mode
  bool takes_bitwidth = true;
  bool takes_backward = true;
  bool backward_default = false;
  // Corrected mode: backward FLOP over forward FLOP lies within [low, high] at any size.
  double backward_ratio_low = 0;
  double backward_ratio_high = 0;
};

// What is asked for. `parameters` may also hold the reference's own names "bitwidth" and "backward".
// Sizes are whole numbers >= 1; in corrected mode a pipeline may pass an expected number, which is real and > 0.
struct OperatorRequest {
  Count rays = 4096;
  Count samples = 64;       // per ray; not read by operators on Gaussians
  std::optional<int> bits;  // of a value; default 16
  std::optional<bool> backward;
  ParameterMap parameters;
};

// A checked request, as formulas read it.
struct OperatorCase {
  Count rays;           // B, or the number of Gaussians
  Count samples;        // N per ray; 1 of operators on Gaussians
  Count total_samples;  // S = B·N
  int bits = 16;
  bool backward = false;
  Parameters parameters;

  [[nodiscard]] Count Bytes(const Count& elements) const { return elements * bits / 8; }
  [[nodiscard]] Count Integer(const std::string& name) const { return parameters.Integer(name); }
};

struct ReferenceFigures {
  std::vector<std::vector<Count>> input_shapes;  // empty where the class defines none
  std::vector<Count> output_shape;
  Count input_a;
  Count input_w;
  Count output;
  Count num_ops;
  std::optional<Count> backward_num_ops;                 // of the class's backward formula
  std::optional<std::array<Count, 3>> backward_tensors;  // of its backward shapes
};

struct CorrectedFigures {
  Count input_a;
  Count input_w;
  Count output;
  WorkCount work;
  double collision_factor = 1;
  std::vector<Formula> formulas;
};

class Operator {
 public:
  // A part of a composite and the size at which it runs.
  struct Part {
    std::shared_ptr<const Operator> kind;
    OperatorRequest request;
  };

  virtual ~Operator() = default;
  [[nodiscard]] virtual const OperatorInfo& info() const = 0;
  // Differs from info().op_type where a parameter renames the operator.
  [[nodiscard]] virtual std::string OpType(const Parameters&) const { return info().op_type; }
  // Rules between parameters; each alone was checked by its specification.
  [[nodiscard]] virtual absl::Status CheckCase(const OperatorCase&) const { return absl::OkStatus(); }
  // The published figures of the forward direction: the reference reports them for backward as well.
  [[nodiscard]] virtual ReferenceFigures Reference(const OperatorCase& c) const = 0;
  // The work of c's direction. Of a composite: the sum of its parts.
  [[nodiscard]] virtual CorrectedFigures Corrected(const OperatorCase& c) const = 0;
  // Empty unless the operator is a composite.
  [[nodiscard]] virtual std::vector<Part> Parts(const OperatorCase&, Mode) const { return {}; }
};

// Checks the request and evaluates the formulas. INVALID_ARGUMENT `HashEncoding.num_levels = 0: must be >= 1`,
// OUT_OF_RANGE where a quantity passes int64.
[[nodiscard]] absl::StatusOr<OperatorNode> Evaluate(const Operator& kind, const OperatorRequest& request, Mode mode);

}  // namespace dvren::analysis
