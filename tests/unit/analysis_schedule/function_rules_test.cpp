// Names of traced functions, against the reference's answers.
#include "dvren/analysis/function_rules.h"

#include "operator_goldens.h"

namespace dvren::analysis {
namespace {

TEST_CASE("The 44 published names map to the types and hardware types of the reference") {
  const auto golden = ReadGolden("schedules.json");
  if (!golden) return;
  REQUIRE(golden->at("function_map").size() == 44);
  for (const auto& row : golden->at("function_map")) {
    INFO(row);
    const FunctionKind kind = ClassifyFunction(row[0].get<std::string>());
    CHECK(kind.name == row[1].get<std::string>());
    CHECK(kind.type == row[2].get<std::string>());
    CHECK(kind.hardware_type == row[3].get<std::string>());
  }
}

TEST_CASE("A name that no rule knows says so, though the reference takes it for a field") {
  CHECK_FALSE(ClassifyFunction("torch.optim.Adam.step").known);
  CHECK(ClassifyFunction("torch.optim.Adam.step").type == "FIELD_COMPUTATION");
  CHECK(ClassifyFunction("nerfstudio.fields.vanilla_nerf_field.NeRFField.get_density").known);
}

TEST_CASE("Shapes and call numbers are no part of a name") {
  CHECK(ClassifyFunction("a.b.MLP.forward[(4, 3)->(4, 8)]#12").name == "MLP.forward");
  CHECK(ClassifyFunction("MLP.forward[(4, 3)").name == "MLP.forward[(4, 3)");
  CHECK(ClassifyFunction("a#b.c").name == "a#b.c");
  CHECK(ClassifyFunction("").name.empty());
  CHECK(ClassifyFunction(".").name == ".");
}

}  // namespace
}  // namespace dvren::analysis
