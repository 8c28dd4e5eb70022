// Gradients whose answers are known from mathematics, and how gradients are kept: quantum, range, zero, blocks.
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "support/hp_fixture.h"
#include "support/hp_gradients.h"

namespace dvren::test {
namespace {

const HpContext& Context() {
  static const HpContext context(HP_ISA_AUTO, 1);
  return context;
}

// A column of voxels along z over [0, 1]^3, one value each.
DenseGrid Column(std::vector<float> sigma, hp_interp interp) {
  DenseGrid grid;
  grid.nz = static_cast<std::int64_t>(sigma.size());
  grid.values = std::move(sigma);
  grid.interp = interp;
  return grid;
}

HpRays<double> AlongZ(double from = -1, double t_near = 0, double t_far = std::numeric_limits<double>::infinity()) {
  HpRays<double> rays;
  rays.Add({0.5, 0.5, from}, {0, 0, 1}, t_near, t_far);
  return rays;
}

// dL/d(image) = 1 for the outputs asked for.
HpBackward<double> Backward(const HpField& field, const hp_plan_desc& desc, const HpRays<double>& rays, unsigned inputs,
                            const hp_instance* look = nullptr, std::int32_t exponent = kFineExponent) {
  hp_plan_desc d = desc;
  d.precision = HP_PRECISION_F64;
  const HpAdjoint<double> adjoint(1, static_cast<int>(rays.size()), inputs, 1);
  return BackwardRays<double>(Context(), MakePlan(Context(), d), look ? *look : InstanceOf(field), rays, adjoint,
                              exponent);
}

}  // namespace

TEST_CASE("OpacityOfASlabHasTheSlopeLExpMinusSigmaL", "[gradient]") {
  for (double sigma : {1e-3, 0.1, 1.0, 5.0, 30.0}) {
    for (double dt : {2.0, 0.3, 0.01}) {
      const HpField field = MakeField(Context(), UniformGrid(static_cast<float>(sigma)));
      const double s = static_cast<double>(static_cast<float>(sigma));
      const HpBackward<double> g = Backward(field, PlanDesc(nullptr, dt), AlongZ(), kOfOpacity);
      INFO("sigma " << sigma << ", dt " << dt);
      CHECK(g.values[0] == Approx(std::exp(-s)).epsilon(1e-10).margin(1e-11));
      CHECK(g.sums[HP_SUM_SIGMA_SCALE] == Approx(s * std::exp(-s)).epsilon(1e-10).margin(1e-11));
      CHECK(std::fabs(g.sums[HP_SUM_DT]) < 1e-9);  // a homogeneous slab is integrated exactly, whatever the step
      const HpBackward<double> t = Backward(field, PlanDesc(nullptr, dt), AlongZ(), kOfTransmittance);
      CHECK(t.values[0] == Approx(-std::exp(-s)).epsilon(1e-10).margin(1e-11));
    }
  }
}

TEST_CASE("SlabEndsHaveTheSlopeOfTheirLength", "[gradient]") {
  const double s = 1.5;
  const HpField field = MakeField(Context(), UniformGrid(static_cast<float>(s)));
  // Cut by t_near and t_far inside the slab: opacity = 1 - exp(-s (t_far - t_near)).
  const HpBackward<double> cut = Backward(field, PlanDesc(nullptr, 0.07), AlongZ(-1, 1.21, 1.83), kOfOpacity);
  const double slope = s * std::exp(-s * 0.62);
  CHECK(cut.rays.t_near[0] == Approx(-slope).epsilon(1e-10));
  CHECK(cut.rays.t_far[0] == Approx(slope).epsilon(1e-10));
  CHECK(cut.rays.origins[2] == Approx(0).margin(1e-12));  // the same medium everywhere
  // From a start inside to the face: moving the start towards it shortens the way.
  const HpBackward<double> face = Backward(field, PlanDesc(nullptr, 0.07), AlongZ(0.4, 0), kOfOpacity);
  CHECK(face.rays.origins[2] == Approx(-s * std::exp(-s * 0.6)).epsilon(1e-10));
  CHECK(face.rays.origins[0] == 0);
  CHECK(face.rays.t_near[0] == Approx(-s * std::exp(-s * 0.6)).epsilon(1e-10));
  CHECK(face.rays.t_far[0] == 0);
  // The chord is 1/d_z: d(1/d_z)/d d_z = -1 at both faces together, -0.6 for what is left from 0.4.
  CHECK(face.rays.directions[2] == Approx(-0.6 * s * std::exp(-s * 0.6)).epsilon(1e-10));
  // Through and through: moving along the ray changes nothing.
  const HpBackward<double> through = Backward(field, PlanDesc(nullptr, 0.07), AlongZ(), kOfOpacity);
  CHECK(through.rays.origins[2] == Approx(0).margin(1e-12));
  CHECK(through.rays.t_near[0] == Approx(0).margin(1e-12));
}

TEST_CASE("EndsThatFallOnTheLatticeMoveWithTheBox", "[gradient]") {
  // Faces and t_far at whole multiples of the step (a power of two: no rounding hides it), and beside them.
  const double s = 2;
  const HpField field = MakeField(Context(), UniformGrid(static_cast<float>(s)));
  for (double off : {0.0, 0.013}) {
    const HpBackward<double> to_face = Backward(field, PlanDesc(nullptr, 0.0625), AlongZ(0.25 + off), kOfOpacity);
    const double left = 0.75 - off, slope = s * std::exp(-s * left);
    INFO("off the lattice by " << off);
    CHECK(to_face.rays.origins[2] == Approx(-slope).epsilon(1e-10));
    CHECK(to_face.sums[HP_SUM_DT] == Approx(0).margin(1e-10));
    const HpBackward<double> to_far = Backward(field, PlanDesc(nullptr, 0.0625), AlongZ(-1, 0, 1.5 + off), kOfOpacity);
    CHECK(to_far.rays.t_far[0] == Approx(s * std::exp(-s * (0.5 + off))).epsilon(1e-10));
    CHECK(to_far.rays.origins[2] == Approx(s * std::exp(-s * (0.5 + off))).epsilon(1e-10));
    CHECK(to_far.rays.t_near[0] == Approx(0).margin(1e-10));
    CHECK(to_far.sums[HP_SUM_DT] == Approx(0).margin(1e-10));
  }
}

TEST_CASE("DepthOfASlabHasTheSlopeOfItsFormula", "[gradient]") {
  // depth(s) = (1 + 1/s) - exp(-s) (2 + 1/s);  d/ds = -1/s^2 + exp(-s) (2 + 1/s) + exp(-s)/s^2.
  const double s = 3;
  const HpField field = MakeField(Context(), UniformGrid(3));
  const HpBackward<double> g = Backward(field, PlanDesc(nullptr, 1e-4), AlongZ(), kOfDepth);
  const double exact = -1 / (s * s) + std::exp(-s) * (2 + 1 / s + 1 / (s * s));
  CHECK(g.values[0] == Approx(exact).epsilon(1e-7));
  // Further away by h, every place is further by h: d depth / d origin_z = -opacity.
  CHECK(g.rays.origins[2] == Approx(-(1 - std::exp(-s))).epsilon(1e-7));
}

TEST_CASE("BackgroundReceivesWhatPasses", "[gradient]") {
  const HpField field = MakeField(Context(), UniformGrid(2));
  hp_plan_desc desc = PlanDesc(nullptr, 0.1);
  desc.background[1] = 0.75;
  HpRays<double> rays = AlongZ();
  rays.Add({0.5, 0.5, -1}, {0, 0, -1});   // misses
  rays.Add({0.5, 0.5, 0.75}, {0, 0, 1});  // a quarter of it
  const double passes[3] = {std::exp(-2.0), 1, std::exp(-0.5)};
  desc.precision = HP_PRECISION_F64;
  HpAdjoint<double> adjoint(1, 3, kOfRgb);
  double expected[3] = {0, 0, 0};
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t c = 0; c < 3; ++c) {
      adjoint.rgb[3 * i + c] = static_cast<double>(1 + i) - 0.5 * static_cast<double>(c);
      expected[c] += adjoint.rgb[3 * i + c] * passes[i];
    }
  }
  const auto g = BackwardRays<double>(Context(), MakePlan(Context(), desc), InstanceOf(field), rays, adjoint);
  for (int c = 0; c < 3; ++c) {
    CHECK(g.sums[HP_SUM_BACKGROUND + c] == Approx(expected[c]).epsilon(1e-10));
    // White medium before it.
    const double weight = adjoint.rgb[static_cast<std::size_t>(c)] * (1 - passes[0]) +
                          adjoint.rgb[6 + static_cast<std::size_t>(c)] * (1 - passes[2]);
    CHECK(g.sums[HP_SUM_COLOR + c] == Approx(weight).epsilon(1e-10));
  }
}

