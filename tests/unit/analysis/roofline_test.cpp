// Corrected rooflines.
#include "dvren/analysis/roofline.h"

#include <catch2/catch.hpp>

#include "dvren/analysis/json.h"
#include "dvren/analysis/operator_registry.h"

namespace dvren::analysis {
namespace {

OperatorNode Compositing() {
  auto node = Evaluate(BuiltinOperators(), "RGBRenderer", {}, Mode::kCorrected);
  REQUIRE(node.ok());
  return *std::move(node);
}

}  // namespace

TEST_CASE("An operator on the ridge takes as long to compute as to move") {
  const OperatorNode node = Compositing();
  RooflineMachine machine;
  machine.flops = node.work.Flops().real();
  machine.bytes_per_second = node.work.TrafficBytes().real();
  machine.frequency_hz = 1e9;
  const auto point = Roofline(node, machine);
  REQUIRE(point.ok());
  CHECK(point->compute_time_s == 1);
  CHECK(point->memory_time_s == 1);
  CHECK(point->throughput == machine.flops);
  CHECK(point->cycles == 1e9);
  machine.bytes_per_second *= 2;
  CHECK(Roofline(node, machine)->compute_bound);
}

TEST_CASE("Rates must be above zero and finite, efficiencies shares") {
  RooflineMachine machine;
  machine.flops = 1e12;
  machine.frequency_hz = 1e9;
  CHECK(Roofline(Compositing(), machine).status().message() == "machine.bytes_per_second = 0: must be > 0 and finite");
  machine.bytes_per_second = 1e9;
  machine.memory_efficiency = 1.5;
  CHECK(Roofline(Compositing(), machine).status().message() == "machine.memory_efficiency = 1.5: must be > 0 and <= 1");
}

TEST_CASE("One operator as a graph has its figures as totals") {
  const OperatorNode node = Compositing();
  const OperatorGraph graph = GraphOf(node);
  CHECK(graph.CheckSizes().ok());
  const auto totals = graph.Totals();
  REQUIRE(totals.ok());
  CHECK(totals->num_ops == node.num_ops);
  CHECK(ToJson(graph).ok());
}

}  // namespace dvren::analysis
