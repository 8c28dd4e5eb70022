// A pipeline from a definition file.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "analysis/definitions/definition_reader.h"
#include "dvren/analysis/pipeline.h"

namespace dvren::analysis {

class DefinedPipeline : public Pipeline {
 public:
  // `operators` are those that its nodes may name.
  [[nodiscard]] static absl::StatusOr<std::shared_ptr<const Pipeline>> Read(const DefinitionReader& reader,
                                                                            const YamlValue& value,
                                                                            const OperatorRegistry& operators);
  const PipelineInfo& info() const override { return info_; }
  absl::StatusOr<OperatorGraph> Reference(const PipelineCase& c) const override;
  absl::StatusOr<OperatorGraph> Corrected(const PipelineCase& c) const override;

 private:
  struct Node {
    std::string name;
    std::string kind;
    bool backward = false;
    int bits = 16;
    Expression rays;
    Expression samples;
    Expression external;
    std::map<std::string, Expression> numbers;  // parameters of the operator
    ParameterMap others;
  };
  struct Edge {
    std::size_t from;  // in nodes_
    std::size_t to;
    std::optional<Expression> elements;  // unset: all
  };

  [[nodiscard]] absl::Status ReadNodes(const DefinitionReader& reader, const YamlValue& value,
                                       const OperatorRegistry& operators);
  [[nodiscard]] absl::StatusOr<Node> ReadNode(const DefinitionReader& reader, const YamlValue& value,
                                              const OperatorRegistry& operators) const;
  [[nodiscard]] absl::Status ReadSettings(const DefinitionReader& reader, const YamlValue& value,
                                          const OperatorInfo& kind, const std::string& field, Node& node) const;
  [[nodiscard]] absl::Status ReadEdges(const DefinitionReader& reader, const YamlValue& value);
  [[nodiscard]] absl::StatusOr<std::size_t> Place(const DefinitionReader& reader, const YamlValue& edge,
                                                  const std::string& end) const;

  PipelineInfo info_;
  std::vector<Node> nodes_;
  std::vector<Edge> edges_;
};

}  // namespace dvren::analysis
