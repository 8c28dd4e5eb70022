// The table of pipelines.
#include "analysis/pipelines/cicero.h"
#include "analysis/pipelines/gaurast.h"
#include "analysis/pipelines/gbu.h"
#include "analysis/pipelines/gsarch.h"
#include "analysis/pipelines/gscore.h"
#include "analysis/pipelines/icarus.h"
#include "analysis/pipelines/instant3d.h"
#include "analysis/pipelines/neurex.h"
#include "analysis/pipelines/srender.h"
#include "dvren/analysis/pipeline.h"

namespace dvren::analysis {

void RegisterBuiltinPipelines(PipelineRegistry& registry) {
  registry.Add<Icarus>();
  registry.Add<Neurex>();
  registry.Add<Cicero>();
  registry.Add<Gscore>();
  registry.Add<Gaurast>();
  registry.Add<Srender>();
  registry.Add<Gsarch>();
  registry.Add<Gbu>();
  registry.Add<Instant3d>();
}

const PipelineRegistry& BuiltinPipelines() {
  static const PipelineRegistry registry = [] {
    PipelineRegistry made;
    RegisterBuiltinPipelines(made);
    RegisterDaemonPipelines(made);
    return made;
  }();
  return registry;
}

}  // namespace dvren::analysis
