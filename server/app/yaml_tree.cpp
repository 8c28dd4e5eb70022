#include "server/app/yaml_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <exception>
#include <optional>
#include <sstream>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "server/middleware/utf8.h"

namespace dvren::server {
namespace {

// Leaves the parser, which knows no other way to stop.
struct Refused {
  int line;
  std::string why;
};

class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(const std::string& text) : text_(text) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnAnchor(const YAML::Mark& mark, const std::string& name) override {
    throw Refused{mark.line + 1, absl::StrCat("anchor &", absl::Utf8SafeCEscape(name),
                                              ": anchors are not used here; write the value out")};
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw Refused{mark.line + 1, "alias: aliases are not used here; write the value out"};
  }
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { Add(MakeNode(YamlNode::Kind::kNull, mark)); }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t, const std::string& value) override {
    RefuseTag(mark, tag);
    RefuseOpenQuote(mark);
    // yaml-cpp turns the escapes \N and \_ into bytes that are no text.
    if (!IsUtf8(value)) throw Refused{mark.line + 1, "an escape that is not UTF-8; write the character itself"};
    YamlNode node = MakeNode(YamlNode::Kind::kScalar, mark);
    node.quoted = tag == "!";
    node.scalar = value;
    Add(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    RefuseTag(mark, tag);
    Open(MakeNode(YamlNode::Kind::kList, mark));
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t, YAML::EmitterStyle::value) override {
    RefuseTag(mark, tag);
    Open(MakeNode(YamlNode::Kind::kMap, mark));
  }
  void OnMapEnd() override { Close(); }

  [[nodiscard]] YamlNode Take() { return std::move(root_); }

 private:
  // A list or map that is being read; of a map also the key whose value comes next.
  struct Level {
    YamlNode node;
    std::optional<YamlNode> key;
  };

  // The parser says "?" for a plain scalar, "!" for a quoted one, and the tag that was written otherwise.
  static void RefuseTag(const YAML::Mark& mark, const std::string& tag) {
    if (!tag.empty() && tag != "?" && tag != "!")
      throw Refused{mark.line + 1, "tag: tags are not used here; remove it"};
  }

  // yaml-cpp ends a quoted value at the end of the file as well, and so swallows every key after a forgotten quote.
  // Nothing here needs a quoted value of several lines.
  void RefuseOpenQuote(const YAML::Mark& mark) const {
    const auto begin = static_cast<std::size_t>(mark.pos);
    if (begin >= text_.size() || (text_[begin] != '"' && text_[begin] != '\'')) return;
    const char quote = text_[begin];
    for (std::size_t i = begin + 1; i < text_.size() && text_[i] != '\n'; ++i) {
      if (quote == '"' && text_[i] == '\\') {
        ++i;
      } else if (text_[i] == quote) {
        if (quote == '"' || i + 1 >= text_.size() || text_[i + 1] != quote) return;
        ++i;  // '' is a quote within
      }
    }
    throw Refused{mark.line + 1, absl::StrCat("a value that begins with ", std::string(1, quote),
                                              " must end with it on the same line")};
  }

  YamlNode MakeNode(YamlNode::Kind kind, const YAML::Mark& mark) {
    if (++nodes_ > kMaxYamlNodes)
      throw Refused{mark.line + 1, absl::StrCat("more than ", kMaxYamlNodes, " values; shorten the file")};
    YamlNode node;
    node.kind = kind;
    node.line = mark.line + 1;
    return node;
  }

  void Open(YamlNode node) {
    if (levels_.size() >= kMaxYamlDepth) {
      throw Refused{node.line, absl::StrCat("nested deeper than ", kMaxYamlDepth, " levels; nothing here is")};
    }
    levels_.push_back({std::move(node), std::nullopt});
  }

  void Close() {
    YamlNode node = std::move(levels_.back().node);
    levels_.pop_back();
    Add(std::move(node));
  }

  void Add(YamlNode node) {
    if (levels_.empty()) {
      root_ = std::move(node);
      return;
    }
    Level& level = levels_.back();
    if (level.node.kind == YamlNode::Kind::kList) {
      level.node.items.push_back(std::move(node));
    } else if (!level.key) {
      if (node.kind != YamlNode::Kind::kScalar) throw Refused{node.line, "a key must be a word"};
      if (level.node.Find(node.scalar) != nullptr) {
        throw Refused{node.line, absl::StrCat(absl::Utf8SafeCEscape(node.scalar), ": given twice; keep one")};
      }
      level.key = std::move(node);
    } else {
      // `key:` and nothing: the parser's mark is where the next thing begins.
      if (node.kind == YamlNode::Kind::kNull) node.line = level.key->line;
      level.node.entries.push_back({std::move(*level.key), std::move(node)});
      level.key.reset();
    }
  }

  const std::string& text_;
  YamlNode root_;
  std::vector<Level> levels_;
  std::size_t nodes_ = 0;
};

// The parser assumes text: what is none is refused before it sees it.
std::optional<Refused> RefuseBytes(const std::string& text) {
  if (text.size() > kMaxYamlBytes)
    return Refused{1, absl::StrCat("larger than ", kMaxYamlBytes, " bytes; is this the right file?")};
  int line = 1;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t length = Utf8SequenceLength(rest);
    const char c = rest.front();
    if (length == 0) return Refused{line, "not UTF-8; save the file as UTF-8"};
    if (c == '\n') ++line;
    if (length == 1 && c >= 0 && c < 0x20 && c != '\n' && c != '\r' && c != '\t') {
      return Refused{line, "a control character; is this a text file?"};
    }
    rest.remove_prefix(length);
  }
  return std::nullopt;
}

absl::Status At(const std::string& file_name, int line, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat(file_name, ":", line, ": ", why));
}

}  // namespace

const YamlNode* YamlNode::Find(const std::string& key) const {
  const auto it =
      std::find_if(entries.begin(), entries.end(), [&](const YamlEntry& entry) { return entry.key.scalar == key; });
  return it == entries.end() ? nullptr : &it->value;
}

absl::StatusOr<YamlNode> ParseYamlTree(const std::string& file_text, const std::string& file_name) {
  // Marks count bytes after the byte order mark.
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  const std::string text = file_text.compare(0, kByteOrderMark.size(), kByteOrderMark) == 0
                               ? file_text.substr(kByteOrderMark.size())
                               : file_text;
  if (const std::optional<Refused> refused = RefuseBytes(text)) return At(file_name, refused->line, refused->why);
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    TreeBuilder builder(text);
    if (!parser.HandleNextDocument(builder)) return YamlNode{};
    TreeBuilder second(text);
    if (parser.HandleNextDocument(second)) return At(file_name, second.Take().line, "a second document; keep one");
    return builder.Take();
  } catch (const Refused& refused) {
    return At(file_name, refused.line, refused.why);
  } catch (const YAML::Exception& error) {
    return At(file_name, error.mark.is_null() ? 1 : error.mark.line + 1, absl::StrCat("not YAML: ", error.msg));
  } catch (const std::exception& error) {
    return At(file_name, 1, absl::StrCat("not YAML: ", error.what()));
  }
}

}  // namespace dvren::server
