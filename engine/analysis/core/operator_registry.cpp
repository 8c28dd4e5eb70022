#include "dvren/analysis/operator_registry.h"

#include "analysis/core/nearest_name.h"

namespace dvren::analysis {
namespace {

std::vector<std::string> Names(const OperatorInfo& info) {
  std::vector<std::string> names = {info.op_type, info.class_name};
  names.insert(names.end(), info.other_names.begin(), info.other_names.end());
  return names;
}

}  // namespace

void OperatorRegistry::Insert(std::shared_ptr<const Operator> kind) {
  for (const std::string& name : Names(kind->info())) by_name_.emplace(name, kind);
  operators_.push_back(std::move(kind));
}

absl::Status OperatorRegistry::Add(std::shared_ptr<const Operator> kind) {
  for (const std::string& name : Names(kind->info())) {
    if (by_name_.count(name) != 0) {
      return absl::AlreadyExistsError(absl::StrCat("operator = ", name, ": the name is taken; choose another"));
    }
  }
  Insert(std::move(kind));
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const Operator>> OperatorRegistry::Find(const std::string& name) const {
  const auto it = by_name_.find(name);
  if (it != by_name_.end()) return it->second;
  std::vector<std::string> known;
  for (const auto& [key, kind] : by_name_) known.push_back(key);
  return absl::NotFoundError(absl::StrCat("operator = ", name, ": unknown", NearestHint(name, known)));
}

absl::StatusOr<OperatorNode> Evaluate(const OperatorRegistry& registry, const std::string& name,
                                      const OperatorRequest& request, Mode mode) {
  DVREN_ASSIGN_OR_RETURN(const std::shared_ptr<const Operator> kind, registry.Find(name));
  return Evaluate(*kind, request, mode);
}

}  // namespace dvren::analysis
