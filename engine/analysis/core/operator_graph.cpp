#include "dvren/analysis/operator_graph.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <set>
#include <unordered_map>

namespace dvren::analysis {
namespace {

// Ids to positions, and per position its successors; edges with unknown ends are left to CheckEdges.
struct Adjacency {
  explicit Adjacency(const OperatorGraph& graph) : successors(graph.nodes.size()), predecessors(graph.nodes.size(), 0) {
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) position.emplace(graph.nodes[i].id, i);
    for (const OperatorEdge& edge : graph.edges) {
      const auto from = position.find(edge.from), to = position.find(edge.to);
      if (from == position.end() || to == position.end()) continue;
      successors[from->second].push_back(to->second);
      ++predecessors[to->second];
    }
  }
  std::unordered_map<int, std::size_t> position;
  std::vector<std::vector<std::size_t>> successors;
  std::vector<int> predecessors;
};

// Tarjan's strongly connected components, without recursion: traces are deep.
std::vector<std::vector<std::size_t>> Components(const Adjacency& adjacency) {
  constexpr int kUnseen = -1;
  const std::size_t n = adjacency.successors.size();
  std::vector<int> order(n, kUnseen), low(n, 0);
  std::vector<bool> on_stack(n, false);
  std::vector<std::size_t> stack;
  std::vector<std::vector<std::size_t>> components;
  int next = 0;
  struct Visit {
    std::size_t node;
    std::size_t successor;
  };
  for (std::size_t root = 0; root < n; ++root) {
    if (order[root] != kUnseen) continue;
    std::vector<Visit> visits = {{root, 0}};
    while (!visits.empty()) {
      Visit& visit = visits.back();
      const std::size_t node = visit.node;
      if (visit.successor == 0) {
        order[node] = low[node] = next++;
        stack.push_back(node);
        on_stack[node] = true;
      }
      if (visit.successor < adjacency.successors[node].size()) {
        const std::size_t successor = adjacency.successors[node][visit.successor++];
        if (order[successor] == kUnseen) {
          visits.push_back({successor, 0});
        } else if (on_stack[successor]) {
          low[node] = std::min(low[node], order[successor]);
        }
        continue;
      }
      visits.pop_back();
      if (!visits.empty()) low[visits.back().node] = std::min(low[visits.back().node], low[node]);
      if (low[node] != order[node]) continue;
      std::vector<std::size_t>& component = components.emplace_back();
      do {
        component.push_back(stack.back());
        on_stack[stack.back()] = false;
        stack.pop_back();
      } while (component.back() != node);
    }
  }
  return components;
}

}  // namespace

std::string ToString(Category category) {
  static constexpr const char* kNames[] = {"Sampling", "Encoding", "FieldCompute", "Blending", "Optimization"};
  return kNames[static_cast<int>(category)];
}

