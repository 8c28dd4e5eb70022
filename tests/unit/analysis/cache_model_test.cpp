// The cache model between its two ends.
#include "dvren/analysis/cache_model.h"

#include <catch2/catch.hpp>

#include "dvren/analysis/operator_registry.h"

namespace dvren::analysis {

TEST_CASE("Without a cache all traffic passes, with one as large as the footprint each byte passes once") {
  for (const auto& kind : BuiltinOperators().operators()) {
    OperatorRequest request;
    for (const ParameterSpec& spec : kind->info().parameters) {
      if (spec.required) request.parameters[spec.name] = std::int64_t{16};
    }
    const auto node = Evaluate(*kind, request, Mode::kCorrected);
    REQUIRE(node.ok());
    INFO(node->label);
    const double traffic = node->work.TrafficBytes().real(), footprint = node->work.footprint_bytes.real();
    CHECK(CacheMissBytes(node->work, 0).real() == Approx(traffic).epsilon(1e-12));
    CHECK(CacheMissBytes(node->work, footprint).real() == Approx(std::min(footprint, traffic)).epsilon(1e-12));
    double last = traffic;
    for (double capacity = 1024; capacity < 1e9; capacity *= 4) {
      const double misses = CacheMissBytes(node->work, capacity).real();
      CHECK(misses <= last * (1 + 1e-12));
      last = misses;
    }
  }
}

TEST_CASE("Half of the footprint in the cache saves half of the repeated accesses") {
  WorkCount work;
  work.gather_bytes = 1000;
  work.footprint_bytes = 200;
  CHECK(CacheMissBytes(work, 100) == 200 + 400);
}

}  // namespace dvren::analysis
