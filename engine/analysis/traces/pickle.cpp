#include "dvren/analysis/pickle.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <string_view>

#include "absl/strings/str_format.h"
#include "analysis/traces/pickle_opcodes.h"
#include "io/printable.h"

namespace dvren::analysis {
namespace {

constexpr std::array<absl::string_view, 3> kClasses = {"networkx.classes.digraph.DiGraph",
                                                       "networkx.classes.reportviews.NodeView",
                                                       "networkx.classes.coreviews.AdjacencyView"};

}  // namespace

absl::string_view PickleDocument::text(Index value) const {
  const Value& v = values_[value];
  if (v.kind == PickleKind::kClass) return kClasses[v.reference.first];
  return absl::string_view(bytes_).substr(v.reference.first, v.reference.second);
}

std::span<const PickleDocument::Index> PickleDocument::items(Index value) const {
  return lists_[values_[value].reference.first];
}

std::span<const PickleDocument::Entry> PickleDocument::entries(Index value) const {
  return dicts_[values_[value].reference.first];
}

absl::string_view PickleDocument::class_name(Index record) const {
  return kClasses[values_[record].reference.first];
}

PickleDocument::Index PickleDocument::state(Index record) const {
  return values_[record].reference.second;
}

// The stack machine that a pickle is a program for, with only the instructions that build plain data.
class PickleMachine {
 public:
  PickleMachine(std::string bytes, const PickleLimits& limits) : limits_(limits) { doc_.bytes_ = std::move(bytes); }

  absl::StatusOr<PickleDocument> Run() {
    if (doc_.bytes_.size() > limits_.most_bytes) return Exhausted("bytes", limits_.most_bytes);
    if (doc_.bytes_.size() > std::numeric_limits<std::uint32_t>::max())
      return Exhausted("bytes", std::uint64_t{1} << 32);
    while (!stopped_) {
      opcode_at_ = at_;
      if (at_ == doc_.bytes_.size()) {
        return absl::InvalidArgumentError(
            absl::StrCat("pickle: ends at byte ", at_, " without STOP: give the whole file"));
      }
      opcode_ = static_cast<std::uint8_t>(doc_.bytes_[at_++]);
      if (opcode_at_ == 0 && opcode_ != pickle::kProto) {
        return Wrong("must be PROTO, which every pickle of protocol 4 or 5 begins with");
      }
      DVREN_RETURN_IF_ERROR(Step());
    }
    if (at_ != doc_.bytes_.size()) {
      return absl::InvalidArgumentError(absl::StrCat("pickle: ", doc_.bytes_.size() - at_,
                                                     " bytes follow STOP at byte ", opcode_at_, ": must end there"));
    }
    DVREN_RETURN_IF_ERROR(CheckKeys());
    return std::move(doc_);
  }

 private:
  using Index = PickleDocument::Index;
  using Value = PickleDocument::Value;

  // The table of instructions. What is not in it does not exist.
  absl::Status Step() {
    using namespace pickle;  // the opcodes
    switch (opcode_) {
      case kProto:
        return Proto();
      case kFrame:
        return Frame();
      case kStop:
        return Stop();
      case kMark:
        if (marks_.size() == limits_.most_marks) return Exhausted("nested marks", limits_.most_marks);
        marks_.push_back(stack_.size());
        return absl::OkStatus();
      case kNone:
        return Push(Value{});
      case kBinInt:
        return PushInteger(4);
      case kBinInt1:
        return PushInteger(1);
      case kBinInt2:
        return PushInteger(2);
      case kBinFloat:
        return PushNumber();
      case kShortBinUnicode:
        return PushText(1);
      case kBinUnicode:
        return PushText(4);
      case kMemoize:
        return Memoize();
      case kBinGet:
        return Get(1);
      case kLongBinGet:
        return Get(4);
      case kEmptyTuple:
        return PushReference(PickleKind::kTuple, 0);
      case kEmptyList:
        doc_.lists_.emplace_back();
        return PushReference(PickleKind::kList, doc_.lists_.size() - 1);
      case kAppends:
        return Appends();
      case kEmptyDict:
        doc_.dicts_.emplace_back();
        return PushReference(PickleKind::kDict, doc_.dicts_.size() - 1);
      case kSetItem:
        if (Height() < 3) return Wrong("needs a dict, a key and a value");
        return SetItems(stack_.size() - 2);
      case kSetItems: {
        std::size_t first = 0;
        DVREN_ASSIGN_OR_RETURN(first, PopMark());
        return SetItems(first);
      }
      case kStackGlobal:
        return StackGlobal();
      case kNewObj:
        return NewObject();
      case kBuild:
        return Build();
      default:
        return Wrong(
            "is not accepted; only what a networkx.DiGraph of plain values needs is: save one with protocol 4, or as "
            "JSON");
    }
  }