TEST_CASE("VoxelsBehindAnOpaqueFrontGetNothing", "[gradient]") {
  const HpField field = MakeField(Context(), Column({400, 3, 2, 1}, HP_INTERP_NEAREST));
  for (double early_stop : {0.0, 1e-3}) {
    hp_plan_desc desc = PlanDesc(nullptr, 0.01);
    desc.early_stop = early_stop;
    desc.background[0] = 0.3;
    const HpBackward<double> g = Backward(field, desc, AlongZ(), kOfRgb | kOfOpacity);
    for (std::size_t i = 1; i < 4; ++i) CHECK(std::fabs(g.values[i]) < 1e-12);
    // And from behind, the three are seen, the opaque one is the wall.
    HpRays<double> back;
    back.Add({0.5, 0.5, 2}, {0, 0, -1});
    const HpBackward<double> b = Backward(field, desc, back, kOfDepth);
    for (std::size_t i = 1; i < 4; ++i) CHECK(b.values[i] < -1e-3);
  }
}

TEST_CASE("ColourOfAVoxelGetsItsWeight", "[gradient]") {
  DenseGrid grid;
  grid.nz = 2;
  grid.channels = 4;
  grid.values = {0.75f, 0.125f, 0.25f, 1.0f, 0.0f, 1.0f, 0.0f, 2.0f};
  grid.interp = HP_INTERP_NEAREST;
  const HpField field = MakeField(Context(), grid);
  const HpBackward<double> g = Backward(field, PlanDesc(nullptr, 0.05), AlongZ(), kOfRgb);
  const double front = 1 - std::exp(-0.5), behind = std::exp(-0.5) * (1 - std::exp(-1.0));
  for (std::size_t c = 0; c < 3; ++c) {
    CHECK(g.values[c] == Approx(front).epsilon(1e-10));
    CHECK(g.values[4 + c] == Approx(behind).epsilon(1e-10));
  }
  // dC/d(sigma_front) = (L/2) (T_1 c_front - C_behind), of all three colours.
  const double sum_front = 0.75 + 0.125 + 0.25, sum_behind = 1;
  CHECK(g.values[3] == Approx(0.5 * (std::exp(-0.5) * sum_front - behind * sum_behind)).epsilon(1e-10));
  CHECK(g.values[7] == Approx(0.5 * std::exp(-1.5) * sum_behind).epsilon(1e-10));
}

