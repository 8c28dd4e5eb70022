// DefinitionReader: fields of a definition file, each checked, with messages `file.yaml:12: TriPlane.category = X: …`.
#pragma once

#include <string>
#include <vector>

#include "analysis/definitions/yaml_value.h"
#include "dvren/analysis/expression.h"
#include "dvren/analysis/parameters.h"

namespace dvren::analysis {

class DefinitionReader {
 public:
  explicit DefinitionReader(std::string source) : source_(std::move(source)) {}

  // `field` is the path of the value.
  [[nodiscard]] absl::Status Wrong(const YamlValue& value, const std::string& field, const std::string& why) const;
  // The same, of a status that already names a field.
  [[nodiscard]] absl::Status At(const YamlValue& value, const absl::Status& status) const;

  // A map that has no keys but these; the nearest is suggested.
  [[nodiscard]] absl::Status CheckMap(const YamlValue& value, const std::string& field,
                                      const std::vector<std::string>& keys) const;
  [[nodiscard]] absl::Status CheckList(const YamlValue& value, const std::string& field) const;
  // Scalars of a map.
  [[nodiscard]] absl::StatusOr<std::string> Required(const YamlValue& map, const std::string& field,
                                                     const std::string& key) const;
  [[nodiscard]] absl::StatusOr<std::string> GivenOr(const YamlValue& map, const std::string& field,
                                                    const std::string& key, const std::string& absent) const;
  // Null where the key is absent; belongs to the map.
  [[nodiscard]] absl::StatusOr<const std::string*> Given(const YamlValue& map, const std::string& field,
                                                         const std::string& key) const;
  // false where the key is absent.
  [[nodiscard]] absl::StatusOr<bool> Flag(const YamlValue& map, const std::string& field, const std::string& key) const;
  // The expression of a key, or `absent` where it is not there.
  [[nodiscard]] absl::StatusOr<Expression> Formula(const YamlValue& map, const std::string& field,
                                                   const std::string& key, const std::vector<std::string>& names,
                                                   const std::string& absent) const;
  // A name of letters, digits and _ that expressions can hold.
  [[nodiscard]] absl::Status CheckName(const YamlValue& value, const std::string& field, const std::string& name) const;
  // The key `parameters`: a list of {name, type, default, least, greatest, meaning}; empty where absent.
  [[nodiscard]] absl::StatusOr<std::vector<ParameterSpec>> ParameterList(const YamlValue& map,
                                                                         const std::string& field) const;

 private:
  [[nodiscard]] absl::StatusOr<ParameterSpec> Parameter(const YamlValue& value, const std::string& field) const;

  std::string source_;
};

// Names that expressions know beside a definition's numeric parameters.
[[nodiscard]] std::vector<std::string> SizeNames();  // rays, samples, total_samples, bits
// With the numeric parameters of `specs`.
[[nodiscard]] std::vector<std::string> NamesOf(const std::vector<ParameterSpec>& specs);
// The values of all of NamesOf.
[[nodiscard]] Quantities QuantitiesOf(const Count& rays, const Count& samples, int bits, const Parameters& parameters);

}  // namespace dvren::analysis
