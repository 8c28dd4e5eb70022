// A device that fails for good: its context says so from then on, and can be taken down. On the host executor alone,
// which can be told to break.
#include <catch2/catch.hpp>
#include <string>

#include "backends/cuda/runtime.h"
#include "support/hp_fixture.h"
#include "support/hp_gradients.h"

namespace dvren::test {

TEST_CASE("AFailedDeviceSaysSoUntilItIsTakenDown", "[failure]") {
  const HpContext context(kCuda);
  const HpContext other(kCuda);
  {
    const HpField field = MakeField(context, UniformGrid(1));
    const HpGradient gradient(context, field);
    const hp_instance instance = InstanceOf(field);
    const hp_camera camera = PinholeCamera(4, 3, 5, LookAt({0.5, 0.5, -1}, {0.5, 0.5, 0.5}));
    const HpPlan plan = MakePlan(context, PlanDesc(&camera, 0.1));
    HpImage<float> image(3, 4);
    const hp_img_t view = image.View();
    auto render = [&] {
      return hp_samp_int_fused(context.stream(), plan.get(), &instance, 1, nullptr, {0, 0, 4, 3}, &view, NoTensor(),
                               NoWorkspace());
    };
    REQUIRE(render() == HP_STATUS_OK);
    CHECK(hp_ctx_failed(context.ctx()) == 0);
    hp::cuda::BreakForTest("an illegal memory access was encountered");
    CHECK(render() == HP_STATUS_DEVICE_ERROR);
    CHECK(std::string(hp_last_error()).find("fused: an illegal memory access") != std::string::npos);
    CHECK(hp_ctx_failed(context.ctx()) == 1);
    // From now on everything says what failed first.
    auto refused = [&](hp_status status) {
      const std::string message = hp_last_error();
      INFO(message);
      CHECK(status == HP_STATUS_DEVICE_ERROR);
      CHECK(message.find("has failed (fused: an illegal memory access was encountered)") != std::string::npos);
    };
    refused(render());
    void* data = nullptr;
    refused(hp_memory_allocate(context.stream(), 64, &data));
    CHECK(data == nullptr);
    refused(hp_stream_synchronize(context.stream()));
    refused(hp_gradient_zero(context.stream(), gradient.get(), -30));
    hp_gradient_info info = {};
    HP_INIT(info);
    refused(hp_gradient_get_info(gradient.get(), &info));
    hp_stream* stream = nullptr;
    refused(hp_stream_create(context.ctx(), &stream));
  }
  // Another context is not concerned.
  CHECK(hp_ctx_failed(other.ctx()) == 0);
  const HpField field = MakeField(other, UniformGrid(1));
  CHECK(RenderRay(other, PlanDesc(nullptr, 0.1), InstanceOf(field), {0.5, 0.5, -1}, {0, 0, 1}).opacity[0] > 0.5f);
}

}  // namespace dvren::test
