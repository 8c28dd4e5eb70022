#include "dvren/analysis/definitions.h"

#include <fstream>

#include "analysis/definitions/defined_operator.h"
#include "analysis/definitions/defined_pipeline.h"

namespace dvren::analysis {
namespace {

constexpr std::size_t kMaxBytes = std::size_t{1} << 20;

}  // namespace

absl::Status AddDefinitions(const std::string& source, const std::string& text, OperatorRegistry& operators,
                            PipelineRegistry& pipelines) {
  if (text.size() > kMaxBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(source, " = ", text.size(), " bytes: must be <= ", kMaxBytes, "; split the file"));
  }
  DVREN_ASSIGN_OR_RETURN(const YamlValue root, ParseYaml(source, text));
  const DefinitionReader reader(source);
  DVREN_RETURN_IF_ERROR(reader.CheckMap(root, source, {"operators", "pipelines"}));
  OperatorRegistry more_operators = operators;
  PipelineRegistry more_pipelines = pipelines;
  if (const YamlValue* list = root.Find("operators"); list != nullptr) {
    DVREN_RETURN_IF_ERROR(reader.CheckList(*list, "operators"));
    for (const YamlValue& item : list->items) {
      DVREN_ASSIGN_OR_RETURN(std::shared_ptr<const Operator> made, DefinedOperator::Read(reader, item));
      DVREN_RETURN_IF_ERROR(reader.At(item, more_operators.Add(std::move(made))));
    }
  }
  if (const YamlValue* list = root.Find("pipelines"); list != nullptr) {
    DVREN_RETURN_IF_ERROR(reader.CheckList(*list, "pipelines"));
    for (const YamlValue& item : list->items) {
      DVREN_ASSIGN_OR_RETURN(std::shared_ptr<const Pipeline> made, DefinedPipeline::Read(reader, item, more_operators));
      DVREN_RETURN_IF_ERROR(reader.At(item, more_pipelines.Add(std::move(made))));
    }
  }
  operators = std::move(more_operators);
  pipelines = std::move(more_pipelines);
  return absl::OkStatus();
}

absl::Status AddDefinitionFile(const std::string& path, OperatorRegistry& operators, PipelineRegistry& pipelines) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(absl::StrCat("definitions = ", path, ": cannot be read"));
  std::string text(kMaxBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return AddDefinitions(path, text, operators, pipelines);
}

}  // namespace dvren::analysis
