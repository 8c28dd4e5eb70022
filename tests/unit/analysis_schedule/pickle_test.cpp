// The pickle reader executes the opcodes of its list and no others, within its limits.
#include "dvren/analysis/pickle.h"

#include <catch2/catch.hpp>
#include <set>

#include "support/pickle_writer.h"

namespace dvren::analysis {
namespace {

std::string Error(const std::string& bytes, const PickleLimits& limits = {}) {
  const auto document = ReadPickle(bytes, limits);
  return document.ok() ? "accepted" : std::string(document.status().message());
}

// Of the format's description: PROTO FRAME STOP MARK NONE BININT BININT1 BININT2 BINFLOAT SHORT_BINUNICODE BINUNICODE
// MEMOIZE BINGET LONG_BINGET EMPTY_TUPLE EMPTY_LIST APPENDS EMPTY_DICT SETITEM SETITEMS STACK_GLOBAL NEWOBJ BUILD.
const std::set<unsigned char> kAccepted = {0x80, 0x95, '.', '(', 'N', 'J', 'K', 'M', 'G',  0x8c, 'X', 0x94,
                                           'h',  'j',  ')', ']', 'e', '}', 's', 'u', 0x93, 0x81, 'b'};

TEST_CASE("Every byte that is not of the list is refused as an opcode, by name and offset") {
  int refused = 0;
  for (int opcode = 0; opcode < 256; ++opcode) {
    if (kAccepted.count(static_cast<unsigned char>(opcode)) != 0) continue;
    // With values below it, and bytes behind it, that any of them could take.
    const std::string bytes =
        PickleWriter().Op('(').Text("os").Text("system").Op(static_cast<char>(opcode)).Raw("os\nsystem\n").Stop();
    INFO(opcode);
    CHECK(Error(bytes).find("at byte 15: is not accepted") != std::string::npos);
    ++refused;
  }
  CHECK(refused == 256 - 23);
}

TEST_CASE("The message names the opcode") {
  CHECK(Error(PickleWriter().Op('R').Stop()).find("pickle: opcode REDUCE (0x52) at byte 2: is not accepted; ") == 0);
  CHECK(Error(PickleWriter().Op('c').Stop()).find("pickle: opcode GLOBAL (0x63) at byte 2: ") == 0);
  CHECK(Error(PickleWriter().Op('\x8a').Stop()).find("pickle: opcode LONG1 (0x8a) at byte 2: ") == 0);
  CHECK(Error(PickleWriter().Op('\x8b').Stop()).find("pickle: opcode LONG4 (0x8b) at byte 2: ") == 0);
  CHECK(Error(PickleWriter().Op('\x01').Stop()).find("pickle: opcode unknown (0x01) at byte 2: ") == 0);
}

TEST_CASE("Plain values are what was written") {
  const auto document = ReadPickle(PickleWriter()
                                       .Op('}')
                                       .Op('(')
                                       .Text("a")
                                       .Integer(-2'000'000'000)
                                       .Text("b")
                                       .Op('M')
                                       .Little(65535, 2)
                                       .Text("c")
                                       .Op('K')
                                       .Little(255, 1)
                                       .Text("d")
                                       .Number(-0.25)
                                       .Text("e")
                                       .Op('N')
                                       .Text("f")
                                       .Op(')')
                                       .Text("g")
                                       .Op(']')
                                       .Op('(')
                                       .Integer(1)
                                       .Integer(2)
                                       .Op('e')
                                       .Op('u')
                                       .Stop());
  REQUIRE(document.ok());
  REQUIRE(document->kind(document->root()) == PickleKind::kDict);
  const auto entries = document->entries(document->root());
  REQUIRE(entries.size() == 7);
  CHECK(document->text(entries[0].first) == "a");
  CHECK(document->integer(entries[0].second) == -2'000'000'000);
  CHECK(document->integer(entries[1].second) == 65535);
  CHECK(document->integer(entries[2].second) == 255);
  CHECK(document->number(entries[3].second) == -0.25);
  CHECK(document->kind(entries[4].second) == PickleKind::kNone);
  CHECK(document->kind(entries[5].second) == PickleKind::kTuple);
  REQUIRE(document->items(entries[6].second).size() == 2);
  CHECK(document->integer(document->items(entries[6].second)[1]) == 2);
}

TEST_CASE("Classes beside the three of networkx are refused before anything is made of them") {
  CHECK(Error(PickleWriter().Class("os", "system").Stop()) ==
        "pickle: opcode STACK_GLOBAL (0x93) at byte 14: asks for os.system, which is not accepted; pickle "
        "a fresh copy, networkx.DiGraph(graph)");
  CHECK(Error(PickleWriter().Class("builtins", "eval").Stop()).find("asks for builtins.eval") != std::string::npos);
  CHECK(Error(PickleWriter().Class("networkx.classes", "digraph.DiGraph").Op(')').Op('\x81').Stop()) == "accepted");
  CHECK(Error(PickleWriter().Class("networkx.classes.graph", "Graph").Stop()).find("which is not accepted") !=
        std::string::npos);
  CHECK(Error(PickleWriter().Integer(1).Integer(2).Op('\x93').Stop())
            .find("needs a module and a name that are strings") != std::string::npos);
}

TEST_CASE("An object is a record of its class and the dict it was built with") {
  const auto document =
      ReadPickle(PickleWriter().Class("networkx.classes.digraph", "DiGraph").Op(')').Op('\x81').Op('}').Op('b').Stop());
  REQUIRE(document.ok());
  CHECK(document->kind(document->root()) == PickleKind::kRecord);
  CHECK(document->class_name(document->root()) == "networkx.classes.digraph.DiGraph");
  REQUIRE(document->has_state(document->root()));
  CHECK(document->kind(document->state(document->root())) == PickleKind::kDict);
}

TEST_CASE("Objects are made of a class and the empty tuple, and built once") {
  const auto graph = [] { return PickleWriter().Class("networkx.classes.digraph", "DiGraph"); };
  CHECK(Error(graph().Op(']').Op('\x81').Stop()).find("needs the empty tuple") != std::string::npos);
  CHECK(Error(PickleWriter().Integer(1).Op(')').Op('\x81').Stop()).find("needs a class") != std::string::npos);
  CHECK(Error(graph().Op(')').Op('\x81').Op(')').Op('b').Stop()).find("needs a state that is a dict") !=
        std::string::npos);
  CHECK(Error(graph().Op(')').Op('\x81').Op('}').Op('b').Op('}').Op('b').Stop()).find("builds an object twice") !=
        std::string::npos);
  CHECK(Error(PickleWriter().Op('}').Op('}').Op('b').Stop()).find("needs an object") != std::string::npos);
}

TEST_CASE("A pickle that is cut off anywhere is an error") {
  const std::string whole = SmallExecutionDag();
  REQUIRE(Error(whole) == "accepted");
  for (std::size_t length = 0; length < whole.size(); ++length) CHECK(Error(whole.substr(0, length)) != "accepted");
}

TEST_CASE("What follows STOP is an error") {
  CHECK(Error(PickleWriter().Op('N').Stop() + "N") == "pickle: 1 bytes follow STOP at byte 3: must end there");
}

TEST_CASE("Protocols but 4 and 5 are refused with a remedy") {
  CHECK(Error("\x80\x02N.") == "pickle: protocol = 2: must be 4 or 5: save with pickle.dump(graph, file, protocol=4)");
  CHECK(Error("\x80\x06N.") == "pickle: protocol = 6: must be 4 or 5: save with pickle.dump(graph, file, protocol=4)");
  CHECK(Error("\x80\x05N.") == "accepted");
  CHECK(Error("(dp0\n.").find("pickle: opcode MARK (0x28) at byte 0: must be PROTO") == 0);
  CHECK(Error(PickleWriter().Raw("\x80\x04").Op('N').Stop()).find("must come first and once") != std::string::npos);
}

TEST_CASE("Instructions without what they need on the stack are errors") {
  for (const char opcode : {'.', 's', 'u', 'e', '\x93', '\x81', 'b', '\x94'}) {
    INFO(static_cast<int>(static_cast<unsigned char>(opcode)));
    CHECK(Error(PickleWriter().Op(opcode).Stop()) != "accepted");
    CHECK(Error(PickleWriter().Op('}').Op('(').Op(opcode).Op('N').Stop()) != "accepted");
  }
  CHECK(Error(PickleWriter().Op('}').Op('(').Text("a").Op('u').Stop()).find("needs as many values as keys") !=
        std::string::npos);
  CHECK(Error(PickleWriter().Op('}').Op('}').Op('N').Op('s').Stop()).find("needs keys that are strings or integers") !=
        std::string::npos);
  CHECK(Error(PickleWriter().Op('(').Op('N').Op('u').Stop()).find("needs a container below its MARK") !=
        std::string::npos);
  CHECK(Error(PickleWriter().Get(0).Stop()).find("asks for memo place 0 of 0") != std::string::npos);
  CHECK(Error(PickleWriter().Get(4'000'000'000).Stop()).find("asks for memo place 4000000000 of 0") !=
        std::string::npos);
}

TEST_CASE("Containers do not reach below a mark") {
  // The dict lies below the mark, the key and value above it: SETITEM may not close over it.
  CHECK(
      Error(PickleWriter().Op('}').Op('(').Text("a").Op('N').Op('s').Stop()).find("needs a dict, a key and a value") !=
      std::string::npos);
}

TEST_CASE("A key that is twice in one dict is refused") {
  CHECK(Error(PickleWriter().Op('}').Op('(').Text("a").Op('N').Text("a").Op('N').Op('u').Stop()) ==
        "pickle: key = a: is twice in one dict; keep one");
  CHECK(Error(PickleWriter().Op('}').Op('(').Integer(7).Op('N').Op('K').Little(7, 1).Op('N').Op('u').Stop()) ==
        "pickle: key = 7: is twice in one dict; keep one");
}

TEST_CASE("Strings longer than the file, or no UTF-8, are refused") {
  CHECK(Error(PickleWriter().Op('X').Little(0xffffffff, 4).Stop()).find("bytes of one string") != std::string::npos);
  CHECK(Error(PickleWriter().Op('X').Little(100, 4).Stop()).find("needs 100 bytes more than the file has") !=
        std::string::npos);
  CHECK(Error(PickleWriter().Text("\xff").Stop()).find("must hold printable UTF-8") != std::string::npos);
  CHECK(Error(PickleWriter().Op('\x95').Little(~std::uint64_t{0}, 8).Stop()).find("more than follow it") !=
        std::string::npos);
}

TEST_CASE("Memo bombs, deep nesting and endless stacks meet their limits") {
  PickleLimits limits;
  limits.most_memo = 1000;
  PickleWriter memo;
  memo.Op('N');
  for (int i = 0; i < 1001; ++i) memo.Memoize();
  CHECK(Error(memo.Stop(), limits) == "pickle: more than 1000 memo places at byte 1003: give a smaller trace");

  PickleWriter deep;
  for (int i = 0; i < 33; ++i) deep.Op(']').Op('(');
  CHECK(Error(deep.Stop()).find("pickle: more than 32 nested marks") == 0);

  PickleWriter high;
  for (int i = 0; i < 70000; ++i) high.Op('N');
  CHECK(Error(high.Stop()).find("pickle: more than 65536 places of the stack") == 0);

  limits.most_values = 100;
  PickleWriter wide;
  wide.Op(']');
  for (int i = 0; i < 60; ++i) wide.Op('(').Op('N').Op('e');
  CHECK(Error(wide.Stop(), limits).find("pickle: more than 100 values") == 0);

  limits.most_bytes = 8;
  CHECK(Error(std::string(9, 'N'), limits) == "pickle: more than 8 bytes at byte 0: give a smaller trace");
}

TEST_CASE("A list in itself and a thousandfold shared one are read without being walked") {
  // l = []; l.append(l)
  CHECK(Error(PickleWriter().Op(']').Memoize().Op('(').Get(0).Op('e').Stop()) == "accepted");
  // Each list holds the one before it twice: 2^10000 paths, 10000 lists.
  PickleWriter laughs;
  laughs.Op('}').Op('(').Text("a").Op(']').Memoize();
  for (std::uint64_t i = 0; i < 10000; ++i)
    laughs.Text(std::to_string(i)).Op(']').Memoize().Op('(').Get(i).Get(i).Op('e');
  CHECK(Error(laughs.Op('u').Stop()) == "accepted");
}

}  // namespace
}  // namespace dvren::analysis
