// Graphs: a captured step of training replayed gives the bits of the same ops run one by one. On a GPU alone: the host
// executor captures nothing.
#include <catch2/catch.hpp>
#include <vector>

#include "backends/cuda/launch_counts.h"
#include "support/hp_fixture.h"
#include "support/hp_gradients.h"

namespace dvren::test {
namespace {

// A field with all that a step of training needs.
struct Run {
  explicit Run(const HpContext& context) : stream(context.stream()) {
    DenseGrid grid;
    grid.nz = 12, grid.ny = 11, grid.nx = 13, grid.channels = 4;
    grid.activation = HP_ACTIVATION_SOFTPLUS;
    TestRandom random(3);
    for (int i = 0; i < 12 * 11 * 13 * 4; ++i) grid.values.push_back(static_cast<float>(random.Uniform(-1, 1)));
    field = MakeField(context, grid);
    gradient = std::make_unique<HpGradient>(context, field);
    HpCheck(hp_moments_create(stream, field.get(), HP_UPDATE_ADAM, &moments));
    plan = MakePlan(context, PlanDesc(&camera, 0.04));
    image = HpImage<float>(21, 33);
    view = image.View();
    adjoint = HpAdjoint<float>::Random(21, 33, kOfRgb, 4);
    HP_INIT(update);
    update.rule = HP_UPDATE_ADAM;
    update.step = 1;
    update.beta1 = 0.9;
    update.beta2 = 0.99;
    update.epsilon = 1e-8;
    update.sparse = 1;
    for (double& rate : update.rates) rate = 0.01;
  }
  ~Run() { hp_moments_destroy(moments); }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  void Step() {
    const hp_instance instance = InstanceOf(field);
    HpCheck(
        hp_samp_int_fused(stream, plan.get(), &instance, 1, nullptr, {0, 0, 33, 21}, &view, NoTensor(), NoWorkspace()));
    HpCheck(hp_gradient_zero(stream, gradient->get(), kFineExponent));
    hp_grads_t g = NoGradients();
    adjoint.Fill(g);
    g.wanted = kWantScene | kWantCamera;
    g.sums = sums.Tensor();
    g.values = gradient->get();
    HpCheck(hp_samp_int_fused_backward(stream, plan.get(), &instance, 1, nullptr, {0, 0, 33, 21}, &view, &g, NoTensor(),
                                       NoWorkspace()));
    HpCheck(hp_update_field(stream, field.get(), gradient->get(), moments, &update, nullptr));
  }
  std::vector<float> Values() {
    std::vector<float> values(12 * 11 * 13 * 4);
    const hp_tensor t = TensorOf(values.data(), {12, 11, 13, 4});
    HpCheck(hp_field_read_values(stream, field.get(), &t));
    return values;
  }

  hp_stream* stream;
  hp_camera camera = PinholeCamera(33, 21, 30, LookAt({0.4, 0.5, -1.5}, {0.5, 0.5, 0.5}));
  HpField field{nullptr, hp_field_destroy};
  std::unique_ptr<HpGradient> gradient;
  hp_moments* moments = nullptr;
  HpPlan plan{nullptr, hp_plan_destroy};
  HpImage<float> image;
  hp_img_t view = {};
  HpAdjoint<float> adjoint;
  HpSums sums;
  hp_update_desc update = {};
};

}  // namespace

TEST_CASE("AReplayedStepIsTheStepToTheBit", "[graph]") {
  const HpContext context(kCuda);
  // (On the heap: the device writes to both.)
  const auto plain = std::make_unique<Run>(context), replayed = std::make_unique<Run>(context);
  constexpr int kSteps = 5;
  for (int i = 0; i < kSteps; ++i) plain->Step();
  hp_graph* graph = nullptr;
  HpCheck(hp_graph_begin_capture(context.stream()));
  replayed->Step();
  HpCheck(hp_graph_end_capture(context.stream(), &graph));
  const auto before = hp::cuda::LaunchCounts()["graph"];
  for (int i = 0; i < kSteps; ++i) HpCheck(hp_graph_launch(graph, context.stream()));
  HpCheck(hp_stream_synchronize(context.stream()));
  CHECK(hp::cuda::LaunchCounts()["graph"] == before + kSteps);
  CHECK(plain->Values() == replayed->Values());
  CHECK(Difference(plain->image, replayed->image) == "");
  CHECK(plain->sums.bits == replayed->sums.bits);
  // Captured again into the same graph: the step is another one.
  plain->update.step = replayed->update.step = kSteps + 1;
  HpCheck(hp_graph_begin_capture(context.stream()));
  replayed->Step();
  HpCheck(hp_graph_end_capture(context.stream(), &graph));
  HpCheck(hp_graph_launch(graph, context.stream()));
  HpCheck(hp_stream_synchronize(context.stream()));
  plain->Step();
  CHECK(plain->Values() == replayed->Values());
  CHECK_FALSE(replayed->gradient->Info().overflowed);
  hp_graph_destroy(graph);
}

}  // namespace dvren::test
