// Writes pickles of protocol 4 opcode by opcode, as Python does and as it never would.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

namespace dvren::analysis {

class PickleWriter {
 public:
  PickleWriter() : bytes_("\x80\x04") {}

  PickleWriter& Op(char opcode) {
    bytes_.push_back(opcode);
    return *this;
  }
  PickleWriter& Raw(const std::string& bytes) {
    bytes_ += bytes;
    return *this;
  }
  PickleWriter& Text(const std::string& text) {  // SHORT_BINUNICODE or BINUNICODE
    if (text.size() < 256) return Op('\x8c').Little(text.size(), 1).Raw(text);
    return Op('X').Little(text.size(), 4).Raw(text);
  }
  PickleWriter& Integer(std::int64_t value) { return Op('J').Little(static_cast<std::uint64_t>(value), 4); }
  PickleWriter& Number(double value) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    Op('G');
    for (int i = 7; i >= 0; --i) bytes_.push_back(static_cast<char>(bits >> (8 * i) & 0xff));
    return *this;
  }
  PickleWriter& Memoize() { return Op('\x94'); }
  PickleWriter& Get(std::uint64_t place) { return place < 256 ? Op('h').Little(place, 1) : Op('j').Little(place, 4); }
  PickleWriter& Class(const std::string& module, const std::string& name) { return Text(module).Text(name).Op('\x93'); }
  PickleWriter& Little(std::uint64_t value, int width) {
    for (int i = 0; i < width; ++i) bytes_.push_back(static_cast<char>(value >> (8 * i) & 0xff));
    return *this;
  }
  [[nodiscard]] std::string Stop() const { return bytes_ + "."; }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// A networkx.DiGraph of two calls, the first of which leads to the second.
inline std::string SmallExecutionDag() {
  PickleWriter w;
  w.Class("networkx.classes.digraph", "DiGraph").Op(')').Op('\x81').Op('}').Op('(');
  w.Text("graph").Op('}');
  w.Text("_node").Op('}').Op('(');
  w.Text("NeRFEncoding.forward[(8, 4, 3)->(8, 4, 63)]#1").Memoize().Op('}').Op('(');
  w.Text("func_name")
      .Memoize()
      .Text("nerfstudio.NeRFEncoding.forward")
      .Text("input_shapes")
      .Memoize()
      .Text("(8, 4, 3)");
  w.Text("output_shapes").Memoize().Text("(8, 4, 63)").Text("stage").Memoize().Text("coarse").Memoize();
  w.Text("count").Memoize().Op('K').Little(2, 1).Op('u');
  w.Text("MLP.forward[(8, 4, 63)->(8, 4, 256)]#1").Memoize().Op('}').Op('(');
  w.Get(1)
      .Text("nerfstudio.MLP.forward")
      .Get(2)
      .Text("(8, 4, 63)")
      .Get(3)
      .Text("(8, 4, 256)")
      .Get(4)
      .Op('N')
      .Get(6)
      .Integer(1);
  w.Op('u').Op('u');
  w.Text("_adj").Op('}').Memoize().Op('(');
  w.Get(0).Op('}').Get(7).Op('}').Text("sequence").Integer(1).Op('s').Op('s');
  w.Get(7).Op('}').Op('u');
  w.Text("_succ").Get(8);
  w.Text("_pred").Op('}').Op('u').Op('b');
  return w.Stop();
}

}  // namespace dvren::analysis
