#include "dvren/analysis/operator.h"

#include "absl/strings/numbers.h"

namespace dvren::analysis {
namespace {

// The reference's constructors take bitwidth and backward beside the parameters; here they are part of the request.
absl::Status TakeWidth(const std::string& owner, ParameterMap& given, std::optional<int>& bits) {
  const auto it = given.find("bitwidth");
  if (it == given.end()) return absl::OkStatus();
  const std::vector<ParameterSpec> specs = {PositiveInteger("bitwidth", 16, "bits of a value")};
  DVREN_ASSIGN_OR_RETURN(const Parameters width, Parameters::Resolve(owner, specs, {*it}));
  const std::int64_t value = width.Integer("bitwidth");
  if (value > 64) return InvalidField(absl::StrCat(owner, ".bitwidth"), value, "must be <= 64");
  if (bits && *bits != value) {
    return InvalidField(absl::StrCat(owner, ".bitwidth"), value,
                        absl::StrCat("bits = ", *bits, " is asked for as well"));
  }
  bits = static_cast<int>(value);
  given.erase(it);
  return absl::OkStatus();
}

absl::Status TakeDirection(const std::string& owner, ParameterMap& given, std::optional<bool>& backward) {
  const auto it = given.find("backward");
  if (it == given.end()) return absl::OkStatus();
  const std::vector<ParameterSpec> specs = {Flag("backward", false, "the direction")};
  DVREN_ASSIGN_OR_RETURN(const Parameters direction, Parameters::Resolve(owner, specs, {*it}));
  const bool value = direction.Bool("backward");
  if (backward && *backward != value) {
    return InvalidField(absl::StrCat(owner, ".backward"), ToString(it->second), "the opposite is asked for as well");
  }
  backward = value;
  given.erase(it);
  return absl::OkStatus();
}

absl::Status CheckSize(const std::string& owner, const char* name, const Count& size, Mode mode) {
  const std::string field = absl::StrCat(owner, ".", name);
  if (size.exact() ? size < 1 : mode == Mode::kReference || !(Count(0) < size)) {
    return InvalidField(field, size.ToString(), "must be a whole number >= 1");
  }
  return absl::OkStatus();
}

absl::Status CheckReference(const OperatorInfo& info, const std::optional<int>& bits, bool backward) {
  if (!info.published) {
    return InvalidField("mode", "reference",
                        absl::StrCat(info.op_type, " has no published figures; use corrected mode"));
  }
  if (!info.takes_bitwidth && bits && *bits != 16) {
    return InvalidField(absl::StrCat(info.op_type, ".bits"), *bits,
                        "the published operator is always 16 bits wide; use corrected mode");
  }
  if (!info.takes_backward && backward) {
    return InvalidField(absl::StrCat(info.op_type, ".backward"), "true",
                        "the published operator has no backward; leave it out");
  }
  return absl::OkStatus();
}

absl::Status CheckCorrected(const OperatorInfo& info, int bits, bool backward) {
  if (bits != 4 && bits != 8 && bits != 16 && bits != 32 && bits != 64) {
    return InvalidField(absl::StrCat(info.op_type, ".bits"), bits, "must be 4, 8, 16, 32 or 64");
  }
  if (backward && info.backward == BackwardRule::kUndefined) {
    return InvalidField(absl::StrCat(info.op_type, ".backward"), "true",
                        "its result is discrete and has no gradient; leave it out");
  }
  return absl::OkStatus();
}

absl::StatusOr<OperatorCase> Check(const Operator& kind, const OperatorRequest& request, Mode mode) {
  const OperatorInfo& info = kind.info();
  const std::string& owner = info.op_type;
  ParameterMap given = request.parameters;
  std::optional<int> bits = request.bits;
  std::optional<bool> backward = request.backward;
  DVREN_RETURN_IF_ERROR(TakeWidth(owner, given, bits));
  DVREN_RETURN_IF_ERROR(TakeDirection(owner, given, backward));

  OperatorCase c;
  DVREN_RETURN_IF_ERROR(CheckSize(owner, "rays", request.rays, mode));
  c.rays = request.rays;
  if (info.dimensions == 2) {
    DVREN_RETURN_IF_ERROR(CheckSize(owner, "samples", request.samples, mode));
    c.samples = request.samples;
  } else {
    c.samples = 1;
  }
  c.total_samples = c.rays * c.samples;
  DVREN_RETURN_IF_ERROR(c.total_samples.Check(owner, "rays · samples"));
  c.bits = bits.value_or(16);
  if (c.bits < 1 || c.bits > 64) return InvalidField(absl::StrCat(owner, ".bits"), c.bits, "must be 1 to 64");
  c.backward = backward.value_or(info.backward_default);
  DVREN_RETURN_IF_ERROR(mode == Mode::kReference ? CheckReference(info, bits, c.backward)
                                                 : CheckCorrected(info, c.bits, c.backward));
  DVREN_ASSIGN_OR_RETURN(c.parameters, Parameters::Resolve(owner, info.parameters, given));
  if (mode == Mode::kReference) {
    for (const ParameterSpec& spec : info.parameters) {
      const auto it = given.find(spec.name);
      if (spec.corrected_only && it != given.end()) {
        return InvalidField(absl::StrCat(owner, ".", spec.name), ToString(it->second),
                            "the published figures do not know it; use corrected mode");
      }
    }
  }
  DVREN_RETURN_IF_ERROR(kind.CheckCase(c));
  return c;
}

void SetReference(const ReferenceFigures& figures, OperatorNode& node) {
  node.input_shapes = figures.input_shapes;
  node.output_shape = figures.output_shape;
  node.input_a = figures.input_a;
  node.input_w = figures.input_w;
  node.output = figures.output;
  node.num_ops = figures.num_ops;
  node.bytes_in = FloorDivide((figures.input_a + figures.input_w) * node.bits, 8);
  node.bytes_out = FloorDivide(figures.output * node.bits, 8);
  node.backward_num_ops_formula = figures.backward_num_ops;
  node.backward_tensors = figures.backward_tensors;
}

void SetCorrected(const CorrectedFigures& figures, OperatorNode& node) {
  node.input_a = figures.input_a;
  node.input_w = figures.input_w;
  node.output = figures.output;
  node.work = figures.work;
  node.num_ops = figures.work.Operations();
  node.bytes_in = figures.work.BytesIn();
  node.bytes_out = figures.work.BytesOut();
  node.collision_factor = figures.collision_factor;
  node.formulas = figures.formulas;
}

absl::Status CheckNotNegative(const OperatorNode& node, const char* quantity, const Count& count) {
  if (count.real() >= 0) return absl::OkStatus();
  return InvalidField(absl::StrCat(node.op_type, ".", quantity), count.ToString(), "must be >= 0; mend its formula");
}

absl::Status CheckFigures(const OperatorNode& node) {
  DVREN_RETURN_IF_ERROR(node.input_a.Check(node.op_type, "input_a"));
  DVREN_RETURN_IF_ERROR(node.input_w.Check(node.op_type, "input_w"));
  DVREN_RETURN_IF_ERROR(node.output.Check(node.op_type, "output"));
  DVREN_RETURN_IF_ERROR(node.num_ops.Check(node.op_type, "num_ops"));
  DVREN_RETURN_IF_ERROR(node.bytes_in.Check(node.op_type, "bytes_in"));
  DVREN_RETURN_IF_ERROR(node.bytes_out.Check(node.op_type, "bytes_out"));
  if (node.backward_num_ops_formula) {
    DVREN_RETURN_IF_ERROR(node.backward_num_ops_formula->Check(node.op_type, "bwd_num_ops_formula"));
  }
  DVREN_RETURN_IF_ERROR(node.work.Check(node.op_type));
  DVREN_RETURN_IF_ERROR(CheckNotNegative(node, "input_a", node.input_a));
  DVREN_RETURN_IF_ERROR(CheckNotNegative(node, "input_w", node.input_w));
  DVREN_RETURN_IF_ERROR(CheckNotNegative(node, "output", node.output));
  for (const WorkCount::Counter& counter : WorkCount::Counters()) {
    DVREN_RETURN_IF_ERROR(CheckNotNegative(node, counter.name, node.work.*counter.field));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<OperatorNode> Evaluate(const Operator& kind, const OperatorRequest& request, Mode mode) {
  DVREN_ASSIGN_OR_RETURN(const OperatorCase c, Check(kind, request, mode));
  const OperatorInfo& info = kind.info();
  OperatorNode node;
  node.op_type = kind.OpType(c.parameters);
  node.class_name = info.class_name;
  node.label = node.op_type + (c.backward ? " (B)" : "");
  node.category = info.category;
  node.metric = info.metric;
  node.dims = {request.rays};
  if (info.dimensions == 2) node.dims.push_back(request.samples);
  node.bits = c.bits;
  node.backward = c.backward;
  node.mode = mode;
  for (const ParameterSpec& spec : info.parameters) {
    if (mode == Mode::kCorrected || !spec.corrected_only) {
      node.parameters[spec.name] = c.parameters.values().at(spec.name);
    }
  }
  if (mode == Mode::kReference) {
    SetReference(kind.Reference(c), node);
  } else {
    SetCorrected(kind.Corrected(c), node);
  }
  DVREN_RETURN_IF_ERROR(CheckFigures(node));
  for (const Operator::Part& part : kind.Parts(c, mode)) {
    DVREN_ASSIGN_OR_RETURN(OperatorNode leaf, Evaluate(*part.kind, part.request, mode));
    leaf.id = static_cast<int>(node.parts.size());
    node.parts.push_back(std::move(leaf));
  }
  return node;
}

}  // namespace dvren::analysis