TEST_CASE("TrilinearWeightsShareAGradient", "[gradient]") {
  // One sample at a known place of a 2^3 cell: each corner gets its weight.
  DenseGrid grid;
  grid.nx = grid.ny = grid.nz = 2;
  grid.values.assign(8, 1.0f);
  const HpField field = MakeField(Context(), grid);
  HpRays<double> rays;
  rays.Add({0.35, 0.6, 0.45}, {0, 0, 1}, 0, 0.1);  // one segment, its middle at z = 0.5
  const HpBackward<double> g = Backward(field, PlanDesc(nullptr, 0.2), rays, kOfOpacity);
  const double whole = 0.1 * std::exp(-0.1), fx = 0.35 * 2 - 0.5, fy = 0.6 * 2 - 0.5, fz = 0.5;
  for (std::size_t i = 0; i < 8; ++i) {
    const double w = (i & 1 ? fx : 1 - fx) * (i & 2 ? fy : 1 - fy) * (i & 4 ? fz : 1 - fz);
    CHECK(g.values[i] == Approx(whole * w).epsilon(1e-10));
  }
}

TEST_CASE("ActivationsPassTheirSlopeOn", "[gradient]") {
  struct {
    hp_activation activation;
    double raw, density, slope;
  } const cases[] = {
      {HP_ACTIVATION_IDENTITY, 0.75, 0.75, 1},
      {HP_ACTIVATION_SOFTPLUS, -1.5, std::log1p(std::exp(-1.5)), 1 / (1 + std::exp(1.5))},
      {HP_ACTIVATION_SOFTPLUS, 2, std::log1p(std::exp(2.0)), 1 / (1 + std::exp(-2.0))},
      {HP_ACTIVATION_SOFTPLUS, -60, std::exp(-60.0), std::exp(-60.0)},
      {HP_ACTIVATION_SOFTPLUS, 60, 60, 1},
      {HP_ACTIVATION_EXP, -2, std::exp(-2.0), std::exp(-2.0)},
      {HP_ACTIVATION_EXP, 1, std::exp(1.0), std::exp(1.0)},
      {HP_ACTIVATION_TRUNC_EXP, 1, std::exp(1.0), std::exp(1.0)},
      // Its derivative is cut at exp(15), by name.
      {HP_ACTIVATION_TRUNC_EXP, 17, std::exp(17.0), std::exp(15.0)},
  };
  for (const auto& c : cases) {
    DenseGrid grid = UniformGrid(static_cast<float>(c.raw));
    grid.activation = c.activation;
    const HpField field = MakeField(Context(), grid);
    hp_instance look = InstanceOf(field);
    look.sigma_scale = 0.5 / c.density;  // opacity 1 - exp(-1/2), whatever the density
    const HpBackward<double> g = Backward(field, PlanDesc(nullptr, 0.1), AlongZ(), kOfOpacity, &look);
    INFO("activation " << c.activation << " of " << c.raw);
    const double exact = std::exp(-0.5) * look.sigma_scale * c.slope;
    CHECK(g.values[0] == Approx(exact).epsilon(1e-9));
  }
}

