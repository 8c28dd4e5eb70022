// One render whose gradients are checked: a registered field, a camera, a plan, what the loss reads. Everything that a
// gradient is taken of can be moved, and the loss of every ray evaluated in double precision.
//
// Gradients hold fixed which segments a ray has, where early stop ends it, the cells its samples lie in, the faces it
// enters and leaves by, the piece of the transfer function, and which colours are cut at 0. Signatures tell whether a
// move changed any of these for a ray; such rays take no part in a comparison, and tests bound how many do not.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "conformance/field_examples.h"
#include "support/hp_fixture.h"
#include "support/hp_gradients.h"

namespace dvren::test {

struct SceneUnderTest {
  std::string name;
  const FieldExample* example = nullptr;
  std::vector<float> values;
  hp_camera camera = {};   // none when struct_size is 0
  hp_plan_desc desc = {};  // its camera is filled in when a plan is made
  double sigma_scale = 1;
  Vec3 color{1, 1, 1};
  std::vector<double> knots, knot_rgb;
  unsigned inputs = kOfAll;
  bool values_moved = false;
  bool affine = false;  // the field has the same slope in every cell: which cell a sample lies in plays no part

  [[nodiscard]] hp_roi Whole() const { return {0, 0, camera.width, camera.height}; }
  [[nodiscard]] hp_plan_desc Desc(hp_precision precision) const;  // points at this scene's camera
  [[nodiscard]] hp_instance Place(const HpField& field) const;    // points at this scene's knots
  [[nodiscard]] HpField Field(const HpContext& context) const;
};

SceneUnderTest MakeScene(const FieldExample& example);

// What gradients hold fixed of each ray, and how close the ray is to another answer.
struct Signature {
  std::uint64_t bits = 0;
  std::int64_t samples = 0;
  bool early_stopped = false;
  bool marginal = false;  // a sample so close to a bound that f32 may see it on the other side
};

struct Evaluation {
  HpImage<double> image;
  std::vector<Signature> rays;
};

// Renders the camera's image, or given rays, staged and in double precision.
class Evaluator {
 public:
  explicit Evaluator(const HpContext& context) : context_(context) {}
  Evaluation Camera(const SceneUnderTest& scene);
  Evaluation Rays(const SceneUnderTest& scene, const HpRays<double>& rays);
  // Fields of moved values are made anew; the unmoved one is kept.
  const HpField& FieldOf(const SceneUnderTest& scene);

 private:
  const HpContext& context_;
  std::string kept_for_;
  HpField kept_{nullptr, hp_field_destroy}, moved_{nullptr, hp_field_destroy};
};

// The cases of a pairwise test: field x camera x sampler x input x early stop.
std::vector<SceneUnderTest> PairwiseScenes(const std::vector<FieldExample>& examples);
// All examples whose gradients are checked this way.
std::vector<FieldExample> GradientExamples();

double Norm(const std::vector<double>& v);
// |a - b| / |b|; 0 when both are 0.
double RelativeDistance(const std::vector<double>& a, const std::vector<double>& b);

// Sums of few parameters, in groups that are compared as one vector.
struct SumGroup {
  const char* name;
  int first, count;
};
std::vector<SumGroup> GroupsOf(const SceneUnderTest& scene);

}  // namespace dvren::test
