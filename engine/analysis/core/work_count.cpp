#include "dvren/analysis/work_count.h"

namespace dvren::analysis {

Count WorkCount::Flops() const {
  return 2 * fma + add + mul + special;
}

Count WorkCount::Operations() const {
  return Flops() + integer + compare;
}

Count WorkCount::BytesIn() const {
  return stream_read_bytes + gather_bytes + parameter_read_bytes;
}

Count WorkCount::BytesOut() const {
  return stream_write_bytes + scatter_bytes + parameter_write_bytes;
}

Count WorkCount::TrafficBytes() const {
  return BytesIn() + BytesOut() + scatter_bytes + integer_bytes;
}

WorkCount& WorkCount::operator+=(const WorkCount& other) {
  for (const Counter& counter : Counters()) this->*counter.field += other.*counter.field;
  return *this;
}

const std::vector<WorkCount::Counter>& WorkCount::Counters() {
  static const std::vector<Counter> counters = {
      {"fma", &WorkCount::fma},
      {"add", &WorkCount::add},
      {"mul", &WorkCount::mul},
      {"special", &WorkCount::special},
      {"integer", &WorkCount::integer},
      {"compare", &WorkCount::compare},
      {"stream_read_bytes", &WorkCount::stream_read_bytes},
      {"stream_write_bytes", &WorkCount::stream_write_bytes},
      {"gather_bytes", &WorkCount::gather_bytes},
      {"scatter_bytes", &WorkCount::scatter_bytes},
      {"parameter_read_bytes", &WorkCount::parameter_read_bytes},
      {"parameter_write_bytes", &WorkCount::parameter_write_bytes},
      {"integer_bytes", &WorkCount::integer_bytes},
      {"footprint_bytes", &WorkCount::footprint_bytes},
  };
  return counters;
}

absl::Status WorkCount::Check(absl::string_view owner) const {
  for (const Counter& counter : Counters()) DVREN_RETURN_IF_ERROR((this->*counter.field).Check(owner, counter.name));
  DVREN_RETURN_IF_ERROR(Operations().Check(owner, "num_ops"));
  return TrafficBytes().Check(owner, "traffic_bytes");
}

}  // namespace dvren::analysis