TEST_CASE("EarlyStoppedTailHasNoGradientAndTheBackgroundTheRest", "[gradient]") {
  // T falls by e with every segment; three samples, then the rest goes to the background.
  const HpField field = MakeField(Context(), Column(std::vector<float>(10, 10.0f), HP_INTERP_NEAREST));
  hp_plan_desc desc = PlanDesc(nullptr, 0.1);
  desc.early_stop = 0.05;
  desc.background[0] = 2;
  HpRays<double> rays;
  rays.Add({0.5, 0.5, 0}, {0, 0, 1});
  const HpBackward<double> g = Backward(field, desc, rays, kOfRgb);
  CHECK(g.counters[HP_COUNTER_SAMPLES] == 3);
  for (std::size_t i = 3; i < 10; ++i) CHECK(g.values[i] == 0);
  // C = sum over three colours of (1 - T) 1 + T b: dC/d(sigma_k) = -0.1 T (b_r + b_g + b_b - 3), T = e^-3.
  for (std::size_t i = 0; i < 3; ++i) CHECK(g.values[i] == Approx(0.1 * std::exp(-3.0) * (3 - 2)).epsilon(1e-10));
  CHECK(g.sums[HP_SUM_BACKGROUND] == Approx(std::exp(-3.0)).epsilon(1e-10));
  CHECK(g.sums[HP_SUM_SIGMA_SCALE] == Approx(3 * 10 * 0.1 * std::exp(-3.0)).epsilon(1e-10));
}