  absl::Status Proto() {
    DVREN_ASSIGN_OR_RETURN(const std::uint64_t protocol, Unsigned(1));
    if (opcode_at_ != 0) return Wrong("must come first and once");
    if (protocol != 4 && protocol != 5) {
      return InvalidField("pickle: protocol", protocol,
                          "must be 4 or 5: save with pickle.dump(graph, file, protocol=4)");
    }
    return absl::OkStatus();
  }

  // Frames are a hint for buffered reading; one that does not fit the file is damage.
  absl::Status Frame() {
    DVREN_ASSIGN_OR_RETURN(const std::uint64_t length, Unsigned(8));
    if (length > doc_.bytes_.size() - at_) return Wrong(absl::StrCat("holds ", length, " bytes, more than follow it"));
    return absl::OkStatus();
  }

  absl::Status Stop() {
    if (stack_.size() != 1 || !marks_.empty()) return Wrong("must leave exactly one value");
    doc_.root_ = stack_.back();
    stopped_ = true;
    return absl::OkStatus();
  }

  absl::Status PushInteger(std::size_t width) {
    DVREN_ASSIGN_OR_RETURN(const std::uint64_t bits, Unsigned(width));
    Value value;
    value.kind = PickleKind::kInteger;
    // BININT alone is signed.
    value.integer =
        width == 4 ? static_cast<std::int32_t>(static_cast<std::uint32_t>(bits)) : static_cast<std::int64_t>(bits);
    return Push(value);
  }

  absl::Status PushNumber() {
    DVREN_ASSIGN_OR_RETURN(const absl::string_view raw, Bytes(8));
    std::uint64_t bits = 0;
    for (const char c : raw) bits = bits << 8 | static_cast<std::uint8_t>(c);  // big-endian, unlike all the others
    Value value;
    value.kind = PickleKind::kNumber;
    value.number = std::bit_cast<double>(bits);
    return Push(value);
  }

  absl::Status PushText(std::size_t width) {
    DVREN_ASSIGN_OR_RETURN(const std::uint64_t length, Unsigned(width));
    if (length > limits_.most_text) return Exhausted("bytes of one string", limits_.most_text);
    const std::size_t begin = at_;
    DVREN_ASSIGN_OR_RETURN(const absl::string_view text, Bytes(length));
    if (!io::IsPrintable(text)) return Wrong("must hold printable UTF-8");
    Value value;
    value.kind = PickleKind::kText;
    value.reference = {static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(length)};
    return Push(value);
  }

  absl::Status Memoize() {
    if (Height() == 0) return Wrong("needs a value");
    if (memo_.size() == limits_.most_memo) return Exhausted("memo places", limits_.most_memo);
    memo_.push_back(stack_.back());
    return absl::OkStatus();
  }

  absl::Status Get(std::size_t width) {
    DVREN_ASSIGN_OR_RETURN(const std::uint64_t place, Unsigned(width));
    if (place >= memo_.size()) return Wrong(absl::StrCat("asks for memo place ", place, " of ", memo_.size()));
    return PushIndex(memo_[place]);
  }

  absl::Status Appends() {
    DVREN_ASSIGN_OR_RETURN(const std::size_t first, PopMark());
    const Index list = stack_[first - 1];
    if (doc_.kind(list) != PickleKind::kList) return Wrong("needs a list");
    std::vector<Index>& items = doc_.lists_[doc_.values_[list].reference.first];
    DVREN_RETURN_IF_ERROR(Hold(stack_.size() - first));
    items.insert(items.end(), stack_.begin() + static_cast<std::ptrdiff_t>(first), stack_.end());
    stack_.resize(first);
    return absl::OkStatus();
  }

