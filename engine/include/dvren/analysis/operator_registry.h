// OperatorRegistry: the operators by class name and by op_type. `r.Add<X>()` is the one line of a new one.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "dvren/analysis/operator.h"

namespace dvren::analysis {

class OperatorRegistry {
 public:
  template <class T>
  void Add() {
    Insert(std::make_shared<const T>());
  }
  // ALREADY_EXISTS when one of its names is taken: operators from files.
  [[nodiscard]] absl::Status Add(std::shared_ptr<const Operator> kind);
  // By class name or op_type; NOT_FOUND suggests the nearest.
  [[nodiscard]] absl::StatusOr<std::shared_ptr<const Operator>> Find(const std::string& name) const;
  // In order of registration.
  [[nodiscard]] const std::vector<std::shared_ptr<const Operator>>& operators() const { return operators_; }

 private:
  void Insert(std::shared_ptr<const Operator> kind);

  std::vector<std::shared_ptr<const Operator>> operators_;
  std::map<std::string, std::shared_ptr<const Operator>> by_name_;
};

// The 32 classes of the published taxonomy.
void RegisterBuiltinOperators(OperatorRegistry& registry);
// What corrected pipelines need beside them: losses, optimizer steps, …
void RegisterSupplementaryOperators(OperatorRegistry& registry);
// The daemon's kernels, under the names of their launches.
void RegisterKernelOperators(OperatorRegistry& registry);
// All of them, made once.
[[nodiscard]] const OperatorRegistry& BuiltinOperators();

// Evaluate of the named operator.
[[nodiscard]] absl::StatusOr<OperatorNode> Evaluate(const OperatorRegistry& registry, const std::string& name,
                                                    const OperatorRequest& request, Mode mode);

}  // namespace dvren::analysis
