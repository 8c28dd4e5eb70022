// Requests are checked: names, types, ranges.
#include <catch2/catch.hpp>

#include "dvren/analysis/pipeline.h"

namespace dvren::analysis {
namespace {

std::string Refusal(const std::string& kind, const std::vector<std::string>& settings, Mode mode = Mode::kCorrected,
                    std::int64_t rays = 4096, std::int64_t samples = 64) {
  OperatorRequest request;
  request.rays = rays;
  request.samples = samples;
  for (const std::string& setting : settings) REQUIRE(AddSetting(setting, request.parameters).ok());
  const auto node = Evaluate(BuiltinOperators(), kind, request, mode);
  REQUIRE_FALSE(node.ok());
  return std::string(node.status().message());
}

}  // namespace

TEST_CASE("An unknown operator suggests the nearest, by class name or op_type") {
  CHECK(Refusal("HashEncodin", {}) == "operator = HashEncodin: unknown; nearest is HashEncoding");
  CHECK(Refusal("MLPOperater", {}) == "operator = MLPOperater: unknown; nearest is MLPOperator");
}

TEST_CASE("An unknown parameter suggests the nearest") {
  CHECK(Refusal("HashEncoding", {"num_level=8"}) ==
        "HashEncoding.num_level = 8: unknown parameter; nearest is num_levels");
}

TEST_CASE("Parameters of the wrong type, zero or negative are refused") {
  CHECK(Refusal("HashEncoding", {"num_levels=0"}) == "HashEncoding.num_levels = 0: must be >= 1 and <= 65536");
  CHECK(Refusal("HashEncoding", {"num_levels=-3"}) == "HashEncoding.num_levels = -3: must be >= 1 and <= 65536");
  CHECK(Refusal("HashEncoding", {"num_levels=2.5"}) == "HashEncoding.num_levels = 2.5: must be a whole number");
  CHECK(Refusal("HashEncoding", {"num_levels=many"}) == "HashEncoding.num_levels = many: must be a whole number");
  CHECK(Refusal("FrustumCulling", {"cull_ratio=0"}) == "FrustumCulling.cull_ratio = 0: must be > 0 and <= 1");
  CHECK(Refusal("FrustumCulling", {"cull_ratio=nan"}) == "FrustumCulling.cull_ratio = nan: must be > 0 and <= 1");
  CHECK(Refusal("RFFEncoding", {"use_sin_cos=perhaps"}) == "RFFEncoding.use_sin_cos = perhaps: must be true or false");
  CHECK(Refusal("DensityRenderer", {"method=mode"}) == "DensityRenderer.method = mode: one of median, expected");
  CHECK(Refusal("AABBIntersection", {"image_wh=640"}) == "AABBIntersection.image_wh = 640: must have 2 entries");
}

TEST_CASE("Levels of a hash grid are counted one by one, and so have a limit") {
  CHECK(Refusal("HashEncoding", {"num_levels=1000000000000"}) ==
        "HashEncoding.num_levels = 1000000000000: must be >= 1 and <= 65536");
}

TEST_CASE("Required parameters must be there") {
  CHECK(Refusal("MLP", {}) == "MLP.in_dim = unset: required: inputs");
}

TEST_CASE("Rays and samples of zero are refused") {
  CHECK(Refusal("RGBRenderer", {}, Mode::kCorrected, 0) == "RGBRenderer.rays = 0: must be a whole number >= 1");
  CHECK(Refusal("RGBRenderer", {}, Mode::kReference, 1, 0) == "RGBRenderer.samples = 0: must be a whole number >= 1");
}

TEST_CASE("A setting is name=value, once") {
  ParameterMap parameters;
  CHECK(AddSetting("degree=3", parameters).ok());
  CHECK(AddSetting("degree=4", parameters).message() == "--set = degree=4: degree is given twice");
  CHECK(AddSetting("degree", parameters).message() == "--set = degree: must be name=value");
}

TEST_CASE("Width and direction may come as the reference's own parameters, and may not contradict the request") {
  OperatorRequest request;
  request.parameters = {{"bitwidth", std::string("8")}, {"backward", std::string("true")}};
  const auto node = Evaluate(BuiltinOperators(), "RGBRenderer", request, Mode::kReference);
  REQUIRE(node.ok());
  CHECK(node->bits == 8);
  CHECK(node->label == "RGBRenderer (B)");
  request.bits = 16;
  CHECK(Evaluate(BuiltinOperators(), "RGBRenderer", request, Mode::kReference).status().message() ==
        "RGBRenderer.bitwidth = 8: bits = 16 is asked for as well");
}

TEST_CASE("Reference mode refuses what the published operators do not know") {
  CHECK(Refusal("HashEncoding", {"active_ratio=0.5"}, Mode::kReference) ==
        "HashEncoding.active_ratio = 0.5: the published figures do not know it; use corrected mode");
  CHECK(Refusal("OptimizerStep", {}, Mode::kReference) ==
        "mode = reference: OptimizerStep has no published figures; use corrected mode");
  CHECK(Refusal("Projection", {"bitwidth=8"}, Mode::kReference) ==
        "Projection.bits = 8: the published operator is always 16 bits wide; use corrected mode");
  CHECK(Refusal("Recovery", {"backward=true"}, Mode::kReference) ==
        "Recovery.backward = true: the published operator has no backward; leave it out");
}

TEST_CASE("Corrected mode refuses backward of a discrete result, and widths that no memory has") {
  CHECK(Refusal("AABBIntersection", {"backward=true"}) ==
        "AABBIntersection.backward = true: its result is discrete and has no gradient; leave it out");
  CHECK(Refusal("RGBRenderer", {"bitwidth=12"}) == "RGBRenderer.bits = 12: must be 4, 8, 16, 32 or 64");
}

TEST_CASE("A tile larger than the image is refused, as is a grid whose finest level is coarser than its coarsest") {
  CHECK(Refusal("AABBIntersection", {"tile=1000"}) ==
        "AABBIntersection.tile = 1000: must not exceed width and height of image_wh");
  CHECK(Refusal("HashEncoding", {"max_res=8"}) == "HashEncoding.max_res = 8: must be >= min_res");
}

TEST_CASE("An unknown pipeline suggests the nearest, and case does not matter") {
  CHECK(BuiltinPipelines().Find("instant-3d").status().message() ==
        "pipeline = instant-3d: unknown; nearest is instant3d");
  CHECK(BuiltinPipelines().Find("Instant3D").ok());
}

TEST_CASE("Pipelines refuse backward of inference, parameters in reference mode and zero sizes") {
  const auto refusal = [](const std::string& name, PipelineRequest request, Mode mode) {
    const auto pipeline = BuiltinPipelines().Find(name);
    REQUIRE(pipeline.ok());
    return std::string(Build(**pipeline, request, mode).status().message());
  };
  PipelineRequest backward;
  backward.backward = true;
  CHECK(refusal("neurex", backward, Mode::kCorrected) ==
        "neurex.backward = true: the pipeline only renders; leave it out");
  PipelineRequest wide;
  wide.parameters = {{"mlp_width", std::int64_t{128}}};
  CHECK(refusal("neurex", wide, Mode::kReference) ==
        "neurex.mlp_width = 128: a published pipeline has no parameters; use corrected mode");
  CHECK(refusal("dense_render", {}, Mode::kReference) ==
        "mode = reference: dense_render has no published figures; use corrected mode");
  PipelineRequest empty;
  empty.rays = 0;
  CHECK(refusal("neurex", empty, Mode::kCorrected) == "neurex.rays = 0: must be >= 1");
}

}  // namespace dvren::analysis
