// A reader of the pickles that a tracer of execution graphs writes: networkx.DiGraph objects and plain containers in
// protocol 4 or 5. Nothing is imported and nothing is run: an object becomes a record of its class's name and its
// state.
//
// Accepted opcodes, and no others: PROTO FRAME STOP MARK NONE BININT BININT1 BININT2 BINFLOAT SHORT_BINUNICODE
// BINUNICODE MEMOIZE BINGET LONG_BINGET EMPTY_TUPLE EMPTY_LIST APPENDS EMPTY_DICT SETITEM SETITEMS STACK_GLOBAL NEWOBJ
// BUILD. Accepted classes: networkx.classes.digraph.DiGraph, networkx.classes.reportviews.NodeView and
// networkx.classes.coreviews.AdjacencyView. Source of the format: Python's pickletools.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>
#include "absl/strings/string_view.h"

#include "dvren/core/status.h"

namespace dvren::analysis {

enum class PickleKind : std::uint8_t { kNone, kInteger, kNumber, kText, kTuple, kList, kDict, kClass, kRecord };

// Bounds on what a file may make the reader hold. A trace of 10⁵ operators needs a tenth of them.
struct PickleLimits {
  std::size_t most_bytes = std::size_t{256} << 20;
  std::size_t most_values = 8'000'000;  // 16 bytes each, containers 24 more
  std::size_t most_memo = 8'000'000;
  std::size_t most_stack = 1 << 16;  // Python appends at most 1000 items (2000 stack places) at a time
  std::size_t most_marks = 32;       // containers that are open at once; a graph opens 4
  std::size_t most_text = 1 << 20;   // bytes of one string
};

// The values of one pickle. They refer to each other by index and may share or contain themselves (the memo allows it),
// so that a walk over them must bound itself; nothing in here recurses.
class PickleDocument {
 public:
  using Index = std::uint32_t;
  using Entry = std::pair<Index, Index>;  // key, value

  [[nodiscard]] Index root() const { return root_; }
  [[nodiscard]] PickleKind kind(Index value) const { return values_[value].kind; }
  // Each accessor belongs to its kind; the caller has looked at kind().
  [[nodiscard]] std::int64_t integer(Index value) const { return values_[value].integer; }
  [[nodiscard]] double number(Index value) const { return values_[value].number; }
  [[nodiscard]] absl::string_view text(Index value) const;          // kText: UTF-8; kClass: module.name
  [[nodiscard]] std::span<const Index> items(Index value) const;    // kList
  [[nodiscard]] std::span<const Entry> entries(Index value) const;  // kDict: in file order; keys are texts or integers
  [[nodiscard]] absl::string_view class_name(Index record) const;   // kRecord: module.name
  [[nodiscard]] Index state(Index record) const;                    // kRecord: the dict that BUILD gave it
  [[nodiscard]] bool has_state(Index record) const { return values_[record].reference.second != kNothing; }

 private:
  friend class PickleMachine;
  static constexpr Index kNothing = ~Index{0};
  // kText: offset and length in bytes_. kList, kDict: place in lists_, dicts_. kClass: place in the list of classes.
  // kRecord: its class's place there, and its state's index.
  struct Reference {
    std::uint32_t first, second;
  };
  struct Value {
    PickleKind kind = PickleKind::kNone;
    union {
      std::int64_t integer = 0;
      double number;
      Reference reference;
    };
  };

  std::string bytes_;
  std::vector<Value> values_;
  std::vector<std::vector<Index>> lists_;
  std::vector<std::vector<Entry>> dicts_;
  Index root_ = 0;
};

// INVALID_ARGUMENT names the opcode and the offset of its byte; RESOURCE_EXHAUSTED names the limit. A key that is twice
// in one dict is an error, as is whatever follows STOP.
[[nodiscard]] absl::StatusOr<PickleDocument> ReadPickle(std::string bytes, const PickleLimits& limits = {});

}  // namespace dvren::analysis