TEST_CASE("CameraGradientsMoveTheSlab", "[gradient]") {
  // A pinhole camera inside a slab that ends at z = 1 looks along z: nearer by h shortens the axis' way by h.
  const double s = 2;
  const HpField field = MakeField(Context(), UniformGrid(static_cast<float>(s), {-50, -50, 0}, {50, 50, 1}));
  hp_affine pose = Identity();
  pose.m[11] = 0.25;
  const hp_camera camera = PinholeCamera(1, 1, 1, pose);  // one pixel, on the axis
  hp_plan_desc desc = PlanDesc(&camera, 0.05);
  desc.precision = HP_PRECISION_F64;
  const auto g = BackwardFused<double>(Context(), MakePlan(Context(), desc), InstanceOf(field), {0, 0, 1, 1},
                                       HpAdjoint<double>(1, 1, kOfOpacity, 1));
  const double slope = s * std::exp(-0.75 * s);
  CHECK(g.sums[HP_SUM_CAMERA_TO_WORLD + 11] == Approx(-slope).epsilon(1e-10));
  CHECK(g.sums[HP_SUM_T_NEAR] == Approx(-slope).epsilon(1e-10));
  // On the axis a turn changes the way only in second order, and so do cx and cy.
  for (int i : {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}) {
    CHECK(g.sums[HP_SUM_CAMERA_TO_WORLD + i] == Approx(0).margin(1e-12));
  }
  // Off the axis: the way is 0.75 sqrt(1 + u^2), u = (x - cx) / fx.
  hp_camera aside = camera;
  aside.cx = -0.25;
  aside.fx = 1.25;
  const double u = 0.75 / 1.25, way = 0.75 * std::sqrt(1 + u * u), d_way = 0.75 * u / std::sqrt(1 + u * u);
  desc.camera = &aside;
  const auto off = BackwardFused<double>(Context(), MakePlan(Context(), desc), InstanceOf(field), {0, 0, 1, 1},
                                         HpAdjoint<double>(1, 1, kOfOpacity, 1));
  const double per_way = s * std::exp(-s * way);
  CHECK(off.sums[HP_SUM_INTRINSICS] == Approx(per_way * d_way * (-u / 1.25)).epsilon(1e-10));
  CHECK(off.sums[HP_SUM_INTRINSICS + 2] == Approx(per_way * d_way * (-1 / 1.25)).epsilon(1e-10));
  CHECK(off.sums[HP_SUM_INTRINSICS + 1] == Approx(0).margin(1e-12));
}

// ---- how gradients are kept -----------------------------------------------------------------------------------------

TEST_CASE("GradientTellsWhatItIs", "[gradient]") {
  DenseGrid grid;
  grid.nz = 2, grid.ny = 3, grid.nx = 4, grid.channels = 4;
  grid.values.assign(96, 0.5f);
  const HpField field = MakeField(Context(), grid);
  HpGradient gradient(Context(), field, -33);
  const hp_gradient_info info = gradient.Info();
  CHECK(info.exponent == -33);
  CHECK(info.rank == 4);
  CHECK(info.shape[0] == 2);
  CHECK(info.shape[1] == 3);
  CHECK(info.shape[2] == 4);
  CHECK(info.shape[3] == 4);
  CHECK(info.overflowed == 0);
  CHECK(info.block_count == (Context().cuda() ? 1 : 0));  // a CUDA kernel cannot make room: it is there
  for (float v : gradient.Read<float>()) CHECK(v == 0);
}

TEST_CASE("DefaultExponentLiesBelowTheLargestAdjoint", "[gradient]") {
  // 36 or 40 bits below the largest, to the power of two above or at it.
  for (double largest : {1e-6, 0.3, 1.0, 5.0, 1e4}) {
    for (double dt : {1e-3, 1.0, 16.0}) {
      const double size = std::log2(largest * std::max(1.0, dt));
      const int f32 = hp_gradient_default_exponent(largest, dt, HP_PRECISION_F32),
                f64 = hp_gradient_default_exponent(largest, dt, HP_PRECISION_F64);
      INFO(largest << ", " << dt);
      CHECK(f32 >= size - 36 - 1e-9);
      CHECK(f32 <= size - 35 + 1e-9);
      CHECK(f64 == f32 - 4);
    }
  }
  CHECK(hp_gradient_default_exponent(1e30, 1e9, HP_PRECISION_F32) == HP_MAX_GRADIENT_EXPONENT);
  CHECK(hp_gradient_default_exponent(1e-40, 1, HP_PRECISION_F64) == HP_MIN_GRADIENT_EXPONENT);
  // Nothing to see, or no number: an exponent that hp_gradient_zero takes.
  for (double odd : {0.0, std::nan(""), std::numeric_limits<double>::infinity(), -1.0}) {
    const int e = hp_gradient_default_exponent(odd, 1, HP_PRECISION_F32);
    CHECK(e >= HP_MIN_GRADIENT_EXPONENT);
    CHECK(e <= HP_MAX_GRADIENT_EXPONENT);
  }
}

