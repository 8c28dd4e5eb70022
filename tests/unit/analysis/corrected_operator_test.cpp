// Corrected mode: properties that hold for every operator of the registry, and counts that follow from mathematics.
#include <catch2/catch.hpp>
#include <cmath>

#include "dvren/analysis/operator_registry.h"

namespace dvren::analysis {
namespace {

ParameterMap RequiredOf(const OperatorInfo& info) {
  ParameterMap parameters;
  for (const ParameterSpec& spec : info.parameters) {
    if (spec.required) parameters[spec.name] = std::int64_t{spec.name == "num_layers" ? 3 : 32};
  }
  return parameters;
}

OperatorNode Corrected(const Operator& kind, Count rays, Count samples, int bits = 16, bool backward = false,
                       ParameterMap more = {}) {
  OperatorRequest request;
  request.rays = rays;
  request.samples = samples;
  request.bits = bits;
  request.backward = backward;
  request.parameters = RequiredOf(kind.info());
  for (auto& [name, value] : more) request.parameters[name] = value;
  auto node = Evaluate(kind, request, Mode::kCorrected);
  INFO(kind.info().op_type << ": " << node.status());
  REQUIRE(node.ok());
  return *std::move(node);
}

OperatorNode Corrected(const std::string& name, Count rays, Count samples, int bits = 16, bool backward = false,
                       ParameterMap more = {}) {
  const auto kind = BuiltinOperators().Find(name);
  REQUIRE(kind.ok());
  return Corrected(**kind, rays, samples, bits, backward, std::move(more));
}

// Forward, and backward where there is one.
std::vector<bool> Directions(const OperatorInfo& info) {
  return info.backward == BackwardRule::kUndefined ? std::vector<bool>{false} : std::vector<bool>{false, true};
}

bool Near(const Count& a, const Count& b) {
  return std::abs(a.real() - b.real()) <= 1e-9 * std::max(std::abs(a.real()), std::abs(b.real()));
}

// Every counter but those of parameters, which do not depend on the rays, and of footprints, which saturate.
bool GrowsWithRays(const std::string& counter) {
  return counter != "footprint_bytes" && counter != "parameter_read_bytes" && counter != "parameter_write_bytes";
}

}  // namespace

TEST_CASE("Work and traffic of every operator are linear in rays") {
  for (const auto& kind : BuiltinOperators().operators()) {
    for (const bool backward : Directions(kind->info())) {
      for (const int samples : {1, 64, 100}) {
        const OperatorNode once = Corrected(*kind, 1000, samples, 16, backward);
        const OperatorNode thrice = Corrected(*kind, 3000, samples, 16, backward);
        for (const WorkCount::Counter& counter : WorkCount::Counters()) {
          if (!GrowsWithRays(counter.name)) continue;
          // OptimizerStep and update: their rays are parameters.
          INFO(once.label << " " << counter.name << " at " << samples << " samples");
          CHECK(Near(3 * (once.work.*counter.field), thrice.work.*counter.field));
        }
        CHECK(once.work.footprint_bytes.real() <= thrice.work.footprint_bytes.real());
        CHECK(thrice.work.footprint_bytes.real() <= 3 * once.work.footprint_bytes.real() * (1 + 1e-9));
      }
    }
  }
}

TEST_CASE("Bytes of values at 8 bits are half of those at 16, and integers keep their width") {
  for (const auto& kind : BuiltinOperators().operators()) {
    for (const bool backward : Directions(kind->info())) {
      const OperatorNode narrow = Corrected(*kind, 512, 64, 8, backward);
      const OperatorNode wide = Corrected(*kind, 512, 64, 16, backward);
      INFO(wide.label);
      CHECK(Near(2 * narrow.bytes_in, wide.bytes_in));
      CHECK(Near(2 * narrow.bytes_out, wide.bytes_out));
      CHECK(narrow.work.integer_bytes == wide.work.integer_bytes);
      CHECK(narrow.num_ops == wide.num_ops);
    }
  }
}

TEST_CASE("A composite's work is the sum of its leaves', fused or not, forward and backward") {
  int composites = 0;
  for (const auto& kind : BuiltinOperators().operators()) {
    for (const bool backward : Directions(kind->info())) {
      for (const bool fused : {true, false}) {
        ParameterMap parameters;
        if (kind->info().op_type == "HashEncoding") parameters["fused"] = fused;
        const OperatorNode node = Corrected(*kind, 4096, 64, 16, backward, parameters);
        if (node.parts.empty()) continue;
        ++composites;
        WorkCount sum;
        for (const OperatorNode& part : node.parts) sum += part.work;
        INFO(node.label);
        for (const WorkCount::Counter& counter : WorkCount::Counters()) {
          CHECK(Near(sum.*counter.field, node.work.*counter.field));
        }
      }
    }
  }
  CHECK(composites == 8);
}

TEST_CASE("Backward FLOP over forward FLOP lies within the bounds of its operator") {
  int checked = 0;
  for (const auto& kind : BuiltinOperators().operators()) {
    const OperatorInfo& info = kind->info();
    if (info.backward != BackwardRule::kAdjoint) continue;
    std::vector<ParameterMap> variants = {{}};
    for (const ParameterSpec& spec : info.parameters) {
      if (spec.type == ParameterSpec::Type::kBool) {
        variants.push_back({{spec.name, true}});
        variants.push_back({{spec.name, false}});
      }
      for (const std::string& choice : spec.choices) variants.push_back({{spec.name, choice}});
      if (spec.type == ParameterSpec::Type::kInteger && spec.greatest > 16 && spec.least <= 1) {
        variants.push_back({{spec.name, std::int64_t{1}}});
      }
      if (spec.name == "active_ratio") variants.push_back({{spec.name, 0.01}});
    }
    for (const ParameterMap& variant : variants) {
      if (variant.count("min_res") + variant.count("max_res") > 0) continue;
      for (const int samples : {1, 64}) {
        const Count forward = Corrected(*kind, 4096, samples, 16, false, variant).work.Flops();
        const Count backward = Corrected(*kind, 4096, samples, 16, true, variant).work.Flops();
        INFO(info.op_type << " "
                          << (variant.empty() ? "" : variant.begin()->first + "=" + ToString(variant.begin()->second))
                          << ": " << forward.ToString() << " forward, " << backward.ToString() << " backward");
        CHECK(backward.real() >= info.backward_ratio_low * forward.real() * (1 - 1e-12));
        if (forward == 0) {
          // The adjoint of moving values is moving or adding them: there is nothing to be a multiple of.
          CHECK((backward == 0 || info.backward_ratio_low == 0));
        } else {
          CHECK(backward.real() <= info.backward_ratio_high * forward.real() * (1 + 1e-12));
        }
        ++checked;
      }
    }
  }
  CHECK(checked > 50);
}

TEST_CASE("Work is never below zero, and every operator with work names a formula") {
  for (const auto& kind : BuiltinOperators().operators()) {
    for (const bool backward : Directions(kind->info())) {
      const OperatorNode node = Corrected(*kind, 4096, 64, 16, backward);
      INFO(node.label);
      for (const WorkCount::Counter& counter : WorkCount::Counters()) CHECK((node.work.*counter.field).real() >= 0);
      CHECK(node.num_ops.real() + node.work.TrafficBytes().real() > 0);
      REQUIRE_FALSE(node.formulas.empty());
      for (const Formula& formula : node.formulas) {
        CHECK_FALSE(formula.id.empty());
        CHECK_FALSE(formula.text.empty());
      }
    }
  }
}

TEST_CASE("Half of the samples active is half of an operator's work per sample") {
  for (const auto& kind : BuiltinOperators().operators()) {
    bool has_ratio = false;
    for (const ParameterSpec& spec : kind->info().parameters) has_ratio = has_ratio || spec.name == "active_ratio";
    if (!has_ratio) continue;
    const OperatorNode all = Corrected(*kind, 4096, 64);
    const OperatorNode half = Corrected(*kind, 4096, 64, 16, false, {{"active_ratio", 0.5}});
    INFO(all.label);
    CHECK(half.num_ops.real() <= all.num_ops.real());
    CHECK(half.work.TrafficBytes().real() <= all.work.TrafficBytes().real());
  }
}

TEST_CASE("An MLP of S·sum(in·out) fused multiply-adds costs twice that backward, plus the bias gradients") {
  const ParameterMap layers = {{"in_dim", std::int64_t{32}},
                               {"num_layers", std::int64_t{3}},
                               {"layer_width", std::int64_t{64}},
                               {"out_dim", std::int64_t{4}}};
  const Count samples = 262'144, products = 6400;
  const OperatorNode forward = Corrected("MLP", 4096, 64, 16, false, layers);
  CHECK(forward.work.fma == samples * products);
  CHECK(forward.work.compare == samples * 128);
  CHECK(forward.work.stream_read_bytes == samples * 32 * 2);
  CHECK(forward.work.stream_write_bytes == samples * 4 * 2);
  CHECK(forward.work.parameter_read_bytes == 6532 * 2);
  const OperatorNode backward = Corrected("MLP", 4096, 64, 16, true, layers);
  CHECK(backward.work.fma == 2 * samples * products);
  CHECK(backward.work.add == samples * 132);
  CHECK(backward.work.parameter_write_bytes == 6532 * 2);
  ParameterMap inputs_fixed = layers;
  inputs_fixed["input_gradient"] = false;
  CHECK(Corrected("MLP", 4096, 64, 16, true, inputs_fixed).work.fma == samples * (2 * products - 32 * 64));
}

TEST_CASE("A fused MLP moves inputs, outputs and parameters once; unfused, hidden activations go out and in as well") {
  const OperatorNode fused = Corrected("MLP", 4096, 64);
  const OperatorNode apart = Corrected("MLP", 4096, 64, 16, false, {{"fused", false}});
  // Two hidden layers of 32: written and read, 2 bytes each.
  CHECK(apart.work.TrafficBytes() - fused.work.TrafficBytes() == 262'144 * 2 * 32 * 2 * 2);
}

TEST_CASE("The default hash grid has six dense levels and gathers 8 corners of 16 levels of 2 features") {
  // floor(16·1.3195^l) = 16, 21, 27, 36, 48, 64, then 84 with 85^3 > 2^19.
  Count entries = 10 * Count(std::int64_t{1} << 19);
  for (const std::int64_t resolution : {16, 21, 27, 36, 48, 64}) {
    entries += (resolution + 1) * (resolution + 1) * (resolution + 1);
  }
  const OperatorNode node = Corrected("HashEncoding", 4096, 64);
  CHECK(node.input_w == entries * 2);
  CHECK(node.work.gather_bytes == 262'144 * 8 * 16 * 2 * 2);
  // One sample touches 8 entries of every level.
  CHECK(Corrected("HashLookup", 1, 1, 16, false, {{"fused", true}}).work.footprint_bytes == 8 * 16 * 2 * 2);
  // So many that all are touched.
  CHECK(Corrected("HashLookup", 1'000'000, 64, 16, false, {{"fused", true}}).work.footprint_bytes == entries * 2 * 2);
}

TEST_CASE("The hash table's gradient scatters what its lookup gathers, with collisions once entries repeat") {
  const OperatorNode forward = Corrected("HashLookup", 4096, 64);
  const OperatorNode backward = Corrected("HashLookup", 4096, 64, 16, true);
  CHECK(backward.work.scatter_bytes == forward.work.gather_bytes);
  CHECK(backward.work.add == 262'144 * 8 * 16 * 2);
  CHECK(backward.collision_factor > 1);
  CHECK(Corrected("HashLookup", 1, 1, 16, true).collision_factor == 1);
}

TEST_CASE("Reuse only drops accesses: none > along a ray > in sorted order") {
  const auto bytes = [](const char* reuse) {
    return Corrected("HashEncoding", 4096, 64, 16, false, {{"reuse", std::string(reuse)}}).work.gather_bytes.real();
  };
  CHECK(bytes("none") > bytes("ray"));
  CHECK(bytes("ray") > bytes("ordered"));
}

TEST_CASE("Compositing is one exponential, two products, one difference and three multiply-adds per active sample") {
  const OperatorNode node = Corrected("RGBRenderer", 10, 100, 32, false, {{"active_ratio", 0.25}});
  CHECK(node.work.special == 250);
  CHECK(node.work.mul == 500);
  CHECK(node.work.add == 250);
  CHECK(node.work.fma == 3 * 250 + 3 * 10);
}

TEST_CASE("A positional encoding of f octaves is 3(1 + 2f) wide") {
  const OperatorNode node = Corrected("PositionalEncoding", 1, 1, 16, false, {{"frequencies", std::int64_t{10}}});
  CHECK(node.output == 63);
  CHECK(node.work.special == 60);
}

TEST_CASE("Splats as large as a tile touch four tiles on average") {
  const OperatorNode node = Corrected("AABBIntersection", 1000, 1);
  CHECK(node.output == 4000);
}

TEST_CASE("A radix sort moves keys and payloads once per eight key bits") {
  const OperatorNode node =
      Corrected("Sorting", 1000, 1, 16, false, {{"key_bits", std::int64_t{32}}, {"payload", std::int64_t{0}}});
  CHECK(node.work.integer_bytes == 1000 * 4 * (3 * 4 + 2 * 4));
  CHECK(node.work.integer == 1000 * 4 * 4);
}

TEST_CASE("A quantity past 2^63 is an error that names operator and quantity, in both modes") {
  OperatorRequest request;
  request.rays = std::int64_t{1} << 62;
  request.samples = 64;
  const auto sizes = Evaluate(BuiltinOperators(), "RGBRenderer", request, Mode::kReference);
  CHECK(sizes.status().code() == absl::StatusCode::kOutOfRange);
  CHECK(sizes.status().message() ==
        "RGBRenderer.rays · samples = overflow: exceeds 2^63 - 1; fewer rays, samples or Gaussians, or smaller "
        "parameters");
  request.rays = std::int64_t{1} << 50;
  request.samples = 1;
  request.parameters = {
      {"in_dim", std::int64_t{1} << 20}, {"num_layers", std::int64_t{2}}, {"layer_width", std::int64_t{1} << 20}};
  for (const Mode mode : {Mode::kReference, Mode::kCorrected}) {
    const auto node = Evaluate(BuiltinOperators(), "MLP", request, mode);
    REQUIRE(node.status().code() == absl::StatusCode::kOutOfRange);
    CHECK(std::string(node.status().message()).rfind("MLP.", 0) == 0);
  }
}

TEST_CASE("No operator crashes or wraps at sizes near the limit") {
  for (const auto& kind : BuiltinOperators().operators()) {
    for (const std::int64_t rays :
         {std::int64_t{1} << 40, std::int64_t{1} << 58, std::int64_t{9'223'372'036'854'775'807}}) {
      OperatorRequest request;
      request.rays = rays;
      request.samples = 3;
      request.parameters = RequiredOf(kind->info());
      for (const Mode mode : {Mode::kReference, Mode::kCorrected}) {
        const auto node = Evaluate(*kind, request, mode);
        if (!node.ok()) continue;
        INFO(node->label);
        for (const Count& count :
             {node->input_a, node->input_w, node->output, node->num_ops, node->bytes_in, node->bytes_out}) {
          CHECK(count.valid());
          CHECK(count.real() >= 0);
        }
      }
    }
  }
}

}  // namespace dvren::analysis
