#include "analysis/definitions/defined_pipeline.h"

#include "absl/strings/numbers.h"
#include "analysis/core/nearest_name.h"
#include "analysis/pipelines/graph_builder.h"

namespace dvren::analysis {
namespace {

constexpr std::size_t kMaxNodes = 1000;

}  // namespace

absl::StatusOr<std::shared_ptr<const Pipeline>> DefinedPipeline::Read(const DefinitionReader& reader,
                                                                      const YamlValue& value,
                                                                      const OperatorRegistry& operators) {
  DVREN_RETURN_IF_ERROR(reader.CheckMap(value, "pipelines", {"name", "meaning", "parameters", "nodes", "edges"}));
  auto made = std::make_shared<DefinedPipeline>();
  PipelineInfo& info = made->info_;
  DVREN_ASSIGN_OR_RETURN(info.name, reader.Required(value, "pipelines", "name"));
  DVREN_RETURN_IF_ERROR(reader.CheckName(value, "pipelines.name", info.name));
  DVREN_ASSIGN_OR_RETURN(info.meaning, reader.GivenOr(value, info.name, "meaning", ""));
  info.published = false;
  DVREN_ASSIGN_OR_RETURN(info.parameters, reader.ParameterList(value, info.name));
  DVREN_RETURN_IF_ERROR(made->ReadNodes(reader, value, operators));
  DVREN_RETURN_IF_ERROR(made->ReadEdges(reader, value));
  // At one size now, so that a cycle or an edge that does not fit is found with its file.
  DVREN_RETURN_IF_ERROR(reader.At(value, Build(*made, {}, Mode::kCorrected, operators).status()));
  return made;
}

absl::Status DefinedPipeline::ReadNodes(const DefinitionReader& reader, const YamlValue& value,
                                        const OperatorRegistry& operators) {
  const std::string field = info_.name + ".nodes";
  const YamlValue* list = value.Find("nodes");
  if (list == nullptr) return reader.Wrong(value, field, "must be given");
  DVREN_RETURN_IF_ERROR(reader.CheckList(*list, field));
  if (list->items.empty() || list->items.size() > kMaxNodes) {
    return reader.Wrong(*list, field, absl::StrCat("must have 1 to ", kMaxNodes, " nodes"));
  }
  for (const YamlValue& item : list->items) {
    DVREN_ASSIGN_OR_RETURN(Node node, ReadNode(reader, item, operators));
    for (const Node& known : nodes_) {
      if (known.name == node.name) {
        return reader.Wrong(item, absl::StrCat(field, ".", node.name), "the id is taken; choose another");
      }
    }
    info_.training = info_.training || node.backward;
    nodes_.push_back(std::move(node));
  }
  return absl::OkStatus();
}

absl::StatusOr<DefinedPipeline::Node> DefinedPipeline::ReadNode(const DefinitionReader& reader, const YamlValue& value,
                                                                const OperatorRegistry& operators) const {
  const std::string list = info_.name + ".nodes";
  DVREN_RETURN_IF_ERROR(
      reader.CheckMap(value, list, {"id", "op", "rays", "samples", "bits", "backward", "external", "set"}));
  Node node;
  DVREN_ASSIGN_OR_RETURN(node.name, reader.Required(value, list, "id"));
  DVREN_RETURN_IF_ERROR(reader.CheckName(value, list + ".id", node.name));
  const std::string field = absl::StrCat(info_.name, ".", node.name);
  DVREN_ASSIGN_OR_RETURN(node.kind, reader.Required(value, field, "op"));
  const auto kind = operators.Find(node.kind);
  if (!kind.ok()) return reader.At(value, kind.status());
  DVREN_ASSIGN_OR_RETURN(node.backward, reader.Flag(value, field, "backward"));
  const std::vector<std::string> names = NamesOf(info_.parameters);
  DVREN_ASSIGN_OR_RETURN(node.rays, reader.Formula(value, field, "rays", names, "rays"));
  DVREN_ASSIGN_OR_RETURN(node.samples, reader.Formula(value, field, "samples", names, "samples"));
  DVREN_ASSIGN_OR_RETURN(node.external, reader.Formula(value, field, "external", names, "0"));
  DVREN_ASSIGN_OR_RETURN(const std::string bits, reader.GivenOr(value, field, "bits", "16"));
  if (!absl::SimpleAtoi(bits, &node.bits) || node.bits < 1 || node.bits > 64) {
    return reader.Wrong(value, absl::StrCat(field, ".bits = ", bits), "must be 4, 8, 16, 32 or 64");
  }
  if (const YamlValue* settings = value.Find("set"); settings != nullptr) {
    DVREN_RETURN_IF_ERROR(ReadSettings(reader, *settings, (*kind)->info(), field + ".set", node));
  }
  return node;
}

absl::Status DefinedPipeline::ReadSettings(const DefinitionReader& reader, const YamlValue& value,
                                           const OperatorInfo& kind, const std::string& field, Node& node) const {
  std::vector<std::string> known;
  for (const ParameterSpec& spec : kind.parameters) known.push_back(spec.name);
  DVREN_RETURN_IF_ERROR(reader.CheckMap(value, field, known));
  for (const ParameterSpec& spec : kind.parameters) {
    DVREN_ASSIGN_OR_RETURN(const std::string* text, reader.Given(value, field, spec.name));
    if (text == nullptr) continue;
    const bool number = spec.type == ParameterSpec::Type::kInteger || spec.type == ParameterSpec::Type::kReal;
    if (!number || (spec.optional && *text == "none")) {
      node.others[spec.name] = *text;
      continue;
    }
    DVREN_ASSIGN_OR_RETURN(node.numbers[spec.name],
                           reader.Formula(value, field, spec.name, NamesOf(info_.parameters), "0"));
  }
  return absl::OkStatus();
}

absl::Status DefinedPipeline::ReadEdges(const DefinitionReader& reader, const YamlValue& value) {
  const std::string field = info_.name + ".edges";
  const YamlValue* list = value.Find("edges");
  if (list == nullptr) return absl::OkStatus();
  DVREN_RETURN_IF_ERROR(reader.CheckList(*list, field));
  for (const YamlValue& item : list->items) {
    DVREN_RETURN_IF_ERROR(reader.CheckMap(item, field, {"from", "to", "elements"}));
    Edge edge;
    DVREN_ASSIGN_OR_RETURN(edge.from, Place(reader, item, "from"));
    DVREN_ASSIGN_OR_RETURN(edge.to, Place(reader, item, "to"));
    if (item.Find("elements") != nullptr) {
      DVREN_ASSIGN_OR_RETURN(edge.elements, reader.Formula(item, field, "elements", NamesOf(info_.parameters), "0"));
    }
    edges_.push_back(std::move(edge));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::size_t> DefinedPipeline::Place(const DefinitionReader& reader, const YamlValue& edge,
                                                   const std::string& end) const {
  const std::string field = info_.name + ".edges";
  DVREN_ASSIGN_OR_RETURN(const std::string name, reader.Required(edge, field, end));
  std::vector<std::string> known;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].name == name) return i;
    known.push_back(nodes_[i].name);
  }
  return reader.Wrong(edge, absl::StrCat(field, ".", end, " = ", name),
                      absl::StrCat("no node has this id", NearestHint(name, known)));
}