absl::Status OperatorGraph::CheckEdges() const {
  std::set<int> ids;
  for (const OperatorNode& node : nodes) {
    if (!ids.insert(node.id).second) {
      return absl::FailedPreconditionError(
          absl::StrCat(name, ": node id = ", node.id, ": there twice; ids are unique"));
    }
  }
  std::set<std::pair<int, int>> seen;
  for (const OperatorEdge& edge : edges) {
    for (const int end : {edge.from, edge.to}) {
      if (ids.count(end) == 0) {
        return absl::FailedPreconditionError(
            absl::StrCat(name, ": edge ", edge.from, " -> ", edge.to, ": no node has the id ", end));
      }
    }
    if (!seen.insert({edge.from, edge.to}).second) {
      return absl::FailedPreconditionError(
          absl::StrCat(name, ": edge ", edge.from, " -> ", edge.to, ": there twice; give it once"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<int>> OperatorGraph::TopologicalOrder() const {
  DVREN_RETURN_IF_ERROR(CheckEdges());
  Adjacency adjacency(*this);
  // The first of the ready in order of appearance, so that the order is stable.
  std::priority_queue<std::size_t, std::vector<std::size_t>, std::greater<>> ready;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (adjacency.predecessors[i] == 0) ready.push(i);
  }
  std::vector<int> order;
  while (!ready.empty()) {
    const std::size_t node = ready.top();
    ready.pop();
    order.push_back(nodes[node].id);
    for (const std::size_t successor : adjacency.successors[node]) {
      if (--adjacency.predecessors[successor] == 0) ready.push(successor);
    }
  }
  if (order.size() == nodes.size()) return order;
  std::string cycle;
  const std::vector<std::vector<int>> cycles = Cycles();
  for (const int id : cycles.front()) absl::StrAppend(&cycle, cycle.empty() ? "" : ", ", id);
  return absl::FailedPreconditionError(absl::StrCat(name, ": nodes ", cycle, " form a cycle; a graph must be acyclic"));
}

std::vector<std::vector<int>> OperatorGraph::Cycles() const {
  const Adjacency adjacency(*this);
  std::vector<std::vector<int>> cycles;
  for (const std::vector<std::size_t>& component : Components(adjacency)) {
    const std::vector<std::size_t>& successors = adjacency.successors[component.front()];
    const bool self = std::find(successors.begin(), successors.end(), component.front()) != successors.end();
    if (component.size() == 1 && !self) continue;
    std::vector<int>& ids = cycles.emplace_back();
    for (const std::size_t i : component) ids.push_back(nodes[i].id);
    std::sort(ids.begin(), ids.end());
  }
  std::sort(cycles.begin(), cycles.end());
  return cycles;
}

absl::Status OperatorGraph::CheckSizes() const {
  DVREN_RETURN_IF_ERROR(CheckEdges());
  std::unordered_map<int, const OperatorNode*> by_id;
  std::unordered_map<int, Count> arriving;
  for (const OperatorNode& node : nodes) {
    by_id[node.id] = &node;
    arriving[node.id] = node.external_input;
  }
  for (const OperatorEdge& edge : edges) {
    const OperatorNode& from = *by_id.at(edge.from);
    if (from.output < edge.elements) {
      return absl::FailedPreconditionError(absl::StrCat(name, ": edge ", from.label, " -> ", by_id.at(edge.to)->label,
                                                        " = ", edge.elements.ToString(), " elements: the producer has ",
                                                        from.output.ToString()));
    }
    arriving[edge.to] += edge.elements;
  }
  for (const OperatorNode& node : nodes) {
    const Count& sum = arriving.at(node.id);
    // Real counts are sums of products of ratios; they differ by rounding.
    const double difference = sum.real() - node.input_a.real();
    if (!(std::abs(difference) <= 1e-9 * std::abs(node.input_a.real()))) {
      return absl::FailedPreconditionError(absl::StrCat(name, ": ", node.label, " (id ", node.id,
                                                        ") input_a = ", node.input_a.ToString(),
                                                        ": its edges and external input bring ", sum.ToString()));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<GraphTotals> OperatorGraph::Totals() const {
  GraphTotals totals;
  totals.nodes = static_cast<std::int64_t>(nodes.size());
  totals.edges = static_cast<std::int64_t>(edges.size());
  for (const OperatorNode& node : nodes) {
    totals.num_ops += node.num_ops;
    (node.backward ? totals.num_ops_backward : totals.num_ops_forward) += node.num_ops;
    if (node.backward) totals.num_ops_backward_by_formula += node.backward_num_ops_formula.value_or(node.num_ops);
    totals.input_a += node.input_a;
    totals.input_w += node.input_w;
    totals.output += node.output;
    totals.bytes_in += node.bytes_in;
    totals.bytes_out += node.bytes_out;
    totals.work += node.work;
  }
  totals.elements = totals.input_a + totals.input_w + totals.output;
  totals.bytes = totals.bytes_in + totals.bytes_out;
  totals.trace_rule_bytes = 4 * (totals.input_a + totals.output);
  DVREN_RETURN_IF_ERROR(totals.num_ops.Check(name, "totals.num_ops"));
  DVREN_RETURN_IF_ERROR(totals.elements.Check(name, "totals.elements"));
  DVREN_RETURN_IF_ERROR(totals.bytes.Check(name, "totals.bytes"));
  DVREN_RETURN_IF_ERROR(totals.trace_rule_bytes.Check(name, "totals.trace_rule_bytes"));
  DVREN_RETURN_IF_ERROR(totals.num_ops_backward_by_formula.Check(name, "totals.num_ops_backward_by_formula"));
  DVREN_RETURN_IF_ERROR(totals.work.Check(absl::StrCat(name, ".totals")));
  return totals;
}

std::vector<std::pair<Category, CategoryTotals>> OperatorGraph::ByCategory() const {
  std::vector<std::pair<Category, CategoryTotals>> categories;
  for (const OperatorNode& node : nodes) {
    auto it =
        std::find_if(categories.begin(), categories.end(), [&](const auto& c) { return c.first == node.category; });
    if (it == categories.end()) it = categories.insert(it, {node.category, {}});
    ++it->second.nodes;
    it->second.num_ops += node.num_ops;
    it->second.elements += node.input_a + node.input_w + node.output;
  }
  return categories;
}

OperatorGraph GraphOf(OperatorNode node) {
  OperatorGraph graph;
  graph.name = node.label;
  graph.mode = node.mode;
  node.id = 0;
  node.external_input = node.input_a;
  graph.nodes.push_back(std::move(node));
  return graph;
}

OperatorGraph OperatorGraph::Expanded() const {
  OperatorGraph expanded;
  expanded.name = name;
  expanded.mode = mode;
  struct Place {
    int self;
    int first_part;
    int last_part;
  };
  std::unordered_map<int, Place> places;
  const auto add = [&expanded](OperatorNode node) {
    node.id = static_cast<int>(expanded.nodes.size());
    expanded.nodes.push_back(std::move(node));
    return expanded.nodes.back().id;
  };
  for (const OperatorNode& node : nodes) {
    Place place{};
    if (mode == Mode::kReference || node.parts.empty()) place.self = place.first_part = place.last_part = add(node);
    for (std::size_t i = 0; i < node.parts.size(); ++i) {
      const int part = add(node.parts[i]);
      if (i == 0) {
        place.first_part = part;
      } else {
        expanded.edges.push_back({place.last_part, part, node.parts[i - 1].output});
      }
      place.last_part = part;
    }
    places[node.id] = place;
  }
  for (const OperatorEdge& edge : edges) {
    const Place& from = places.at(edge.from);
    const Place& to = places.at(edge.to);
    if (mode == Mode::kCorrected) {
      expanded.edges.push_back({from.last_part, to.first_part, edge.elements});
      continue;
    }
    expanded.edges.push_back({from.self, to.self, edge.elements});
    if (from.last_part != from.self || to.first_part != to.self) {
      expanded.edges.push_back({from.last_part, to.first_part, edge.elements});
    }
  }
  const auto by_ends = [](const OperatorEdge& a, const OperatorEdge& b) {
    return std::pair(a.from, a.to) < std::pair(b.from, b.to);
  };
  std::sort(expanded.edges.begin(), expanded.edges.end(), by_ends);
  return expanded;
}

}  // namespace dvren::analysis
