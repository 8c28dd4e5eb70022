// An execution graph as JSON: nodes as an object by id, or a list of objects with id (networkx' node-link form) or of
// rows [id, func_name, input_shapes, output_shapes, stage, count]; edges (or links) as [from, to], [from, to,
// {attributes}] or
// {"source", "target", …}, whose ends are ids or places in the list.
#include <nlohmann/json.hpp>

#include "analysis/json/checked_json.h"
#include "analysis/traces/dag_builder.h"
#include "io/printable.h"

namespace dvren::analysis {
namespace {

using nlohmann::json;

constexpr std::size_t kMostBytes = std::size_t{256} << 20;
constexpr int kMostDepth = 8;
constexpr const char* kRow[] = {"id", "func_name", "input_shapes", "output_shapes", "stage", "count"};

DagAttribute Attribute(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_unsigned() && value.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX))
    return value.get<double>();
  if (value.is_number_integer()) return value.get<std::int64_t>();
  if (value.is_number_float()) return value.get<double>();
  if (!value.is_array()) return {};
  std::vector<std::int64_t> list;
  for (const json& item : value) {
    if (!item.is_number_integer()) return {};
    list.push_back(item.get<std::int64_t>());
  }
  return list;
}

class JsonDag {
 public:
  explicit JsonDag(const json& value) : value_(value), builder_("JSON") {}

  absl::StatusOr<ExecutionDag> Run() {
    if (!value_.is_object() || !value_.contains("nodes")) {
      return absl::InvalidArgumentError("JSON: nodes: is missing; give an object with nodes and edges");
    }
    if (value_.value("multigraph", json(false)) == json(true)) {
      return absl::InvalidArgumentError("JSON: multigraph = true: must be a graph with one edge between two nodes");
    }
    const json& nodes = value_["nodes"];
    if (nodes.is_object()) {
      for (const auto& [id, attributes] : nodes.items()) {
        DVREN_ASSIGN_OR_RETURN(const std::uint32_t node, builder_.AddNode(id));
        DVREN_RETURN_IF_ERROR(SetAttributes(node, attributes, id));
      }
    } else if (nodes.is_array()) {
      for (const json& node : nodes) DVREN_RETURN_IF_ERROR(AddListed(node));
    } else {
      return absl::InvalidArgumentError("JSON: nodes: must be an object by id, or a list");
    }
    const char* key = value_.contains("edges") ? "edges" : "links";
    if (!value_.contains(key) || !value_[key].is_array()) {
      return absl::InvalidArgumentError("JSON: edges: is missing or no list; give one, empty if need be");
    }
    for (const json& edge : value_[key]) DVREN_RETURN_IF_ERROR(AddEdge(edge));
    return std::move(builder_).Finish();
  }

 private:
  absl::Status AddListed(const json& node) {
    if (node.is_array() && !node.empty() && node.size() <= std::size(kRow) && node[0].is_string()) {
      DVREN_ASSIGN_OR_RETURN(const std::uint32_t place, builder_.AddNode(node[0].get<std::string>()));
      for (std::size_t i = 1; i < node.size(); ++i) {
        DVREN_RETURN_IF_ERROR(builder_.SetAttribute(place, kRow[i], Attribute(node[i])));
      }
      return absl::OkStatus();
    }
    if (!node.is_object() || !node.contains("id")) {
      return absl::InvalidArgumentError("JSON: nodes: each must be an object with id, or a row that begins with an id");
    }
    DVREN_ASSIGN_OR_RETURN(const std::string id, Id(node["id"]));
    DVREN_ASSIGN_OR_RETURN(const std::uint32_t place, builder_.AddNode(id));
    return SetAttributes(place, node, id);
  }

