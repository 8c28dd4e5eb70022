#include "server/services/job_inputs.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace dvren::server {
namespace {

std::string Folder(std::size_t field) {
  return absl::StrCat("input/", field, "/");
}

}  // namespace

absl::StatusOr<std::vector<JobArtifact>> JobInputs::Store(const JobEnvironment& environment, const std::string& tenant,
                                                          const JobKind& kind, const v1::JobSpec& spec) {
  std::vector<JobArtifact> inputs;
  const std::vector<std::string> names = kind.Fields(spec);
  for (std::size_t i = 0; i < names.size(); ++i) {
    DVREN_ASSIGN_OR_RETURN(const std::vector<JobArtifact> field,
                           StoreField(environment.objects, environment.context.fields, tenant, names[i], Folder(i)));
    inputs.insert(inputs.end(), field.begin(), field.end());
  }
  return inputs;
}

absl::StatusOr<JobInputs> JobInputs::Load(const JobEnvironment& environment, JobId id,
                                          const std::vector<std::string>& names) {
  JobInputs inputs;
  if (names.empty()) return inputs;
  DVREN_ASSIGN_OR_RETURN(const std::vector<JobArtifact> artifacts, environment.jobs.Artifacts(id));
  for (std::size_t i = 0; i < names.size(); ++i) {
    DVREN_ASSIGN_OR_RETURN(inputs.fields_[names[i]], FindField(environment.objects, artifacts, Folder(i)));
  }
  return inputs;
}

absl::StatusOr<FieldLease> JobInputs::Acquire(const JobEnvironment& environment, Stream& stream,
                                              const InstanceSpec& instance) const {
  const auto found = fields_.find(instance.field);
  if (found == fields_.end()) {
    return absl::InternalError(absl::StrCat("field = ", instance.field, ": did not come with the job"));
  }
  const FieldObject& field = found->second;
  if (instance.field_version != 0 && instance.field_version != field.description.version()) {
    return absl::AbortedError(absl::StrCat("field_version = ", instance.field_version, ": ", instance.field,
                                           " had version ", field.description.version(),
                                           " when the job was submitted; read the field again"));
  }
  return environment.context.fields.AcquireForeign(stream, field.description, field.key,
                                                   [&] { return ReadPayload(environment.objects, field); });
}

}  // namespace dvren::server
