// WorkCount: what an operator does, by kind of work. Nothing here is a time: that takes a machine.
#pragma once

#include <string>
#include <vector>

#include "dvren/analysis/count.h"

namespace dvren::analysis {

struct WorkCount {
  // Operations on values.
  Count fma;      // a·b + c, one operation here, two FLOP
  Count add;      // and subtractions
  Count mul;      // and divisions
  Count special;  // exp, log, sin, cos, sqrt
  // Operations on integers, and comparisons of either.
  Count integer;
  Count compare;

  // Traffic: every access counts, whatever a cache saves. Bytes of values scale with their width.
  Count stream_read_bytes;      // read in order
  Count stream_write_bytes;     // written in order
  Count gather_bytes;           // read at computed places
  Count scatter_bytes;          // added at computed places; the memory reads and writes each of them
  Count parameter_read_bytes;   // weights, once per launch whatever the number of rays
  Count parameter_write_bytes;  // gradients of weights, or updated weights
  // Integers read and written, whose width has nothing to do with that of values: indices, sort keys, fixed-point sums.
  // Neither in BytesIn nor in BytesOut.
  Count integer_bytes;

  // Different bytes that the traffic touches: what has to fit into a cache for the traffic to stay in it.
  Count footprint_bytes;

  [[nodiscard]] Count Flops() const;       // 2·fma + add + mul + special
  [[nodiscard]] Count Operations() const;  // Flops() + integer + compare
  [[nodiscard]] Count StreamBytes() const { return stream_read_bytes + stream_write_bytes; }
  [[nodiscard]] Count ParameterBytes() const { return parameter_read_bytes + parameter_write_bytes; }
  [[nodiscard]] Count BytesIn() const;       // values that come in: streams, gathers, parameters
  [[nodiscard]] Count BytesOut() const;      // values that go out: streams, scatters, gradients of parameters
  [[nodiscard]] Count TrafficBytes() const;  // in and out, integers, and each scatter's read

  WorkCount& operator+=(const WorkCount& other);

  // All counters by name, in the order above.
  struct Counter {
    const char* name;
    Count WorkCount::*field;
  };
  [[nodiscard]] static const std::vector<Counter>& Counters();
  // OUT_OF_RANGE names the first counter that overflowed.
  [[nodiscard]] absl::Status Check(absl::string_view owner) const;
};

}  // namespace dvren::analysis
