#include "server/services/bench_job.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "server/registries/field_registry.h"
#include "server/services/job_render.h"

namespace dvren::server {
namespace {

constexpr int kDefaultRepeats = 10, kMaxRepeats = 10'000;

int RepeatsOf(const v1::BenchJob& bench) {
  return bench.repeats() == 0 ? kDefaultRepeats : bench.repeats();
}

// Of sorted values, the nearest rank.
double Percentile(const std::vector<double>& sorted, double p) {
  const auto rank = static_cast<std::size_t>(p * static_cast<double>(sorted.size() - 1) + 0.5);
  return sorted[rank];
}

}  // namespace

absl::StatusOr<std::int64_t> BenchJob::Check(const JobEnvironment& environment, const std::string& tenant,
                                             const v1::JobSpec& spec) const {
  DVREN_ASSIGN_OR_RETURN(
      const RenderSpec render,
      CheckJobRender(spec.bench().render(), environment.context.config.limits.max_image_edge, "spec.bench.render"));
  for (const InstanceSpec& instance : render.scene.instances) {
    DVREN_RETURN_IF_ERROR(environment.context.fields.Get(tenant, instance.field).status());
  }
  if (spec.bench().repeats() < 0 || spec.bench().repeats() > kMaxRepeats) {
    return InvalidField("spec.bench.repeats", spec.bench().repeats(),
                        absl::StrCat("must be 1 to ", kMaxRepeats, ", or 0 for ", kDefaultRepeats));
  }
  return RepeatsOf(spec.bench());
}

std::vector<std::string> BenchJob::Fields(const v1::JobSpec& spec) const {
  return FieldsOf(spec.bench().render());
}

// Begins anew with each attempt: figures of different daemons do not belong together.
absl::Status BenchJob::Run(const JobEnvironment& environment, JobRun& run) const {
  const v1::BenchJob& bench = run.spec().bench();
  std::vector<double> seconds;
  RenderedImage image;
  for (int i = 0; i < RepeatsOf(bench); ++i) {
    DVREN_ASSIGN_OR_RETURN(image, RenderOnDevice(environment, run, bench.render()));
    seconds.push_back(image.stats.wall_seconds);
    JobUpdate update;
    update.done = i + 1;
    update.events = {ProgressEvent(i + 1, RepeatsOf(bench), {{"render_seconds", seconds.back()}})};
    DVREN_RETURN_IF_ERROR(run.Note(std::move(update)));
  }
  std::sort(seconds.begin(), seconds.end());
  const double median = Percentile(seconds, 0.5);
  const nlohmann::json figures{{"width", image.width},
                               {"height", image.height},
                               {"repeats", seconds.size()},
                               {"rays", image.stats.rays},
                               {"samples", image.stats.samples},
                               {"kernel_seconds_p50", median},
                               {"kernel_seconds_p95", Percentile(seconds, 0.95)},
                               {"samples_per_second_p50", static_cast<double>(image.stats.samples) / median}};
  DVREN_ASSIGN_OR_RETURN(const StoredObject object, environment.objects.Put(figures.dump(2) + "\n"));
  JobUpdate last;
  last.artifacts = {{"bench.json", object.sha256, object.bytes, "application/json"}};
  return run.Note(std::move(last));
}

}  // namespace dvren::server
