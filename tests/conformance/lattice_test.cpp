// Lattices at the limits of their indices: steps so small, or cameras so far away, that an index nears 2^24 and the
// places of neighbouring samples round to one number. Packets must still compute what single rays do.
#include <catch2/catch.hpp>
#include <cmath>
#include <string>

#include "conformance/field_examples.h"
#include "support/hp_fixture.h"

namespace dvren::test {
namespace {

const double kInf = std::numeric_limits<double>::infinity();

HpRays<float> FarRays(TestRandom& random, const FieldExample& field, int count, double from, double to) {
  HpRays<float> rays;
  for (int i = 0; i < count; ++i) {
    const Vec3 target = field.centre + random.Uniform(0, 0.8) * field.radius * random.Direction(),
               d = random.Direction();
    const double distance = random.LogUniform(from, to) * field.radius;
    const double t_near = random.Below(3) ? 0 : random.Uniform(0, distance + field.radius);
    rays.Add(target - distance * d, d, t_near, distance + (field.unbounded || random.Below(2) ? field.radius : 1e30));
  }
  return rays;
}

}  // namespace

TEST_CASE("LatticesOfTenMillionSegmentsRenderTheSameBitsOnEveryLane", "[lattice]") {
  TestRandom random(201);
  std::vector<std::unique_ptr<HpContext>> contexts;
  for (hp_isa isa : AvailableIsas()) contexts.push_back(std::make_unique<HpContext>(isa, 1));
  for (const FieldExample& example : FieldExamples()) {
    std::vector<HpField> fields;
    for (const auto& context : contexts) fields.push_back(example.make(*context));
    for (int round = 0; round < 10; ++round) {
      const double from = random.LogUniform(1, 3000);
      const HpRays<float> rays = FarRays(random, example, 37, from, 2 * from);
      // Indices where the rays enter: from 2^20 to beyond 2^24.
      hp_plan_desc desc = PlanDesc(nullptr, from * example.radius / random.LogUniform(1 << 20, 3e7));
      desc.max_steps = 1 + random.Below(900);
      desc.sampling = round % 2 ? HP_SAMPLING_STRATIFIED : HP_SAMPLING_FIXED;
      desc.early_stop = round % 3 ? 0 : 0.5;
      HpImage<float> reference;
      for (std::size_t n = 0; n < contexts.size(); ++n) {
        const hp_instance instance = example.Place(fields[n]);
        for (int skip : {1, 0}) {
          desc.skip_empty = skip;
          const auto image = RenderRays<float>(*contexts[n], MakePlan(*contexts[n], desc), instance, rays);
          if (n == 0 && skip) reference = image;
          const std::string difference = Difference(reference, image);
          INFO(example.name << ", " << contexts[n]->name() << ", skip " << skip << ", round " << round << ", dt "
                            << desc.dt << ": " << difference);
          CHECK(difference.empty());
          CHECK(image.counters[HP_COUNTER_TRUNCATED] == reference.counters[HP_COUNTER_TRUNCATED]);
        }
        const auto staged = RenderStaged<float>(*contexts[n], MakePlan(*contexts[n], desc), instance, rays, 1,
                                                static_cast<int>(rays.size()));
        const std::string difference = Difference(reference, staged);
        INFO(example.name << ", " << contexts[n]->name() << ", staged, round " << round << ": " << difference);
        CHECK(difference.empty());
      }
    }
  }
}

TEST_CASE("SegmentsAreNeverNegativeHoweverSmallTheStep", "[lattice]") {
  // The optical depth of a homogeneous box never shrinks by a segment, even where places along the ray have no digits.
  const HpContext context(HP_ISA_AUTO, 1);
  const HpField field = MakeField(context, UniformGrid(1));
  const hp_instance instance = InstanceOf(field);
  TestRandom random(202);
  std::int64_t negative = 0, too_long = 0, segments = 0;
  for (int round = 0; round < 200; ++round) {
    const double distance = random.LogUniform(0.1, 1e5);
    hp_plan_desc desc = PlanDesc(nullptr, distance / random.LogUniform(1 << 16, 1 << 24));
    desc.max_steps = 2000;
    HpRays<float> rays;
    for (int i = 0; i < 16; ++i) {
      const Vec3 target = random.In({0, 0, 0}, {1, 1, 1}), d = random.Direction();
      rays.Add(target - distance * d, d, random.Below(2) ? 0 : random.Uniform(0, distance),
               random.Below(2) ? kInf : distance + 0.3);
    }
    const auto samples = SampleRays(context, MakePlan(context, desc), instance, rays);
    const auto dt = static_cast<float>(desc.dt), ulp = static_cast<float>(distance * 0x1p-22);
    for (std::size_t i = 0; i < 16; ++i) {
      for (std::int32_t n = 0; n < samples.count[i]; ++n) {
        const float length = samples.dt[i * static_cast<std::size_t>(samples.capacity) + static_cast<std::size_t>(n)];
        ++segments;
        negative += !(length >= 0);
        too_long += length > dt + ulp;
      }
    }
  }
  CAPTURE(segments);
  CHECK(segments > 100000);
  CHECK(negative == 0);
  CHECK(too_long == 0);
}

}  // namespace dvren::test