TEST_CASE("QuantumRoundsEachContributionOnce", "[gradient]") {
  const HpField field = MakeField(Context(), UniformGrid(1));
  const double exact = std::exp(-1.0);
  for (int exponent : {-40, -20, -10, -4}) {
    const HpBackward<double> g = Backward(field, PlanDesc(nullptr, 2), AlongZ(-2.0), kOfOpacity, nullptr, exponent);
    INFO(exponent);
    // One voxel whose eight corners are one place: up to eight rounded weights.
    CHECK(std::fabs(g.values[0] - exact) <= 8 * std::ldexp(0.5, exponent));
    CHECK(std::ldexp(g.values[0], -exponent) == std::round(std::ldexp(g.values[0], -exponent)));
  }
}

TEST_CASE("TooSmallAQuantumIsAnErrorNotAWrap", "[gradient]") {
  const HpField field = MakeField(Context(), UniformGrid(1));
  hp_plan_desc desc = PlanDesc(nullptr, 0.1);
  for (const bool single : {true, false}) {
    HpGradient gradient(Context(), field, HP_MIN_GRADIENT_EXPONENT);
    HpCounters counters{};
    auto pass = [&](auto zero) {
      using Real = decltype(zero);
      desc.precision = PrecisionOf<Real>();
      const HpPlan plan = MakePlan(Context(), desc);
      HpRays<Real> rays;
      rays.Add({0.5, 0.5, -1}, {0, 0, 1});
      const hp_instance instance = InstanceOf(field);
      HpImage<Real> forward = RenderRays<Real>(Context(), plan, instance, rays);
      const HpAdjoint<Real> adjoint(1, 1, kOfOpacity, 1);
      const hp_img_t made = forward.View();
      const hp_rays_t given = rays.View();
      hp_grads_t g = NoGradients();
      adjoint.Fill(g);
      g.values = gradient.get();
      HpCheck(hp_samp_int_fused_backward(Context().stream(), plan.get(), &instance, 1, &given, hp_roi{}, &made, &g,
                                         TensorOf(counters.data(), {HP_COUNTER_COUNT}), NoWorkspace()));
    };
    auto run = [&] {
      if (single) {
        pass(0.0f);
      } else {
        pass(0.0);
      }
    };
    run();
    CHECK(counters[HP_COUNTER_OVERFLOWED] > 0);
    CHECK(gradient.Info().overflowed == 1);
    std::vector<double> out(1, -7);
    const hp_tensor t = TensorOf(out.data(), {1, 1, 1, 1});
    CHECK(hp_gradient_read(Context().stream(), gradient.get(), &t, nullptr) == HP_STATUS_OVERFLOW);
    const std::string message = hp_last_error();
    INFO(message);
    CHECK(message.find("2^-100") != std::string::npos);
    CHECK(message.find("exponent") != std::string::npos);
    CHECK(out[0] == -7);
    CHECK(std::string(hp_status_name(HP_STATUS_OVERFLOW)) == "OVERFLOW");
    // Zeroed with a larger one, it is as good as new.
    gradient.Zero(-40);
    CHECK(gradient.Info().overflowed == 0);
    CHECK(gradient.Read()[0] == 0);
    counters = {};
    run();
    CHECK(counters[HP_COUNTER_OVERFLOWED] == 0);
    CHECK(gradient.Read()[0] == Approx(std::exp(-1.0)).epsilon(1e-6));
  }
}

