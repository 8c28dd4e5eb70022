// The same bits whatever the calling thread has set up, and whoever else renders on the same context.
#include <atomic>
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "conformance/field_examples.h"
#include "support/hp_fixture.h"

namespace dvren::test {
namespace {

// Densities and colours so small that flushing denormals shows.
DenseGrid FaintGrid() {
  DenseGrid grid;
  grid.nz = 5, grid.ny = 4, grid.nx = 3, grid.channels = 4;
  TestRandom random(301);
  for (int i = 0; i < 60; ++i) {
    for (int c = 0; c < 3; ++c) grid.values.push_back(static_cast<float>(random.LogUniform(1e-44, 1e-36)));
    grid.values.push_back(static_cast<float>(random.LogUniform(1e-43, 1e-2)));
  }
  return grid;
}

#if defined(__x86_64__)
// A picture of the faint grid. Everything that the caller computes is made before, and only the library's calls run
// with `mxcsr`.
template <class Real>
HpImage<Real> Picture(hp_isa isa, int threads, unsigned mxcsr) {
  const DenseGrid grid = FaintGrid();
  const hp_grid_desc grid_desc = grid.Desc();
  hp_camera camera = PinholeCamera(31, 22, 25, LookAt({0.3, 0.2, -2}, {0.2, 0.3, 1}));
  camera.distortion[0] = -0.1;
  hp_plan_desc desc = PlanDesc(&camera, 0.017);
  desc.precision = PrecisionOf<Real>();
  hp_instance instance = InstanceOf(static_cast<const hp_field*>(nullptr));
  instance.object_to_world = {{0.6, -0.8, 0.1, 0.3, 0.8, 0.6, 0, -0.2, 0, 0.3, 1.1, 0.7}};
  HpImage<Real> image(22, 31);
  const hp_img_t view = image.View();

  const unsigned before = _mm_getcsr();
  _mm_setcsr(mxcsr);
  {
    const HpContext context(isa, threads);
    hp_field* made = nullptr;
    hp_plan* plan = nullptr;
    HpCheck(hp_field_create_grid_color(context.stream(), &grid_desc, &made));
    const HpField field(made, hp_field_destroy);
    HpCheck(hp_plan_create(context.ctx(), &desc, &plan));
    const HpPlan owned(plan, hp_plan_destroy);
    instance.field = made;
    HpCheck(hp_samp_int_fused(context.stream(), plan, &instance, 1, nullptr, {0, 0, 31, 22}, &view,
                              image.CounterTensor(), NoWorkspace()));
  }
  _mm_setcsr(before);
  return image;
}
#endif

}  // namespace

#if defined(__x86_64__)
TEST_CASE("FlushedDenormalsInTheCallerChangeNoBit", "[environment]") {
  const unsigned plain = 0x1f80u;
  for (hp_isa isa : AvailableIsas()) {
    for (int threads : {1, 3}) {
      const HpImage<float> reference = Picture<float>(isa, threads, plain);
      INFO(IsaName(isa) << " x" << threads);
      CHECK(Difference(reference, Picture<float>(isa, threads, plain | 0x8040u)) == "");  // FTZ and DAZ
      int denormal = 0;
      for (float v : reference.rgb) denormal += v > 0 && v < std::numeric_limits<float>::min();
      CHECK(denormal > 0);  // or nothing could have been flushed
    }
  }
}

TEST_CASE("RoundingOfTheCallerChangesNoBit", "[environment]") {
  const unsigned plain = 0x1f80u;
  for (unsigned rounding : {0x2000u, 0x4000u, 0x6000u}) {
    INFO("rounding " << rounding);
    CHECK(Difference(Picture<float>(HP_ISA_AUTO, 2, plain), Picture<float>(HP_ISA_AUTO, 2, plain | rounding)) == "");
  }
}

TEST_CASE("RoundingOfTheCallerChangesNoBitInDoublePrecision", "[environment]") {
  const unsigned plain = 0x1f80u;
  for (unsigned rounding : {0x2000u, 0x4000u, 0x6000u}) {
    INFO("rounding " << rounding);
    CHECK(Difference(Picture<double>(HP_ISA_AUTO, 2, plain), Picture<double>(HP_ISA_AUTO, 2, plain | rounding)) == "");
  }
}
#endif

TEST_CASE("CallersOnOneContextDoNotDisturbEachOther", "[environment]") {
  const HpContext context(HP_ISA_AUTO, 3);
  const std::vector<FieldExample> examples = FieldExamples();
  struct Work {
    HpField field;
    hp_instance instance;
    hp_camera camera;
    HpPlan plan{nullptr, hp_plan_destroy};
    HpImage<float> expected;
  };
  std::vector<std::unique_ptr<Work>> works;
  for (std::size_t n = 0; n < examples.size(); n += 3) {
    auto work = std::make_unique<Work>(Work{examples[n].make(context), {}, {}, {nullptr, hp_plan_destroy}, {}});
    work->instance = examples[n].Place(work->field);
    work->camera = PinholeCamera(
        45, 33, 40, LookAt(examples[n].centre + Vec3{0, 0.3, -2.5 * examples[n].radius}, examples[n].centre));
    work->camera.t_far = 6 * examples[n].radius;
    work->plan = MakePlan(context, PlanDesc(&work->camera, 0.4 * examples[n].voxel));
    work->expected = RenderFused<float>(context, work->plan, work->instance, {0, 0, 45, 33});
    works.push_back(std::move(work));
  }
  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (std::size_t caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&, caller] {
      hp_stream* stream = nullptr;
      if (hp_stream_create(context.ctx(), &stream) != HP_STATUS_OK) ++wrong;
      for (std::size_t round = 0; round < 12; ++round) {
        Work& work = *works[(caller + round) % works.size()];
        const auto image = std::make_unique<HpImage<float>>(33, 45);  // its counters are for the device to reach
        const hp_img_t view = image->View();
        if (hp_samp_int_fused(stream, work.plan.get(), &work.instance, 1, nullptr, {0, 0, 45, 33}, &view,
                              image->CounterTensor(), NoWorkspace()) != HP_STATUS_OK) {
          ++wrong;
        }
        wrong += !Difference(work.expected, *image).empty();
        wrong += image->counters != work.expected.counters;
      }
      hp_stream_destroy(stream);
    });
  }
  for (auto& caller : callers) caller.join();
  CHECK(wrong == 0);
}

}  // namespace dvren::test
