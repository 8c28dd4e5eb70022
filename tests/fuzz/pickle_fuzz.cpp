// Pickles and execution graphs of arbitrary bytes: an error of one line, or values that lie within their document.
#include <cstdlib>

#include "dvren/analysis/execution_dag.h"
#include "dvren/analysis/pickle.h"
#include "fuzz_target.h"
#include "support/pickle_writer.h"

namespace {

using dvren::analysis::PickleDocument;
using dvren::analysis::PickleKind;
using dvren::analysis::PickleWriter;

void CheckMessage(const absl::Status& status) {
  if (status.message().empty() || status.message().find('\n') != absl::string_view::npos) std::abort();
}

// Every value that can be reached once, whatever cycles there are: the limits bound how many that is.
void Walk(const PickleDocument& document) {
  std::vector<PickleDocument::Index> open = {document.root()};
  std::vector<bool> seen;
  std::size_t bytes = 0;
  while (!open.empty()) {
    const PickleDocument::Index value = open.back();
    open.pop_back();
    if (value >= seen.size()) seen.resize(value + 1, false);
    if (seen[value]) continue;
    seen[value] = true;
    const PickleKind kind = document.kind(value);
    if (kind == PickleKind::kText || kind == PickleKind::kClass) bytes += document.text(value).size();
    if (kind == PickleKind::kList) open.insert(open.end(), document.items(value).begin(), document.items(value).end());
    if (kind == PickleKind::kDict) {
      for (const auto& [key, item] : document.entries(value)) {
        if (document.kind(key) != PickleKind::kText && document.kind(key) != PickleKind::kInteger) std::abort();
        open.push_back(item);
      }
    }
    if (kind == PickleKind::kRecord) {
      bytes += document.class_name(value).size();
      if (document.has_state(value)) open.push_back(document.state(value));
    }
  }
  if (bytes == SIZE_MAX) std::abort();  // the sum is used
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const auto document = dvren::analysis::ReadPickle(bytes);
  if (document.ok()) {
    Walk(*document);
  } else {
    CheckMessage(document.status());
  }
  const auto dag = dvren::analysis::ReadExecutionDagPickle(bytes);
  if (!dag.ok()) {
    CheckMessage(dag.status());
    return 0;
  }
  if (!document.ok() || dag->nodes.empty()) std::abort();
  for (const auto& edge : dag->edges) {
    if (edge.from >= dag->nodes.size() || edge.to >= dag->nodes.size()) std::abort();
  }
  return 0;
}

std::vector<std::string> FuzzSeeds() {
  PickleWriter views;  // what networkx adds to a graph whose nodes and edges were looked at
  views.Op('}').Memoize().Op('(').Text("_nodes").Get(0).Text("nodes").Class("networkx.classes.reportviews", "NodeView");
  views.Op(')').Op('\x81').Op('}').Text("_nodes").Get(0).Op('s').Op('b').Text("adj");
  views.Class("networkx.classes.coreviews", "AdjacencyView").Op(')').Op('\x81').Op('u');
  PickleWriter plain;
  plain.Op('\x95')
      .Little(40, 8)
      .Op(']')
      .Op('(')
      .Integer(-1)
      .Op('K')
      .Little(3, 1)
      .Op('M')
      .Little(70, 2)
      .Number(0.5)
      .Op('N')
      .Op('e');
  return {dvren::analysis::SmallExecutionDag(), views.Stop(), plain.Stop(),
          PickleWriter()
              .Op('}')
              .Op('(')
              .Text("nodes")
              .Op('}')
              .Text("a")
              .Op('}')
              .Op('s')
              .Text("edges")
              .Op(']')
              .Op('u')
              .Stop()};
}
