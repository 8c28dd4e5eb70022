// An operator from a definition file.
#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "analysis/definitions/definition_reader.h"
#include "dvren/analysis/operator.h"

namespace dvren::analysis {

class DefinedOperator : public Operator {
 public:
  [[nodiscard]] static absl::StatusOr<std::shared_ptr<const Operator>> Read(const DefinitionReader& reader,
                                                                            const YamlValue& value);
  const OperatorInfo& info() const override { return info_; }
  ReferenceFigures Reference(const OperatorCase&) const override { return {}; }
  CorrectedFigures Corrected(const OperatorCase& c) const override;

 private:
  // The formulas of one direction.
  struct Direction {
    Expression input_a;
    Expression input_w;
    Expression output;
    std::vector<std::pair<Count WorkCount::*, Expression>> counts;  // operations and bytes of integers
    std::vector<std::pair<Count WorkCount::*, Expression>> values;  // elements, whose bytes follow from their width
    bool has_footprint = false;
    Formula formula;
  };

  [[nodiscard]] static absl::StatusOr<Direction> ReadDirection(const DefinitionReader& reader, const YamlValue& value,
                                                               const std::string& field, const std::string& id,
                                                               const std::vector<std::string>& names);

  OperatorInfo info_;
  Direction forward_;
  std::optional<Direction> backward_;
};

}  // namespace dvren::analysis
