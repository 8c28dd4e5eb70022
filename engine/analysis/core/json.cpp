#include "dvren/analysis/json.h"

#include "analysis/core/json_form.h"

namespace dvren::analysis {

using Json = nlohmann::ordered_json;

Json JsonOf(const Count& count) {
  return count.exact() ? Json(count.integer()) : Json(count.real());
}

Json JsonOf(const ParameterValue& value) {
  struct Visitor {
    Json operator()(std::monostate) const { return nullptr; }
    Json operator()(bool flag) const { return flag; }
    Json operator()(std::int64_t whole) const { return whole; }
    Json operator()(double real) const { return real; }
    Json operator()(const std::string& text) const { return text; }
    Json operator()(const std::vector<std::int64_t>& list) const { return list; }
  };
  return std::visit(Visitor{}, value);
}

namespace {

Json ShapeJson(const std::vector<Count>& shape) {
  Json json = Json::array();
  for (const Count& extent : shape) json.push_back(JsonOf(extent));
  return json;
}

Json WorkJson(const WorkCount& work) {
  Json json;
  for (const WorkCount::Counter& counter : WorkCount::Counters()) json[counter.name] = JsonOf(work.*counter.field);
  json["flops"] = JsonOf(work.Flops());
  json["stream_bytes"] = JsonOf(work.StreamBytes());
  json["parameter_bytes"] = JsonOf(work.ParameterBytes());
  json["traffic_bytes"] = JsonOf(work.TrafficBytes());
  return json;
}

void AddReference(const OperatorNode& node, Json& json) {
  if (!node.input_shapes.empty()) {
    json["in_shapes"] = Json::array();
    for (const std::vector<Count>& shape : node.input_shapes) json["in_shapes"].push_back(ShapeJson(shape));
    json["out_shape"] = ShapeJson(node.output_shape);
  }
  json["bwd_num_ops_formula"] = node.backward_num_ops_formula ? JsonOf(*node.backward_num_ops_formula) : Json();
  json["bwd_tensors_formula"] = nullptr;
  if (node.backward_tensors) {
    json["bwd_tensors_formula"] = ShapeJson({node.backward_tensors->begin(), node.backward_tensors->end()});
  }
}

}  // namespace

Json JsonOf(const OperatorNode& node) {
  Json json;
  json["id"] = node.id;
  json["op_type"] = node.op_type;
  json["class"] = node.class_name;
  json["label"] = node.label;
  json["category"] = ToString(node.category);
  json["metric"] = node.metric;
  json["dim"] = ShapeJson(node.dims);
  json["bitwidth"] = node.bits;
  json["backward"] = node.backward;
  json["params"] = Json::object();
  for (const auto& [name, value] : node.parameters) json["params"][name] = JsonOf(value);
  json["input_a"] = JsonOf(node.input_a);
  json["input_w"] = JsonOf(node.input_w);
  json["output"] = JsonOf(node.output);
  json["num_ops"] = JsonOf(node.num_ops);
  json["bytes_in"] = JsonOf(node.bytes_in);
  json["bytes_out"] = JsonOf(node.bytes_out);
  if (node.mode == Mode::kReference) {
    AddReference(node, json);
  } else {
    json["work"] = WorkJson(node.work);
    json["collision_factor"] = node.collision_factor;
    json["formulas"] = Json::array();
    for (const Formula& formula : node.formulas)
      json["formulas"].push_back({{"id", formula.id}, {"text", formula.text}});
    if (!(node.external_input == 0)) json["external_input"] = JsonOf(node.external_input);
  }
  if (!node.parts.empty()) {
    json["sub_ops"] = Json::array();
    for (const OperatorNode& part : node.parts) json["sub_ops"].push_back(JsonOf(part));
  }
  return json;
}

absl::StatusOr<Json> JsonOf(const OperatorGraph& graph) {
  DVREN_ASSIGN_OR_RETURN(const GraphTotals totals, graph.Totals());
  Json json;
  json["pipeline"] = graph.name;
  json["mode"] = ToString(graph.mode);
  json["nodes"] = Json::array();
  for (const OperatorNode& node : graph.nodes) json["nodes"].push_back(JsonOf(node));
  json["edges"] = Json::array();
  json["edge_elements"] = Json::array();
  for (const OperatorEdge& edge : graph.edges) {
    json["edges"].push_back({edge.from, edge.to});
    json["edge_elements"].push_back(JsonOf(edge.elements));
  }
  const std::vector<std::vector<int>> cycles = graph.Cycles();
  Json& sum = json["totals"];
  sum["nodes"] = totals.nodes;
  sum["edges"] = totals.edges;
  sum["num_ops"] = JsonOf(totals.num_ops);
  sum["num_ops_fwd_nodes"] = JsonOf(totals.num_ops_forward);
  sum["num_ops_bwd_nodes"] = JsonOf(totals.num_ops_backward);
  sum["input_a"] = JsonOf(totals.input_a);
  sum["input_w"] = JsonOf(totals.input_w);
  sum["output"] = JsonOf(totals.output);
  sum["elements"] = JsonOf(totals.elements);
  sum["bytes_in"] = JsonOf(totals.bytes_in);
  sum["bytes_out"] = JsonOf(totals.bytes_out);
  sum["bytes"] = JsonOf(totals.bytes);
  if (graph.mode == Mode::kReference) {
    sum["num_ops_bwd_nodes_by_formula"] = JsonOf(totals.num_ops_backward_by_formula);
    sum["bytes_as_built"] = JsonOf(totals.bytes);
    sum["bytes_if_16bit"] = JsonOf(2 * totals.elements);
    sum["bytes_if_8bit"] = JsonOf(totals.elements);
    sum["bytes_trace_rule_4x(in_a+out)"] = JsonOf(totals.trace_rule_bytes);
  } else {
    sum["work"] = WorkJson(totals.work);
  }
  sum["acyclic"] = cycles.empty();
  for (const auto& [category, part] : graph.ByCategory()) {
    json["by_category"][ToString(category)] = {
        {"nodes", part.nodes}, {"num_ops", JsonOf(part.num_ops)}, {"elements", JsonOf(part.elements)}};
  }
  if (!cycles.empty()) json["cycle"] = cycles;
  return json;
}

absl::StatusOr<std::string> ToJson(const OperatorGraph& graph) {
  DVREN_ASSIGN_OR_RETURN(const Json json, JsonOf(graph));
  return json.dump(2) + "\n";
}

}  // namespace dvren::analysis