  // Keys and values from stack place `first` on, into the dict below it.
  absl::Status SetItems(std::size_t first) {
    const Index dict = stack_[first - 1];
    if (doc_.kind(dict) != PickleKind::kDict) return Wrong("needs a dict");
    if ((stack_.size() - first) % 2 != 0) return Wrong("needs as many values as keys");
    std::vector<PickleDocument::Entry>& entries = doc_.dicts_[doc_.values_[dict].reference.first];
    DVREN_RETURN_IF_ERROR(Hold((stack_.size() - first) / 2));
    for (std::size_t i = first; i < stack_.size(); i += 2) {
      const PickleKind key = doc_.kind(stack_[i]);
      if (key != PickleKind::kText && key != PickleKind::kInteger)
        return Wrong("needs keys that are strings or integers");
      entries.emplace_back(stack_[i], stack_[i + 1]);
    }
    stack_.resize(first);
    return absl::OkStatus();
  }

  absl::Status StackGlobal() {
    if (Height() < 2) return Wrong("needs a module and a name");
    const Index name = stack_[stack_.size() - 1];
    const Index module = stack_[stack_.size() - 2];
    if (doc_.kind(name) != PickleKind::kText || doc_.kind(module) != PickleKind::kText) {
      return Wrong("needs a module and a name that are strings");
    }
    const std::string full = absl::StrCat(doc_.text(module), ".", doc_.text(name));
    const auto found = std::find(kClasses.begin(), kClasses.end(), full);
    if (found == kClasses.end()) {
      return Wrong(absl::StrCat("asks for ", io::Printable(full),
                                ", which is not accepted; pickle a fresh copy, networkx.DiGraph(graph)"));
    }
    stack_.resize(stack_.size() - 2);
    return PushReference(PickleKind::kClass, static_cast<std::size_t>(found - kClasses.begin()));
  }

  absl::Status NewObject() {
    if (Height() < 2) return Wrong("needs a class and a tuple");
    const Index arguments = stack_[stack_.size() - 1];
    const Index type = stack_[stack_.size() - 2];
    if (doc_.kind(type) != PickleKind::kClass) return Wrong("needs a class");
    if (doc_.kind(arguments) != PickleKind::kTuple) return Wrong("needs the empty tuple");
    stack_.resize(stack_.size() - 2);
    Value record;
    record.kind = PickleKind::kRecord;
    record.reference = {doc_.values_[type].reference.first, PickleDocument::kNothing};
    return Push(record);
  }

  absl::Status Build() {
    if (Height() < 2) return Wrong("needs an object and its state");
    const Index state = stack_.back();
    stack_.pop_back();
    Value& record = doc_.values_[stack_.back()];
    if (record.kind != PickleKind::kRecord) return Wrong("needs an object");
    if (doc_.kind(state) != PickleKind::kDict) return Wrong("needs a state that is a dict");
    if (record.reference.second != PickleDocument::kNothing) return Wrong("builds an object twice");
    record.reference.second = state;
    return absl::OkStatus();
  }

  // ---- the stack

  // Values above the topmost mark: what an instruction may take.
  [[nodiscard]] std::size_t Height() const { return stack_.size() - (marks_.empty() ? 0 : marks_.back()); }

  // The place above the container that a marked run of values goes into.
  absl::StatusOr<std::size_t> PopMark() {
    if (marks_.empty()) return Wrong("needs a MARK");
    const std::size_t first = marks_.back();
    marks_.pop_back();
    if (first == (marks_.empty() ? 0 : marks_.back())) return Wrong("needs a container below its MARK");
    return first;
  }

  absl::Status PushIndex(Index value) {
    if (stack_.size() == limits_.most_stack) return Exhausted("places of the stack", limits_.most_stack);
    stack_.push_back(value);
    return absl::OkStatus();
  }