  absl::Status SetAttributes(std::uint32_t node, const json& attributes, const std::string& id) {
    if (!attributes.is_object()) return InvalidField("JSON: node", io::Printable(id), "must be an object");
    for (const auto& [name, value] : attributes.items()) {
      if (name == "id") continue;
      if (name == "semantic_stage") {
        return InvalidField(absl::StrCat("JSON: node ", io::Printable(id), ": semantic_stage"),
                            io::Printable(value.dump()),
                            "graphs without shapes are not supported; give input_shapes and output_shapes");
      }
      if (name == "inputs" || name == "outputs") {
        DVREN_ASSIGN_OR_RETURN(const std::string shapes, Shapes(value, id, name));
        DVREN_RETURN_IF_ERROR(builder_.SetAttribute(node, name == "inputs" ? "input_shapes" : "output_shapes", shapes));
      } else {
        DVREN_RETURN_IF_ERROR(builder_.SetAttribute(node, name, Attribute(value)));
      }
    }
    return absl::OkStatus();
  }

  // [{"shape": [4096, 64], "dtype": …}] as the text that tracers write.
  static absl::StatusOr<std::string> Shapes(const json& tensors, const std::string& id, const std::string& name) {
    const auto wrong = [&] {
      return absl::InvalidArgumentError(
          absl::StrCat("JSON: node ", io::Printable(id), ": ", name, ": must be a list of {\"shape\": […]}"));
    };
    if (!tensors.is_array()) return wrong();
    std::string text;
    for (const json& tensor : tensors) {
      if (!tensor.is_object() || !tensor.contains("shape") || !tensor["shape"].is_array()) return wrong();
      text += text.empty() ? "(" : ",(";
      for (const json& dimension : tensor["shape"]) {
        if (!dimension.is_number_unsigned()) return wrong();
        absl::StrAppend(&text, dimension.get<std::uint64_t>(), ",");
      }
      text += ")";
    }
    return text;
  }

  absl::Status AddEdge(const json& edge) {
    std::vector<std::string> attributes;
    const json *from = nullptr, *to = nullptr, *rest = nullptr;
    if (edge.is_array() && (edge.size() == 2 || edge.size() == 3)) {
      from = &edge[0];
      to = &edge[1];
      if (edge.size() == 3) rest = &edge[2];
    } else if (edge.is_object() && edge.contains("source") && edge.contains("target")) {
      from = &edge["source"];
      to = &edge["target"];
      rest = &edge;
    }
    if (from == nullptr || (rest != nullptr && !rest->is_object())) {
      return absl::InvalidArgumentError(
          "JSON: edges: each must be [from, to], [from, to, {…}] or {\"source\", \"target\"}");
    }
    if (rest != nullptr) {
      for (const auto& [name, value] : rest->items()) {
        if (name != "source" && name != "target") attributes.push_back(name);
      }
    }
    DVREN_ASSIGN_OR_RETURN(const std::uint32_t source, End(*from));
    DVREN_ASSIGN_OR_RETURN(const std::uint32_t target, End(*to));
    return builder_.AddEdge(source, target, attributes);
  }

  absl::StatusOr<std::string> Id(const json& id) {
    if (id.is_string()) return id.get<std::string>();
    if (!id.is_number_integer())
      return InvalidField("JSON: node id", io::Printable(id.dump()), "must be a string or an integer");
    return id.dump();
  }

  // An id, or the place of a node in the list where no node has the number as its id.
  absl::StatusOr<std::uint32_t> End(const json& end) {
    DVREN_ASSIGN_OR_RETURN(const std::string id, Id(end));
    auto found = builder_.Find(id);
    if (found.ok() || !end.is_number_unsigned() || end.get<std::uint64_t>() >= value_["nodes"].size()) return found;
    return end.get<std::uint32_t>();
  }

  const json& value_;
  DagBuilder builder_;
};

}  // namespace

absl::StatusOr<ExecutionDag> ReadExecutionDagJson(absl::string_view text) {
  DVREN_ASSIGN_OR_RETURN(const json value, ParseCheckedJson(text, "JSON", kMostBytes, kMostDepth));
  return JsonDag(value).Run();
}

absl::StatusOr<ExecutionDag> ReadExecutionDag(std::string bytes) {
  if (!bytes.empty() && static_cast<unsigned char>(bytes[0]) == 0x80) return ReadExecutionDagPickle(std::move(bytes));
  const std::size_t first = bytes.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return absl::InvalidArgumentError("trace: is empty; give a pickle, GML or JSON");
  return bytes[first] == '{' ? ReadExecutionDagJson(bytes) : ReadExecutionDagGml(bytes);
}

}  // namespace dvren::analysis
