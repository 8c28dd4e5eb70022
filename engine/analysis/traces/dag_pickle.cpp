#include <algorithm>

#include "analysis/traces/dag_builder.h"
#include "dvren/analysis/pickle.h"
#include "io/printable.h"

namespace dvren::analysis {
namespace {

using Index = PickleDocument::Index;

constexpr absl::string_view kDiGraph = "networkx.classes.digraph.DiGraph";
constexpr std::size_t kMostKeys = 64;  // of an attribute dict, looked through key by key

class PickledDag {
 public:
  explicit PickledDag(const PickleDocument& document) : document_(document), builder_("pickle") {}

  absl::StatusOr<ExecutionDag> Run() {
    const Index root = document_.root();
    if (document_.kind(root) == PickleKind::kDict) return FromParts(root, "nodes", "edges");
    if (document_.kind(root) != PickleKind::kRecord || document_.class_name(root) != kDiGraph ||
        !document_.has_state(root)) {
      return absl::InvalidArgumentError(
          "pickle: must hold a networkx.DiGraph or a dict with nodes; save the graph itself");
    }
    return FromParts(document_.state(root), "_node", "_adj");
  }

 private:
  absl::StatusOr<ExecutionDag> FromParts(Index state, absl::string_view nodes, absl::string_view edges) {
    const Index* node_dict = Find(state, nodes);
    if (node_dict == nullptr) node_dict = Find(state, "_nodes");
    const Index* adjacency = Find(state, edges);
    if (adjacency == nullptr && edges == "_adj") adjacency = Find(state, "_succ");
    if (node_dict == nullptr || document_.kind(*node_dict) != PickleKind::kDict) {
      return absl::InvalidArgumentError(
          absl::StrCat("pickle: ", nodes, ": is missing or no dict; save a networkx.DiGraph"));
    }
    if (adjacency == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat("pickle: ", edges, ": is missing; save a networkx.DiGraph"));
    }
    DVREN_RETURN_IF_ERROR(ReadNodes(*node_dict));
    if (document_.kind(*adjacency) == PickleKind::kDict) {
      DVREN_RETURN_IF_ERROR(ReadAdjacency(*adjacency));
    } else if (document_.kind(*adjacency) != PickleKind::kList || !document_.items(*adjacency).empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("pickle: ", edges, ": must be a dict of dicts; save a networkx.DiGraph"));
    }
    return std::move(builder_).Finish();
  }

  absl::Status ReadNodes(Index nodes) {
    for (const auto& [key, attributes] : document_.entries(nodes)) {
      DVREN_ASSIGN_OR_RETURN(const std::uint32_t node, builder_.AddNode(Key(key)));
      if (document_.kind(attributes) != PickleKind::kDict) {
        return InvalidField("node", io::Printable(Key(key)), "must have a dict of attributes");
      }
      if (document_.entries(attributes).size() > kMostKeys) {
        return absl::ResourceExhaustedError(
            absl::StrCat("node ", io::Printable(Key(key)), ": has more than ", kMostKeys, " attributes"));
      }
      for (const auto& [name, value] : document_.entries(attributes)) {
        DVREN_ASSIGN_OR_RETURN(const DagAttribute attribute, Attribute(value));
        DVREN_RETURN_IF_ERROR(builder_.SetAttribute(node, Key(name), attribute));
      }
    }
    return absl::OkStatus();
  }

  absl::Status ReadAdjacency(Index adjacency) {
    for (const auto& [from, neighbours] : document_.entries(adjacency)) {
      DVREN_ASSIGN_OR_RETURN(const std::uint32_t source, builder_.Find(Key(from)));
      if (document_.kind(neighbours) != PickleKind::kDict) {
        return InvalidField("edges of", io::Printable(Key(from)), "must be a dict");
      }
      for (const auto& [to, attributes] : document_.entries(neighbours)) {
        DVREN_ASSIGN_OR_RETURN(const std::uint32_t target, builder_.Find(Key(to)));
        if (document_.kind(attributes) != PickleKind::kDict || document_.entries(attributes).size() > kMostKeys) {
          return InvalidField("edge", io::Printable(absl::StrCat(Key(from), " -> ", Key(to))),
                              absl::StrCat("must have a dict of at most ", kMostKeys, " attributes"));
        }
        std::vector<std::string> names;
        for (const auto& [name, value] : document_.entries(attributes)) names.push_back(Key(name));
        DVREN_RETURN_IF_ERROR(builder_.AddEdge(source, target, names));
      }
    }
    return absl::OkStatus();
  }

  // Keys are texts or integers; so the reader promises.
  [[nodiscard]] std::string Key(Index key) const {
    return document_.kind(key) == PickleKind::kText ? std::string(document_.text(key))
                                                    : absl::StrCat(document_.integer(key));
  }

  [[nodiscard]] const Index* Find(Index dict, absl::string_view key) const {
    for (const auto& entry : document_.entries(dict)) {
      if (document_.kind(entry.first) == PickleKind::kText && document_.text(entry.first) == key) return &entry.second;
    }
    return nullptr;
  }

  [[nodiscard]] absl::StatusOr<DagAttribute> Attribute(Index value) const {
    switch (document_.kind(value)) {
      case PickleKind::kInteger:
        return DagAttribute(document_.integer(value));
      case PickleKind::kNumber:
        return DagAttribute(document_.number(value));
      case PickleKind::kText:
        return DagAttribute(std::string(document_.text(value)));
      case PickleKind::kList: {
        std::vector<std::int64_t> list;
        for (const Index item : document_.items(value)) {
          // Other lists are attributes that nobody reads.
          if (document_.kind(item) != PickleKind::kInteger || list.size() == kMostKeys) return DagAttribute();
          list.push_back(document_.integer(item));
        }
        return DagAttribute(std::move(list));
      }
      default:
        return DagAttribute();
    }
  }

  const PickleDocument& document_;
  DagBuilder builder_;
};

}  // namespace

absl::StatusOr<ExecutionDag> ReadExecutionDagPickle(std::string bytes) {
  DVREN_ASSIGN_OR_RETURN(const PickleDocument document, ReadPickle(std::move(bytes)));
  return PickledDag(document).Run();
}

}  // namespace dvren::analysis
