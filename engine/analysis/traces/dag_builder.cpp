#include "analysis/traces/dag_builder.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "io/printable.h"

namespace dvren::analysis {
namespace {

constexpr std::size_t kMostNodes = 1'000'000;
constexpr std::size_t kMostEdges = 8'000'000;
constexpr std::uint16_t kMostAttributes = 64;
constexpr std::size_t kMostDimensions = 16;
constexpr std::size_t kMostTensors = 256;
constexpr std::int64_t kMostSize = std::int64_t{1} << 40;

constexpr std::array<absl::string_view, 7> kSizes = {"mlp_in_dim",    "mlp_num_layers",    "mlp_layer_width",
                                                     "mlp_out_dim",   "field_head_in_dim", "field_head_out_dim",
                                                     "field_head_dim"};

template <std::size_t n>
bool OneOf(const std::string& name, const std::array<absl::string_view, n>& names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string NodeField(const ExecutionNode& node, absl::string_view name) {
  return absl::StrCat("node ", io::Printable(node.id), ": ", io::Printable(name));
}

std::string Show(const DagAttribute& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return io::Printable(*text);
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return absl::StrCat(*integer);
  if (const auto* number = std::get_if<double>(&value)) return absl::StrCat(*number);
  return std::holds_alternative<std::monostate>(value) ? "none" : "a list";
}

absl::StatusOr<std::int64_t> Size(const ExecutionNode& node, const std::string& name, const DagAttribute& value) {
  const auto* integer = std::get_if<std::int64_t>(&value);
  if (integer == nullptr || *integer < 1 || *integer > kMostSize) {
    return InvalidField(NodeField(node, name), Show(value), absl::StrCat("must be an integer from 1 to ", kMostSize));
  }
  return *integer;
}

absl::StatusOr<std::string> TextOf(const ExecutionNode& node, const std::string& name, const DagAttribute& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  return InvalidField(NodeField(node, name), Show(value), "must be a string");
}

}  // namespace

absl::StatusOr<std::vector<TraceShape>> ParseTraceShapes(absl::string_view text) {
  std::vector<TraceShape> shapes;
  const auto wrong = [&] {
    return InvalidField("shapes", io::Printable(text), "must be tuples such as (4096, 64),(4096, 64, 3), or None");
  };
  absl::string_view rest = text;
  const auto skip = [&] { rest = absl::StripLeadingAsciiWhitespace(rest); };
  const auto take = [&](absl::string_view what) {
    if (!absl::StartsWith(rest, what)) return false;
    rest.remove_prefix(what.size());
    return true;
  };
  skip();
  while (!rest.empty()) {
    if (shapes.size() == kMostTensors) return wrong();
    if (!take("no_tensors") && !take("None") && !take("?")) {
      if (!take("(")) return wrong();
      TraceShape shape;
      for (skip(); !take(")"); skip()) {
        if (shape.size() == kMostDimensions) return wrong();
        if (take("?")) {
          shape.push_back(kUnknownDimension);
        } else {
          const std::size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
          std::int64_t dimension = 0;
          if (!absl::SimpleAtoi(rest.substr(0, digits), &dimension) || dimension > kMostSize) return wrong();
          rest.remove_prefix(digits);
          shape.push_back(dimension);
        }
        skip();
        if (!take(",") && !absl::StartsWith(rest, ")")) return wrong();
      }
      shapes.push_back(std::move(shape));
    }
    skip();
    if (!rest.empty() && !take(",")) return wrong();
    skip();
  }
  return shapes;
}

absl::StatusOr<std::uint32_t> DagBuilder::AddNode(std::string id) {
  if (dag_.nodes.size() == kMostNodes) {
    return absl::ResourceExhaustedError(absl::StrCat("trace: more than ", kMostNodes, " nodes; give a shorter one"));
  }
  if (id.empty() || !io::IsPrintable(id))
    return InvalidField("node", io::Printable(id), "must be printable text that is not empty");
  const auto place = static_cast<std::uint32_t>(dag_.nodes.size());
  if (!place_.emplace(id, place).second) return InvalidField("node", io::Printable(id), "is there twice; keep one");
  dag_.nodes.emplace_back().id = std::move(id);
  attributes_.push_back(0);
  return place;
}

absl::StatusOr<std::uint32_t> DagBuilder::Find(absl::string_view id) const {
  const auto found = place_.find(std::string(id));
  if (found == place_.end()) return InvalidField("edge: node", io::Printable(id), "is not there");
  return found->second;
}

absl::Status DagBuilder::SetShapes(ExecutionNode* node, const std::string& name, const DagAttribute& value,
                                   std::vector<TraceShape>* shapes) {
  if (std::holds_alternative<std::monostate>(value)) return absl::OkStatus();
  DVREN_ASSIGN_OR_RETURN(const std::string text, TextOf(*node, name, value));
  auto parsed = ParseTraceShapes(text);
  if (!parsed.ok())
    return absl::InvalidArgumentError(absl::StrCat(NodeField(*node, name), ": ", parsed.status().message()));
  *shapes = *std::move(parsed);
  return absl::OkStatus();
}

absl::Status DagBuilder::SetAttribute(std::uint32_t place, const std::string& name, const DagAttribute& value) {
  ExecutionNode& node = dag_.nodes[place];
  if (++attributes_[place] > kMostAttributes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("node ", io::Printable(node.id), ": has more than ", kMostAttributes, " attributes"));
  }
  if (name == "func_name" || name == "function_name") {
    DVREN_ASSIGN_OR_RETURN(node.function, TextOf(node, name, value));
    if (!io::IsPrintable(node.function))
      return InvalidField(NodeField(node, name), Show(value), "must be printable text");
  } else if (name == "input_shapes") {
    return SetShapes(&node, name, value, &node.inputs);
  } else if (name == "output_shapes") {
    return SetShapes(&node, name, value, &node.outputs);
  } else if (name == "stage") {
    if (std::holds_alternative<std::monostate>(value)) return absl::OkStatus();
    DVREN_ASSIGN_OR_RETURN(node.stage, TextOf(node, name, value));
    if (node.stage == "None") node.stage.clear();
    if (node.stage != "coarse" && node.stage != "fine" && !node.stage.empty()) {
      return InvalidField(NodeField(node, name), io::Printable(node.stage), "must be coarse, fine or None");
    }
  } else if (name == "count" || name == "call_count") {
    DVREN_ASSIGN_OR_RETURN(node.count, Size(node, name, value));
  } else if (OneOf(name, kSizes)) {
    DVREN_ASSIGN_OR_RETURN(node.sizes[name], Size(node, name, value));
  } else if (name == "mlp_skip_connections") {
    const auto* list = std::get_if<std::vector<std::int64_t>>(&value);
    if (list == nullptr || std::any_of(list->begin(), list->end(), [](std::int64_t k) { return k < 0; })) {
      return InvalidField(NodeField(node, name), Show(value), "must be a list of layers, from 0");
    }
    node.skip_connections = *list;
  } else {
    if (dag_.ignored.size() < kMostAttributes || dag_.ignored.count(name) != 0) ++dag_.ignored[io::Printable(name)];
  }
  return absl::OkStatus();
}

absl::Status DagBuilder::AddEdge(std::uint32_t from, std::uint32_t to, const std::vector<std::string>& attributes) {
  if (from >= dag_.nodes.size() || to >= dag_.nodes.size()) {
    return InvalidField("edge", absl::StrCat(from, " -> ", to),
                        absl::StrCat("must join two of the ", dag_.nodes.size(), " nodes"));
  }
  const auto [found, added] =
      edge_.emplace(std::uint64_t{from} << 32 | to, static_cast<std::uint32_t>(dag_.edges.size()));
  if (added) {
    if (dag_.edges.size() == kMostEdges) {
      return absl::ResourceExhaustedError(absl::StrCat("trace: more than ", kMostEdges, " edges; give a shorter one"));
    }
    dag_.edges.push_back({from, to, false, false});
  }
  ExecutionEdge& edge = dag_.edges[found->second];
  const bool calls = std::find(attributes.begin(), attributes.end(), "weight") != attributes.end();
  edge.calls = edge.calls || calls;
  edge.flows = edge.flows || attributes.empty() || attributes.size() > (calls ? 1 : 0);
  return absl::OkStatus();
}

absl::StatusOr<ExecutionDag> DagBuilder::Finish() && {
  if (dag_.nodes.empty()) return absl::InvalidArgumentError("trace: has no nodes; give one that recorded calls");
  for (ExecutionNode& node : dag_.nodes) {
    const std::size_t open = node.id.find('['), close = node.id.rfind(']'), arrow = node.id.find("->");
    if (node.function.empty()) node.function = node.id.substr(0, open);
    const bool bracketed = open != std::string::npos && close != std::string::npos && open < arrow && arrow < close;
    if (!bracketed || !node.inputs.empty() || !node.outputs.empty()) continue;
    const auto inputs = ParseTraceShapes(absl::string_view(node.id).substr(open + 1, arrow - open - 1));
    const auto outputs = ParseTraceShapes(absl::string_view(node.id).substr(arrow + 2, close - arrow - 2));
    // A name with brackets of its own says nothing of shapes.
    if (inputs.ok()) node.inputs = *inputs;
    if (outputs.ok()) node.outputs = *outputs;
  }
  return std::move(dag_);
}

}  // namespace dvren::analysis
