#include "analysis/definitions/defined_operator.h"

#include <limits>

#include "absl/strings/numbers.h"

namespace dvren::analysis {
namespace {

struct WorkKey {
  const char* name;
  Count WorkCount::*field;
  bool in_values;  // elements of the operator's width, not operations or bytes
};

constexpr WorkKey kWorkKeys[] = {{"fma", &WorkCount::fma, false},
                                 {"add", &WorkCount::add, false},
                                 {"mul", &WorkCount::mul, false},
                                 {"special", &WorkCount::special, false},
                                 {"integer", &WorkCount::integer, false},
                                 {"compare", &WorkCount::compare, false},
                                 {"integer_bytes", &WorkCount::integer_bytes, false},
                                 {"stream_read", &WorkCount::stream_read_bytes, true},
                                 {"stream_write", &WorkCount::stream_write_bytes, true},
                                 {"gather", &WorkCount::gather_bytes, true},
                                 {"scatter", &WorkCount::scatter_bytes, true},
                                 {"parameter_read", &WorkCount::parameter_read_bytes, true},
                                 {"parameter_write", &WorkCount::parameter_write_bytes, true},
                                 {"footprint", &WorkCount::footprint_bytes, true}};

absl::StatusOr<Category> ReadCategory(const DefinitionReader& reader, const YamlValue& value,
                                      const std::string& field) {
  DVREN_ASSIGN_OR_RETURN(const std::string text, reader.Required(value, field, "category"));
  for (const Category category : {Category::kSampling, Category::kEncoding, Category::kFieldCompute,
                                  Category::kBlending, Category::kOptimization}) {
    if (ToString(category) == text) return category;
  }
  return reader.Wrong(value, absl::StrCat(field, ".category = ", text),
                      "one of Sampling, Encoding, FieldCompute, Blending, Optimization");
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Operator>> DefinedOperator::Read(const DefinitionReader& reader,
                                                                      const YamlValue& value) {
  DVREN_RETURN_IF_ERROR(reader.CheckMap(
      value, "operators", {"name", "class", "category", "dimensions", "parameters", "forward", "backward"}));
  auto made = std::make_shared<DefinedOperator>();
  OperatorInfo& info = made->info_;
  DVREN_ASSIGN_OR_RETURN(info.op_type, reader.Required(value, "operators", "name"));
  DVREN_RETURN_IF_ERROR(reader.CheckName(value, "operators.name", info.op_type));
  const std::string& field = info.op_type;
  DVREN_ASSIGN_OR_RETURN(info.class_name, reader.GivenOr(value, field, "class", info.op_type + "Operator"));
  DVREN_RETURN_IF_ERROR(reader.CheckName(value, field + ".class", info.class_name));
  DVREN_ASSIGN_OR_RETURN(info.category, ReadCategory(reader, value, field));
  info.metric = "FLOPs";
  info.published = false;
  DVREN_ASSIGN_OR_RETURN(const std::string dimensions, reader.GivenOr(value, field, "dimensions", "2"));
  if (!absl::SimpleAtoi(dimensions, &info.dimensions) || info.dimensions < 1 || info.dimensions > 2) {
    return reader.Wrong(value, absl::StrCat(field, ".dimensions = ", dimensions),
                        "2 for rays and samples, 1 for a count of items");
  }
  DVREN_ASSIGN_OR_RETURN(info.parameters, reader.ParameterList(value, field));
  const std::vector<std::string> names = NamesOf(info.parameters);
  const YamlValue* forward = value.Find("forward");
  if (forward == nullptr) return reader.Wrong(value, field + ".forward", "must be given");
  DVREN_ASSIGN_OR_RETURN(made->forward_,
                         ReadDirection(reader, *forward, field + ".forward", field + ".forward", names));
  info.backward = BackwardRule::kUndefined;
  if (const YamlValue* backward = value.Find("backward"); backward != nullptr) {
    DVREN_ASSIGN_OR_RETURN(made->backward_,
                           ReadDirection(reader, *backward, field + ".backward", field + ".backward", names));
    info.backward = BackwardRule::kAdjoint;
    info.backward_ratio_high = std::numeric_limits<double>::infinity();
  }
  return made;
}

absl::StatusOr<DefinedOperator::Direction> DefinedOperator::ReadDirection(const DefinitionReader& reader,
                                                                          const YamlValue& value,
                                                                          const std::string& field,
                                                                          const std::string& id,
                                                                          const std::vector<std::string>& names) {
  DVREN_RETURN_IF_ERROR(reader.CheckMap(value, field, {"input_a", "input_w", "output", "work", "formula"}));
  Direction direction;
  DVREN_ASSIGN_OR_RETURN(direction.input_a, reader.Formula(value, field, "input_a", names, "0"));
  DVREN_ASSIGN_OR_RETURN(direction.input_w, reader.Formula(value, field, "input_w", names, "0"));
  DVREN_ASSIGN_OR_RETURN(direction.output, reader.Formula(value, field, "output", names, "0"));
  DVREN_ASSIGN_OR_RETURN(direction.formula.text, reader.Required(value, field, "formula"));
  direction.formula.id = id;
  const YamlValue* work = value.Find("work");
  if (work == nullptr) return reader.Wrong(value, field + ".work", "must be given");
  std::vector<std::string> keys;
  for (const WorkKey& key : kWorkKeys) keys.push_back(key.name);
  DVREN_RETURN_IF_ERROR(reader.CheckMap(*work, field + ".work", keys));
  for (const WorkKey& key : kWorkKeys) {
    if (work->Find(key.name) == nullptr) continue;
    DVREN_ASSIGN_OR_RETURN(Expression formula, reader.Formula(*work, field + ".work", key.name, names, "0"));
    (key.in_values ? direction.values : direction.counts).emplace_back(key.field, std::move(formula));
    direction.has_footprint = direction.has_footprint || key.field == &WorkCount::footprint_bytes;
  }
  return direction;
}

CorrectedFigures DefinedOperator::Corrected(const OperatorCase& c) const {
  const Direction& direction = c.backward && backward_ ? *backward_ : forward_;
  const Quantities quantities = QuantitiesOf(c.rays, c.samples, c.bits, c.parameters);
  CorrectedFigures figures;
  figures.input_a = direction.input_a.Evaluate(quantities);
  figures.input_w = direction.input_w.Evaluate(quantities);
  figures.output = direction.output.Evaluate(quantities);
  for (const auto& [field, formula] : direction.counts) figures.work.*field = formula.Evaluate(quantities);
  for (const auto& [field, formula] : direction.values) figures.work.*field = c.Bytes(formula.Evaluate(quantities));
  if (!direction.has_footprint) {
    figures.work.footprint_bytes = c.Bytes(figures.input_a + figures.input_w + figures.output);
  }
  figures.formulas = {direction.formula};
  return figures;
}

}  // namespace dvren::analysis
