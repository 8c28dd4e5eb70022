// docs/analysis.md names what the registries hold.
#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <set>

#include "dvren/analysis/cache_model.h"
#include "dvren/analysis/definitions.h"

namespace dvren::analysis {
namespace {

std::string Documentation() {
  std::ifstream file(std::string(DVREN_SOURCE_DIR) + "/docs/analysis.md");
  REQUIRE(file);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// Ids of the formulas of an operator with every flag and choice, in both directions.
void AddFormulas(const Operator& kind, std::set<std::string>& ids) {
  std::vector<ParameterMap> variants = {{}};
  for (const ParameterSpec& spec : kind.info().parameters) {
    for (const std::string& choice : spec.choices) variants.push_back({{spec.name, choice}});
    if (spec.type == ParameterSpec::Type::kBool) variants.push_back({{spec.name, true}});
  }
  for (const bool backward : {false, true}) {
    for (ParameterMap parameters : variants) {
      for (const ParameterSpec& spec : kind.info().parameters) {
        if (spec.required) parameters[spec.name] = std::int64_t{3};
      }
      if (parameters.count("field") > 0) parameters["channels"] = std::int64_t{1};
      OperatorRequest request;
      request.backward = backward;
      request.parameters = parameters;
      const auto node = Evaluate(kind, request, Mode::kCorrected);
      if (!node.ok()) continue;  // backward of what is discrete
      for (const Formula& formula : node->formulas) ids.insert(formula.id);
    }
  }
}

}  // namespace

TEST_CASE("The documentation explains every formula, operator and pipeline") {
  const std::string text = Documentation();
  std::set<std::string> names = {kCacheFormulaId};
  for (const auto& kind : BuiltinOperators().operators()) {
    AddFormulas(*kind, names);
    names.insert(kind->info().op_type);
  }
  for (const auto& pipeline : BuiltinPipelines().pipelines()) names.insert(pipeline->info().name);
  CHECK(names.size() > 100);
  for (const std::string& name : names) {
    INFO(name);
    CHECK(text.find("`" + name + "`") != std::string::npos);
  }
}

TEST_CASE("The documentation's definition file is read") {
  const std::string text = Documentation();
  const std::size_t begin = text.find("```yaml\n");
  REQUIRE(begin != std::string::npos);
  const std::size_t end = text.find("```", begin + 8);
  OperatorRegistry operators = BuiltinOperators();
  PipelineRegistry pipelines = BuiltinPipelines();
  const absl::Status status =
      AddDefinitions("docs/analysis.md", text.substr(begin + 8, end - begin - 8), operators, pipelines);
  INFO(status);
  CHECK(status.ok());
}

}  // namespace dvren::analysis