TEST_CASE("SumsThatWrapAreAnError", "[gradient]") {
  // Each contribution fits (below 2^50 quanta), their sum does not (2^63).
  const HpField field = MakeField(Context(), UniformGrid(1e-3f));
  hp_plan_desc desc = PlanDesc(nullptr, 2);
  const int rays_count = 40000;
  HpRays<float> rays;
  for (int i = 0; i < rays_count; ++i) rays.Add({0.5, 0.5, -1}, {0, 0, 1});
  const hp_instance instance = InstanceOf(field);
  const HpPlan plan = MakePlan(Context(), desc);
  HpImage<float> forward = RenderRays<float>(Context(), plan, instance, rays);
  // A contribution is 0.999; with quantum 2^-49 that is just below 2^49 quanta.
  HpGradient gradient(Context(), field, -49);
  const HpAdjoint<float> adjoint(1, rays_count, kOfOpacity, 1);
  const hp_img_t made = forward.View();
  const hp_rays_t given = rays.View();
  hp_grads_t g = NoGradients();
  adjoint.Fill(g);
  g.values = gradient.get();
  HpCounters counters{};
  HpCheck(hp_samp_int_fused_backward(Context().stream(), plan.get(), &instance, 1, &given, hp_roi{}, &made, &g,
                                     TensorOf(counters.data(), {HP_COUNTER_COUNT}), NoWorkspace()));
  std::vector<double> out(1, -7);
  const hp_tensor t = TensorOf(out.data(), {1, 1, 1, 1});
  CHECK(hp_gradient_read(Context().stream(), gradient.get(), &t, nullptr) == HP_STATUS_OVERFLOW);
  CHECK(out[0] == -7);
}

TEST_CASE("PassesAddUpAndZeroClears", "[gradient]") {
  const HpField field = MakeField(Context(), Column({1, 2, 3}, HP_INTERP_LINEAR));
  hp_plan_desc desc = PlanDesc(nullptr, 0.1);
  desc.precision = HP_PRECISION_F64;
  const HpPlan plan = MakePlan(Context(), desc);
  const hp_instance instance = InstanceOf(field);
  const HpRays<double> rays = AlongZ();
  HpImage<double> forward = RenderRays<double>(Context(), plan, instance, rays);
  const HpAdjoint<double> adjoint(1, 1, kOfAll, 1);
  HpGradient gradient(Context(), field, -40);
  HpSums sums;
  auto pass = [&] {
    const hp_img_t made = forward.View();
    const hp_rays_t given = rays.View();
    hp_grads_t g = NoGradients();
    adjoint.Fill(g);
    g.values = gradient.get();
    g.wanted = kWantScene | kWantStep;
    g.sums = sums.Tensor();
    HpCheck(hp_samp_int_fused_backward(Context().stream(), plan.get(), &instance, 1, &given, hp_roi{}, &made, &g,
                                       NoTensor(), NoWorkspace()));
  };
  pass();
  const std::vector<double> once = gradient.Read();
  const HpSums sums_once = sums;
  pass();
  const std::vector<double> twice = gradient.Read();
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(once[i] != 0);
    CHECK(twice[i] == 2 * once[i]);
  }
  CHECK(sums[HP_SUM_SIGMA_SCALE] == 2 * sums_once[HP_SUM_SIGMA_SCALE]);
  gradient.Zero(-40);
  for (double v : gradient.Read()) CHECK(v == 0);
  pass();
  CHECK(gradient.Read() == once);
  // f32 reads the same numbers, rounded.
  const std::vector<float> single = gradient.Read<float>();
  for (std::size_t i = 0; i < 3; ++i) CHECK(single[i] == static_cast<float>(once[i]));
}