absl::StatusOr<OperatorGraph> DefinedPipeline::Reference(const PipelineCase&) const {
  return absl::InternalError(info_.name + ": has no published graph");
}

absl::StatusOr<OperatorGraph> DefinedPipeline::Corrected(const PipelineCase& c) const {
  const Quantities quantities = QuantitiesOf(c.rays, c.samples, c.bits.value_or(16), c.parameters);
  GraphBuilder g(c);
  constexpr int kLeftOut = -1;
  std::vector<int> ids;
  for (const Node& node : nodes_) {
    if (node.backward && !c.backward) {
      ids.push_back(kLeftOut);
      continue;
    }
    ParameterMap parameters = node.others;
    for (const auto& [name, formula] : node.numbers) {
      const Count value = formula.Evaluate(quantities);
      DVREN_RETURN_IF_ERROR(value.Check(absl::StrCat(c.name, ".", node.name), name));
      parameters[name] = value.exact() ? ParameterValue(value.integer()) : ParameterValue(value.real());
    }
    const GraphBuilder::Size size = {node.rays.Evaluate(quantities), node.samples.Evaluate(quantities)};
    ids.push_back(node.backward ? g.Backward(node.kind, size, std::move(parameters), node.bits)
                                : g.Forward(node.kind, size, std::move(parameters), node.bits));
    g.External(ids.back(), node.external.Evaluate(quantities));
  }
  for (const Edge& edge : edges_) {
    const int from = ids[edge.from], to = ids[edge.to];
    if (from == kLeftOut || to == kLeftOut) continue;
    if (edge.elements) {
      g.Connect(from, to, edge.elements->Evaluate(quantities));
    } else {
      g.Connect(from, to);
    }
  }
  return g.Finish();
}

}  // namespace dvren::analysis