  absl::Status Push(const Value& value) {
    DVREN_RETURN_IF_ERROR(Hold(1));
    doc_.values_.push_back(value);
    return PushIndex(static_cast<Index>(doc_.values_.size() - 1));
  }

  absl::Status PushReference(PickleKind kind, std::size_t place) {
    Value value;
    value.kind = kind;
    value.reference = {static_cast<std::uint32_t>(place), 0};
    return Push(value);
  }

  // Values and places in containers count alike: both are memory that the file asks for.
  absl::Status Hold(std::size_t count) {
    if (count > limits_.most_values - held_) return Exhausted("values", limits_.most_values);
    held_ += count;
    return absl::OkStatus();
  }

  // ---- the bytes

  absl::StatusOr<absl::string_view> Bytes(std::uint64_t count) {
    if (count > doc_.bytes_.size() - at_) return Wrong(absl::StrCat("needs ", count, " bytes more than the file has"));
    const absl::string_view view = absl::string_view(doc_.bytes_).substr(at_, count);
    at_ += count;
    return view;
  }

  absl::StatusOr<std::uint64_t> Unsigned(std::size_t width) {  // little-endian
    DVREN_ASSIGN_OR_RETURN(const absl::string_view raw, Bytes(width));
    std::uint64_t bits = 0;
    for (std::size_t i = width; i-- > 0;) bits = bits << 8 | static_cast<std::uint8_t>(raw[i]);
    return bits;
  }

  // ---- after STOP

  // Sorted by hash, texts with long beginnings in common are seldom compared.
  struct Key {
    std::size_t hash;
    absl::string_view text;
    bool operator<(const Key& other) const { return hash != other.hash ? hash < other.hash : text < other.text; }
    bool operator==(const Key& other) const { return hash == other.hash && text == other.text; }
  };

  absl::Status CheckKeys() const {
    std::vector<Key> texts;
    std::vector<std::int64_t> integers;
    for (const auto& entries : doc_.dicts_) {
      if (entries.size() < 2) continue;
      texts.clear();
      integers.clear();
      for (const auto& [key, value] : entries) {
        if (doc_.kind(key) == PickleKind::kText) {
          const absl::string_view text = doc_.text(key);
          texts.push_back({std::hash<std::string_view>()({text.data(), text.size()}), text});
        } else {
          integers.push_back(doc_.integer(key));
        }
      }
      std::sort(texts.begin(), texts.end());
      std::sort(integers.begin(), integers.end());
      if (const auto twice = std::adjacent_find(texts.begin(), texts.end()); twice != texts.end()) {
        return InvalidField("pickle: key", io::Printable(twice->text), "is twice in one dict; keep one");
      }
      if (const auto twice = std::adjacent_find(integers.begin(), integers.end()); twice != integers.end()) {
        return InvalidField("pickle: key", *twice, "is twice in one dict; keep one");
      }
    }
    return absl::OkStatus();
  }

  // ---- errors

  [[nodiscard]] absl::Status Wrong(absl::string_view why) const {
    return absl::InvalidArgumentError(
        absl::StrFormat("pickle: opcode %s (0x%02x) at byte %d: %s", pickle::Name(opcode_), opcode_, opcode_at_, why));
  }
  [[nodiscard]] absl::Status Exhausted(absl::string_view what, std::uint64_t most) const {
    return absl::ResourceExhaustedError(
        absl::StrCat("pickle: more than ", most, " ", what, " at byte ", opcode_at_, ": give a smaller trace"));
  }

  const PickleLimits limits_;
  PickleDocument doc_;
  std::vector<Index> stack_;
  std::vector<std::size_t> marks_;  // heights of the stack
  std::vector<Index> memo_;
  std::size_t held_ = 0;
  std::size_t at_ = 0;
  std::size_t opcode_at_ = 0;
  std::uint8_t opcode_ = 0;
  bool stopped_ = false;
};

absl::StatusOr<PickleDocument> ReadPickle(std::string bytes, const PickleLimits& limits) {
  return PickleMachine(std::move(bytes), limits).Run();
}

}  // namespace dvren::analysis