TEST_CASE("WhatIsNotWantedIsNotWritten", "[gradient]") {
  const HpField field = MakeField(Context(), UniformGrid(1));
  const hp_camera camera = PinholeCamera(2, 2, 4, LookAt({0.5, 0.4, -2}, {0.5, 0.5, 0.5}));
  hp_plan_desc desc = PlanDesc(&camera, 0.1);
  desc.precision = HP_PRECISION_F64;
  const HpPlan plan = MakePlan(Context(), desc);
  const hp_instance instance = InstanceOf(field);
  const hp_roi whole = {0, 0, 2, 2};
  HpImage<double> forward = RenderFused<double>(Context(), plan, instance, whole);
  const HpAdjoint<double> adjoint(2, 2, kOfAll, 1);
  struct {
    std::uint32_t wanted;
    std::vector<std::pair<int, int>> sums;  // first, count
  } const cases[] = {{kWantScene, {{HP_SUM_BACKGROUND, 7}, {HP_SUM_KNOT_DENSITY, 1024}}},
                     {kWantStep, {{HP_SUM_DT, 1}}},
                     {kWantCamera, {{HP_SUM_CAMERA_TO_WORLD, 24}}}};
  HpSums all;
  HpCounters counters{};
  AddBackwardFused<double>(Context(), plan, instance, whole, forward, adjoint, kWantScene | kWantStep | kWantCamera,
                           nullptr, all, counters);
  for (const auto& c : cases) {
    HpSums some;
    AddBackwardFused<double>(Context(), plan, instance, whole, forward, adjoint, c.wanted, nullptr, some, counters);
    for (int i = 0; i < HP_SUM_COUNT; ++i) {
      bool asked = false;
      for (const auto& [first, count] : c.sums) asked |= first <= i && i < first + count;
      INFO("wanted " << c.wanted << ", sum " << i);
      CHECK(some[i] == (asked ? all[i] : 0));
    }
  }
}

TEST_CASE("BlocksGrowOnlyWhereRaysWent", "[gradient]") {
  DenseGrid grid;
  grid.nx = grid.ny = grid.nz = 64;
  grid.values.assign(64 * 64 * 64, 0.25f);
  const HpField field = MakeField(Context(), grid);
  hp_plan_desc desc = PlanDesc(nullptr, 1.0 / 128);
  desc.precision = HP_PRECISION_F64;
  const HpPlan plan = MakePlan(Context(), desc);
  const hp_instance instance = InstanceOf(field);
  HpGradient gradient(Context(), field);
  const std::uint64_t before = gradient.Info().device_bytes;
  CHECK(gradient.Info().block_count == (Context().cuda() ? 512 : 0));
  HpRays<double> rays;
  rays.Add({0.3, 0.7, -1}, {0, 0, 1});  // one thin ray along z: a column of 8 blocks of 8^3
  HpImage<double> forward = RenderRays<double>(Context(), plan, instance, rays);
  const HpAdjoint<double> adjoint(1, 1, kOfAll, 1);
  const hp_img_t made = forward.View();
  const hp_rays_t given = rays.View();
  hp_grads_t g = NoGradients();
  adjoint.Fill(g);
  g.values = gradient.get();
  HpCheck(hp_samp_int_fused_backward(Context().stream(), plan.get(), &instance, 1, &given, hp_roi{}, &made, &g,
                                     NoTensor(), NoWorkspace()));
  const hp_gradient_info info = gradient.Info();
  INFO(info.block_count << " blocks, " << before << " and " << info.device_bytes << " bytes");
  if (Context().cuda()) {
    CHECK(info.block_count == 512);
  } else {
    CHECK(info.block_count >= 8);
    CHECK(info.block_count <= 32);
    CHECK(info.device_bytes < 64 * 64 * 64 * 8 / 2);
  }
  // Only the voxels around the ray have a gradient.
  const std::vector<double> values = gradient.Read();
  std::size_t touched = 0;
  for (double v : values) touched += v != 0;
  CHECK(touched == 4 * 64);
}

TEST_CASE("SumsOf128BitsAreReadExactly", "[gradient]") {
  const std::int64_t one[2] = {0, 1 << 16};  // 2^80 quanta of 2^-80
  CHECK(hp_sum_value(one) == 1);
  const std::int64_t least[2] = {1, 0};
  CHECK(hp_sum_value(least) == std::ldexp(1.0, HP_SUM_EXPONENT));
  const std::int64_t minus_least[2] = {-1, -1};
  CHECK(hp_sum_value(minus_least) == -std::ldexp(1.0, HP_SUM_EXPONENT));
  const std::int64_t high_bit_of_low[2] = {std::numeric_limits<std::int64_t>::min(), 0};
  CHECK(hp_sum_value(high_bit_of_low) == std::ldexp(1.0, 63 + HP_SUM_EXPONENT));
  const std::int64_t minus_three[2] = {0, -3 * (1 << 16)};
  CHECK(hp_sum_value(minus_three) == -3);
}

}  // namespace dvren::test
