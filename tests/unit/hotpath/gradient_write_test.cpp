// Gradients that were summed elsewhere: what is written is what is read, and sums go on from there.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "support/hp_fixture.h"
#include "support/hp_gradients.h"

namespace dvren::test {
namespace {

DenseGrid GridOf(std::int64_t nx, std::int64_t ny, std::int64_t nz, std::int64_t channels) {
  DenseGrid grid;
  grid.nx = nx, grid.ny = ny, grid.nz = nz, grid.channels = channels;
  grid.values.assign(static_cast<std::size_t>(nx * ny * nz * channels), 0.5f);
  return grid;
}

template <class T>
hp_status Write(const HpContext& context, const HpGradient& gradient, const DenseGrid& grid,
                const std::vector<T>& values, std::int32_t exponent) {
  const hp_tensor t = TensorOf(values.data(), {grid.nz, grid.ny, grid.nx, grid.channels});
  return hp_gradient_write(context.stream(), gradient.get(), exponent, &t);
}

}  // namespace

TEST_CASE("A gradient that is written reads back as its values to half a quantum", "[gradient]") {
  for (const int threads : {1, 3}) {
    const HpContext context(HP_ISA_AUTO, threads);
    for (const std::int64_t channels : {1, 4, 13}) {
      const DenseGrid grid = GridOf(19, 8, 11, channels);  // whole bricks and cut ones
      const HpField field = MakeField(context, grid);
      const HpGradient gradient(context, field);
      TestRandom random(7);
      std::vector<double> values(grid.values.size());
      for (double& v : values) v = random.Uniform() < 0.3 ? 0 : 2 * random.Uniform() - 1;
      CAPTURE(threads, channels);
      HpCheck(Write(context, gradient, grid, values, -40));
      CHECK(gradient.Info().exponent == -40);
      const std::vector<double> back = gradient.Read();
      for (std::size_t i = 0; i < values.size(); ++i) {
        if (back[i] != std::nearbyint(std::ldexp(values[i], 40)) * 0x1p-40) FAIL_CHECK("value " << i);
      }
      // f32 values that fit are kept as they are, and what was there before is gone.
      std::vector<float> few(values.size(), 0.0f);
      few[5] = -0.375f;
      few.back() = 3;
      HpCheck(Write(context, gradient, grid, few, -20));
      CHECK(gradient.Read<float>() == few);
    }
  }
}

TEST_CASE("Passes add to a gradient that was written", "[gradient]") {
  const HpContext context(HP_ISA_AUTO, 1);
  const DenseGrid grid = GridOf(9, 9, 9, 1);
  const HpField field = MakeField(context, grid);
  HpRays<double> rays;
  TestRandom random(3);
  for (int i = 0; i < 50; ++i) rays.Add({random.Uniform(), random.Uniform(), -1}, {0, 0, 1});
  hp_plan_desc desc = PlanDesc(nullptr, 0.05);
  desc.precision = HP_PRECISION_F64;
  const HpPlan plan = MakePlan(context, desc);
  const HpAdjoint<double> adjoint(1, 50, kOfOpacity, 1);
  const hp_instance instance = InstanceOf(field);
  const std::vector<double> alone = BackwardRays<double>(context, plan, instance, rays, adjoint).values;

  std::vector<double> written(grid.values.size());
  for (double& v : written) v = std::nearbyint(1e6 * random.Uniform()) * 0x1p-30;
  const HpGradient gradient(context, field);
  HpCheck(Write(context, gradient, grid, written, kFineExponent));
  HpImage<double> forward = RenderRays<double>(context, plan, instance, rays);
  const hp_img_t made = forward.View();
  const hp_rays_t given = rays.View();
  hp_grads_t g = NoGradients();
  adjoint.Fill(g);
  g.values = gradient.get();
  HpCheck(hp_samp_int_fused_backward(context.stream(), plan.get(), &instance, 1, &given, hp_roi{}, &made, &g,
                                     NoTensor(), NoWorkspace()));
  const std::vector<double> sum = gradient.Read();
  for (std::size_t i = 0; i < sum.size(); ++i) {
    if (sum[i] != alone[i] + written[i]) FAIL_CHECK("value " << i);
  }
}

TEST_CASE("Values that a gradient cannot hold are refused", "[gradient][validation]") {
  const HpContext context(HP_ISA_AUTO, 1), other(HP_ISA_AUTO, 1);
  const DenseGrid grid = GridOf(3, 2, 1, 1);
  const HpField field = MakeField(context, grid), elsewhere = MakeField(other, grid);
  const HpGradient gradient(context, field), foreign(other, elsewhere);
  std::vector<double> values(6, 1.0);
  const auto says = [](hp_status status, hp_status expected, const char* text) {
    CHECK(status == expected);
    INFO(hp_last_error());
    CHECK(std::string(hp_last_error()).find(text) != std::string::npos);
  };
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(), 1024.0}) {
    values[4] = bad;
    says(Write(context, gradient, grid, values, -40), HP_STATUS_OVERFLOW, "values: one is not finite, or is 2^50");
    CHECK(gradient.Info().overflowed == 1);
  }
  values[4] = 1023;
  HpCheck(Write(context, gradient, grid, values, -40));
  CHECK(gradient.Info().overflowed == 0);
  CHECK(gradient.Read() == values);
  says(Write(context, gradient, grid, values, 61), HP_STATUS_INVALID_ARGUMENT, "exponent = 61");
  says(Write(context, foreign, grid, values, -40), HP_STATUS_INVALID_ARGUMENT, "another context");
  hp_tensor t = TensorOf(values.data(), {1, 2, 3, 1});
  t.dtype = HP_DTYPE_F16;
  says(hp_gradient_write(context.stream(), gradient.get(), -40, &t), HP_STATUS_INVALID_ARGUMENT, "values.dtype = 3");
  t = TensorOf(values.data(), {1, 3, 2, 1});
  says(hp_gradient_write(context.stream(), gradient.get(), -40, &t), HP_STATUS_INVALID_ARGUMENT, "values.shape[1] = 3");
  t = TensorOf(values.data(), {1, 2, 3, 1});
  t.strides[1] = 4;
  says(hp_gradient_write(context.stream(), gradient.get(), -40, &t), HP_STATUS_INVALID_ARGUMENT, "must be contiguous");
  says(hp_gradient_write(context.stream(), gradient.get(), -40, nullptr), HP_STATUS_INVALID_ARGUMENT, "NULL: required");
  CHECK(gradient.Read() == values);
}

}  // namespace dvren::test
