// What tests of refusals share: a call that is right but for one thing, a world in which it is right, and the refusals
// that ops have in common.
#pragma once

#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "support/hp_fixture.h"

namespace dvren::test {

inline const double kInf = std::numeric_limits<double>::infinity();
inline const double kNan = std::numeric_limits<double>::quiet_NaN();

// A call that is right but for one thing.
template <class Call>
struct Refusal {
  const char* what;
  std::function<void(Call&)> spoil;
  std::vector<std::string> says;  // all of these are in the message
  hp_status status = HP_STATUS_INVALID_ARGUMENT;
};

template <class Call, class Make>
void CheckRefusals(const std::vector<Refusal<Call>>& refusals, Make make) {
  {
    auto call = make();
    const hp_status status = call.Run();
    INFO(hp_last_error());
    REQUIRE(status == HP_STATUS_OK);  // or the refusals below prove nothing
    CHECK(std::string(hp_last_error()).empty());
  }
  for (const auto& refusal : refusals) {
    auto call = make();
    refusal.spoil(call);
    const hp_status status = call.Run();
    const std::string message = hp_last_error();
    INFO(refusal.what << ": " << hp_status_name(status) << ": " << message);
    CHECK(status == refusal.status);
    for (const std::string& text : refusal.says) CHECK(message.find(text) != std::string::npos);
    CHECK(call.Untouched());
  }
}

// What every stage needs; the outputs are NaN, or -1, until somebody writes them.
struct World {
  HpContext context{HP_ISA_AUTO, 1}, other{HP_ISA_AUTO, 1};
  hp_camera camera = PinholeCamera(4, 3, 5, LookAt({0.5, 0.5, -2}, {0.5, 0.5, 0.5}));
  HpPlan plan = MakePlan(context, PlanDesc(&camera, 0.25)), no_camera = MakePlan(context, PlanDesc(nullptr, 0.25)),
         stranger = MakePlan(other, PlanDesc(&camera, 0.25));
  HpField field = MakeField(context, UniformGrid(1)), foreign = MakeField(other, UniformGrid(1)), clamped = Clamped();
  double knots[2] = {0, 1}, knot_rgb[6] = {0, 0, 0, 1, 1, 1};

