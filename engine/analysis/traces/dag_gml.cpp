// GML as networkx writes it: graph [ node [ id 0 label "…" key value … ] edge [ source 0 target 1 … ] ].
#include <algorithm>
#include <unordered_map>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "analysis/traces/dag_builder.h"
#include "io/printable.h"

namespace dvren::analysis {
namespace {

constexpr std::size_t kMostBytes = std::size_t{256} << 20;
constexpr int kMostDepth = 8;
constexpr std::size_t kMostKeys = 128;

// A list's key and value; of a nested list only that it was there.
struct Pair {
  std::string key;
  DagAttribute value;
  bool nested = false;
};

class GmlReader {
 public:
  explicit GmlReader(absl::string_view text) : text_(text), builder_("GML") {}

  absl::StatusOr<ExecutionDag> Run() {
    if (text_.size() > kMostBytes)
      return absl::ResourceExhaustedError(absl::StrCat("GML: is longer than ", kMostBytes, " bytes"));
    bool graph = false;
    while (Skip()) {
      DVREN_ASSIGN_OR_RETURN(const std::string key, Key());
      if (key == "graph") {
        if (graph) return Wrong("a second graph; keep one");
        graph = true;
        DVREN_RETURN_IF_ERROR(Graph());
      } else {
        DVREN_RETURN_IF_ERROR(SkipValue(0));
      }
    }
    if (!graph)
      return absl::InvalidArgumentError("GML: graph: is missing; give an execution graph as pickle, GML or JSON");
    for (const auto& [source, target, attributes] : edges_) {
      const auto from = place_.find(source), to = place_.find(target);
      if (from == place_.end() || to == place_.end()) {
        return InvalidField("GML: edge", absl::StrCat(source, " -> ", target), "must join two nodes of the graph");
      }
      DVREN_RETURN_IF_ERROR(builder_.AddEdge(from->second, to->second, attributes));
    }
    return std::move(builder_).Finish();
  }

 private:
  struct Edge {
    std::int64_t source, target;
    std::vector<std::string> attributes;
  };

  absl::Status Graph() {
    DVREN_RETURN_IF_ERROR(Open());
    while (true) {
      if (!Skip()) return Wrong("the end of the file; close the graph with ]");
      if (Take(']')) return absl::OkStatus();
      DVREN_ASSIGN_OR_RETURN(const std::string key, Key());
      if (key == "node") {
        DVREN_RETURN_IF_ERROR(Node());
      } else if (key == "edge") {
        DVREN_RETURN_IF_ERROR(ReadEdge());
      } else if (key == "multigraph") {
        return Wrong("a multigraph; write a networkx.DiGraph");
      } else {
        DVREN_RETURN_IF_ERROR(SkipValue(1));
      }
    }
  }

  absl::Status Node() {
    DVREN_ASSIGN_OR_RETURN(const std::vector<Pair> pairs, List());
    const auto* id = Integer(pairs, "id");
    if (id == nullptr) return Wrong("a node without an integer id");
    const Pair* label = Find(pairs, "label");
    std::string name = absl::StrCat(*id);
    if (label != nullptr && std::holds_alternative<std::string>(label->value))
      name = std::get<std::string>(label->value);
    DVREN_ASSIGN_OR_RETURN(const std::uint32_t node, builder_.AddNode(std::move(name)));
    if (!place_.emplace(*id, node).second) return InvalidField("GML: node id", *id, "is there twice; keep one");
    // A key that is there several times is a list.
    std::vector<std::int64_t> skips;
    bool any_skips = false;
    for (const Pair& pair : pairs) {
      if (pair.nested || pair.key == "id" || pair.key == "label" || pair.key.rfind('_', 0) == 0) continue;
      if (pair.key == "mlp_skip_connections") {
        any_skips = true;
        if (const auto* layer = std::get_if<std::int64_t>(&pair.value)) skips.push_back(*layer);
        continue;
      }
      DVREN_RETURN_IF_ERROR(builder_.SetAttribute(node, pair.key, pair.value));
    }
    return any_skips ? builder_.SetAttribute(node, "mlp_skip_connections", skips) : absl::OkStatus();
  }

  absl::Status ReadEdge() {
    DVREN_ASSIGN_OR_RETURN(const std::vector<Pair> pairs, List());
    const auto* source = Integer(pairs, "source");
    const auto* target = Integer(pairs, "target");
    if (source == nullptr || target == nullptr) return Wrong("an edge without integer source and target");
    Edge edge{*source, *target, {}};
    for (const Pair& pair : pairs) {
      if (pair.key != "source" && pair.key != "target") edge.attributes.push_back(pair.key);
    }
    edges_.push_back(std::move(edge));
    return absl::OkStatus();
  }

  // The pairs of a list in brackets.
  absl::StatusOr<std::vector<Pair>> List() {
    DVREN_RETURN_IF_ERROR(Open());
    std::vector<Pair> pairs;
    while (true) {
      if (!Skip()) return Wrong("the end of the file; close the list with ]");
      if (Take(']')) return pairs;
      if (pairs.size() == kMostKeys) return Wrong(absl::StrCat("more than ", kMostKeys, " keys in one list"));
      Pair pair;
      DVREN_ASSIGN_OR_RETURN(pair.key, Key());
      if (Skip() && text_[at_] == '[') {
        pair.nested = true;
        DVREN_RETURN_IF_ERROR(SkipValue(2));
      } else {
        DVREN_ASSIGN_OR_RETURN(pair.value, Scalar());
      }
      pairs.push_back(std::move(pair));
    }
  }

