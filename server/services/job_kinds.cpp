#include "server/services/bench_job.h"
#include "server/services/job_kind.h"
#include "server/services/render_sequence_job.h"
#include "server/services/train_job.h"

namespace dvren::server {

bool IsFinal(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kUnimplemented:
      return true;
    default:
      return false;
  }
}

std::vector<std::string> JobKind::Fields(const v1::JobSpec& spec) const {
  static_cast<void>(spec);
  return {};
}

void RegisterBuiltinJobKinds(JobKindRegistry& registry) {
  registry.Add<BenchJob>("bench");
  registry.Add<RenderSequenceJob>("render_sequence");
  registry.Add<TrainJob>("train");
}

const JobKindRegistry& BuiltinJobKinds() {
  static const JobKindRegistry registry = [] {
    JobKindRegistry r("job.kind");
    RegisterBuiltinJobKinds(r);
    return r;
  }();
  return registry;
}

absl::StatusOr<std::string> KindOf(const v1::JobSpec& spec) {
  const auto* one = v1::JobSpec::descriptor()->FindOneofByName("kind");
  const auto* field = v1::JobSpec::GetReflection()->GetOneofFieldDescriptor(spec, one);
  if (field == nullptr) {
    return InvalidField("spec", "without a kind", "must have one of render_sequence, train, bench");
  }
  return field->name();
}

}  // namespace dvren::server
