// Operators and pipelines that users define in YAML. docs/analysis.md shows a file.
#pragma once

#include <string>

#include "dvren/analysis/pipeline.h"

namespace dvren::analysis {

// Adds what `text` defines to the registries; either all of it or, with an error, nothing. `source` names the file in
// messages. INVALID_ARGUMENT names file, line, field and remedy; ALREADY_EXISTS where a name is taken.
[[nodiscard]] absl::Status AddDefinitions(const std::string& source, const std::string& text,
                                          OperatorRegistry& operators, PipelineRegistry& pipelines);

// The same, from a file of at most 1 MiB.
[[nodiscard]] absl::Status AddDefinitionFile(const std::string& path, OperatorRegistry& operators,
                                             PipelineRegistry& pipelines);

}  // namespace dvren::analysis