  HpField Clamped() {
    DenseGrid grid = UniformGrid(1);
    grid.border = HP_BORDER_CLAMP;
    return MakeField(context, grid);
  }
};

inline World& TheWorld() {
  static World world;
  return world;
}

inline bool AllNan(const std::vector<float>& v) {
  for (float x : v) {
    if (!std::isnan(x)) return false;
  }
  return true;
}

struct StageCall {
  hp_stream* stream = TheWorld().context.stream();
  const hp_plan* plan = TheWorld().plan.get();
  HpCounters counter_values{};
  hp_tensor counters = TensorOf(counter_values.data(), {HP_COUNTER_COUNT});
  StageCall() = default;
  StageCall(const StageCall&) = delete;
  [[nodiscard]] bool CountersUntouched() const { return counter_values == HpCounters{}; }
};

inline HpRays<float> SomeRays() {
  HpRays<float> rays;
  for (int i = 0; i < 5; ++i) rays.Add({0.1 + 0.2 * i, 0.5, -1}, {0, 0, 1}, 0, 3);
  return rays;
}

// Refusals that every stage shares.
template <class Call>
std::vector<Refusal<Call>> CommonRefusals() {
  return {
      {"no stream", [](Call& c) { c.stream = nullptr; }, {"stream = NULL", "required"}},
      {"no plan", [](Call& c) { c.plan = nullptr; }, {"plan = NULL", "required"}},
      {"a plan of another context", [](Call& c) { c.plan = TheWorld().stranger.get(); }, {"plan", "another context"}},
  };
}
template <class Call>
std::vector<Refusal<Call>> CounterRefusals() {
  return {
      {"counters not i64", [](Call& c) { c.counters.dtype = HP_DTYPE_I32; }, {"counters.dtype = 5", "must be 6"}},
      {"counters too few", [](Call& c) { c.counters.shape[0] = 7; }, {"counters.shape[0] = 7", "must be 8"}},
      {"counters of rank 2", [](Call& c) { c.counters.rank = 2; }, {"counters.rank = 2", "must be 1"}},
      {"counters with gaps", [](Call& c) { c.counters.strides[0] = 2; }, {"counters.strides[0] = 2", "must be 1"}},
      {"counters not initialised",
       [](Call& c) { c.counters.struct_size = 1; },
       {"counters.struct_size = 1", "HP_INIT"}},
  };
}
template <class Call>
std::vector<Refusal<Call>> InstanceRefusals() {
  return {
      {"no instance", [](Call& c) { c.instances = nullptr; }, {"instances", "at least one"}},
      {"zero instances", [](Call& c) { c.instance_count = 0; }, {"instances", "at least one"}},
      {"several instances",
       [](Call& c) { c.instance_count = 2; },
       {"instances = 2", "pass one"},
       HP_STATUS_NOT_IMPLEMENTED},
      {"instance not initialised",
       [](Call& c) { c.instance.struct_size = 3; },
       {"instances[0].struct_size = 3", "HP_INIT"}},
      {"no field", [](Call& c) { c.instance.field = nullptr; }, {"instances[0].field = NULL", "required"}},
      {"a field of another context",
       [](Call& c) { c.instance.field = TheWorld().foreign.get(); },
       {"instances[0].field", "another context"}},
      {"negative scale",
       [](Call& c) { c.instance.sigma_scale = -2; },
       {"instances[0].sigma_scale = -2", "must be finite and >= 0"}},
      {"NaN scale",
       [](Call& c) { c.instance.sigma_scale = kNan; },
       {"instances[0].sigma_scale = nan", "must be finite"}},
      {"endless scale",
       [](Call& c) { c.instance.sigma_scale = kInf; },
       {"instances[0].sigma_scale = inf", "must be finite"}},
      {"singular placement",
       [](Call& c) { c.instance.object_to_world.m[5] = 0; },
       {"instances[0].object_to_world", "singular"}},
      {"NaN placement",
       [](Call& c) { c.instance.object_to_world.m[3] = kNan; },
       {"instances[0].object_to_world", "finite"}},
      {"NaN colour", [](Call& c) { c.instance.color[2] = kNan; }, {"instances[0].color[2] = nan", "must be finite"}},
      {"negative knot count",
       [](Call& c) { c.instance.knot_count = -1; },
       {"instances[0].knot_count = -1", "0 to 256"}},
      {"too many knots", [](Call& c) { c.instance.knot_count = 257; }, {"instances[0].knot_count = 257", "0 to 256"}},
      {"knots without values", [](Call& c) { c.instance.knot_count = 2; }, {"knot_density", "NULL", "required"}},
      {"knots that do not ascend",
       [](Call& c) {
         static const double same[2] = {0.25, 0.25};
         c.instance.knot_count = 2;
         c.instance.knot_density = same;
         c.instance.knot_rgb = TheWorld().knot_rgb;
       },
       {"instances[0].knot_density[1] = 0.25", "larger than the one before"}},
      {"a knot at infinity",
       [](Call& c) {
         static const double endless[2] = {0, kInf};
         c.instance.knot_count = 2;
         c.instance.knot_density = endless;
         c.instance.knot_rgb = TheWorld().knot_rgb;
       },
       {"instances[0].knot_density[1] = inf", "must be finite"}},
      {"a knot of no colour",
       [](Call& c) {
         static const double rgb[6] = {0, 0, 0, 1, kNan, 1};
         c.instance.knot_count = 2;
         c.instance.knot_density = TheWorld().knots;
         c.instance.knot_rgb = rgb;
       },
       {"instances[0].knot_rgb[4] = nan", "must be finite"}},
  };
}
template <class Call>
std::vector<Refusal<Call>> RayRefusals() {
  return {
      {"rays not initialised", [](Call& c) { c.rays.struct_size = 9; }, {"rays.struct_size = 9", "HP_INIT"}},
      {"no rays", [](Call& c) { c.rays.origins.shape[0] = 0; }, {"rays.origins.shape[0] = 0", "must be 1 to"}},
      {"more rays than an index holds",
       [](Call& c) { c.rays.origins.shape[0] = std::int64_t{1} << 31; },
       {"rays.origins.shape[0] = 2147483648", "must be 1 to"}},
      {"origins of rank 1", [](Call& c) { c.rays.origins.rank = 1; }, {"rays.origins", "must be"}},
      {"origins of 4 components",
       [](Call& c) { c.rays.origins.shape[1] = 4; },
       {"rays.origins.shape[1] = 4", "must be 3"}},
      {"origins in f64", [](Call& c) { c.rays.origins.dtype = HP_DTYPE_F64; }, {"rays.origins.dtype = 2", "must be 1"}},
      {"no directions", [](Call& c) { c.rays.directions.data = nullptr; }, {"rays.directions.data = NULL", "required"}},
      {"fewer directions", [](Call& c) { c.rays.directions.shape[0] -= 1; }, {"rays.directions.shape[0]", "must be"}},
      {"t_near of rank 2", [](Call& c) { c.rays.t_near.rank = 2; }, {"rays.t_near.rank = 2", "must be 1"}},
      {"t_far not initialised",
       [](Call& c) { c.rays.t_far.struct_size = 0; },
       {"rays.t_far.struct_size = 0", "HP_INIT"}},
      {"ids in f32", [](Call& c) { c.rays.ids = c.rays.t_near; }, {"rays.ids.dtype = 1", "must be 6"}},
  };
}
template <class Call>
std::vector<Refusal<Call>> Together(std::initializer_list<std::vector<Refusal<Call>>> lists) {
  std::vector<Refusal<Call>> all;
  for (const auto& list : lists) all.insert(all.end(), list.begin(), list.end());
  return all;
}

}  // namespace dvren::test