  absl::Status SkipValue(int depth) {
    if (!Skip()) return Wrong("the end of the file instead of a value");
    if (!Take('[')) return Scalar().status();
    // Brackets are counted, not recursed into.
    for (int open = 1; open > 0;) {
      if (depth + open > kMostDepth) return Wrong(absl::StrCat("lists nested deeper than ", kMostDepth));
      if (!Skip()) return Wrong("the end of the file; close the list with ]");
      if (Take(']')) {
        --open;
        continue;
      }
      DVREN_RETURN_IF_ERROR(Key().status());
      if (Skip() && Take('[')) {
        ++open;
      } else {
        DVREN_RETURN_IF_ERROR(Scalar().status());
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<DagAttribute> Scalar() {
    if (!Skip()) return Wrong("the end of the file instead of a value");
    if (text_[at_] == '"') {
      DVREN_ASSIGN_OR_RETURN(std::string text, Text());
      return DagAttribute(std::move(text));
    }
    const std::size_t end = std::min(text_.find_first_not_of("+-.0123456789eEINFNAn", at_), text_.size());
    const absl::string_view word = text_.substr(at_, end - at_);
    std::int64_t integer = 0;
    double number = 0;
    if (absl::SimpleAtoi(word, &integer)) {
      at_ = end;
      return DagAttribute(integer);
    }
    if (absl::SimpleAtod(word, &number)) {
      at_ = end;
      return DagAttribute(number);
    }
    return Wrong("neither number, string nor list");
  }

  // In quotes, with &quot; &amp; &lt; &gt; &apos; and &#N; for what is not plain ASCII.
  absl::StatusOr<std::string> Text() {
    const std::size_t end = text_.find('"', at_ + 1);
    if (end == absl::string_view::npos) return Wrong("a string that does not end");
    absl::string_view raw = text_.substr(at_ + 1, end - at_ - 1);
    std::string text;
    while (!raw.empty()) {
      const std::size_t entity = std::min(raw.find('&'), raw.size());
      text.append(raw.data(), entity);
      raw.remove_prefix(entity);
      if (raw.empty()) break;
      const std::size_t stop = raw.find(';');
      if (stop == absl::string_view::npos || !AppendEntity(raw.substr(1, stop - 1), &text)) {
        return Wrong("a string with an & that begins no character; write &amp;");
      }
      raw.remove_prefix(stop + 1);
    }
    at_ = end + 1;
    return text;
  }

  static bool AppendEntity(absl::string_view name, std::string* text) {
    static const std::unordered_map<std::string, char> named = {
        {"quot", '"'}, {"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"apos", '\''}};
    if (const auto found = named.find(std::string(name)); found != named.end()) {
      text->push_back(found->second);
      return true;
    }
    std::uint32_t code = 0;
    if (name.size() < 2 || name[0] != '#' || !absl::SimpleAtoi(name.substr(1), &code)) return false;
    if (code < 0x20 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return false;
    if (code < 0x80) {
      text->push_back(static_cast<char>(code));
      return true;
    }
    static constexpr std::uint32_t kLead[] = {0, 0xc0, 0xe0, 0xf0};
    const int tail = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    text->push_back(static_cast<char>(kLead[tail] | code >> (6 * tail)));
    for (int i = tail; i-- > 0;) text->push_back(static_cast<char>(0x80u | (code >> (6 * i) & 0x3fu)));
    return true;
  }

  absl::StatusOr<std::string> Key() {
    std::size_t end = at_;
    while (end < text_.size() && (absl::ascii_isalnum(static_cast<unsigned char>(text_[end])) || text_[end] == '_'))
      ++end;
    if (end == at_ || absl::ascii_isdigit(static_cast<unsigned char>(text_[at_]))) return Wrong("no key");
    const std::string key(text_.substr(at_, end - at_));
    at_ = end;
    return key;
  }

  absl::Status Open() {
    if (!Skip() || !Take('[')) return Wrong("no [");
    return absl::OkStatus();
  }

  bool Take(char c) {
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  // Over white space and comments; false at the end.
  bool Skip() {
    while (at_ < text_.size()) {
      if (text_[at_] == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (absl::ascii_isspace(static_cast<unsigned char>(text_[at_]))) {
        ++at_;
      } else {
        return true;
      }
    }
    return false;
  }

  static const Pair* Find(const std::vector<Pair>& pairs, absl::string_view key) {
    const auto found = std::find_if(pairs.begin(), pairs.end(), [&](const Pair& pair) { return pair.key == key; });
    return found == pairs.end() ? nullptr : &*found;
  }
  static const std::int64_t* Integer(const std::vector<Pair>& pairs, absl::string_view key) {
    const Pair* pair = Find(pairs, key);
    return pair == nullptr ? nullptr : std::get_if<std::int64_t>(&pair->value);
  }

  [[nodiscard]] absl::Status Wrong(absl::string_view what) const {
    const auto line = 1 + std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(at_), '\n');
    return absl::InvalidArgumentError(absl::StrCat("GML line ", line, ": ", what));
  }

  const absl::string_view text_;
  std::size_t at_ = 0;
  DagBuilder builder_;
  std::unordered_map<std::int64_t, std::uint32_t> place_;  // by id
  std::vector<Edge> edges_;
};

}  // namespace

absl::StatusOr<ExecutionDag> ReadExecutionDagGml(absl::string_view text) {
  return GmlReader(text).Run();
}

}  // namespace dvren::analysis
