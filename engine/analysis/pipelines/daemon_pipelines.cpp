// The table of the daemon's own pipelines.
#include "analysis/pipelines/grid_pipelines.h"
#include "analysis/pipelines/hash_mlp_pipelines.h"
#include "analysis/pipelines/staged_render.h"
#include "dvren/analysis/pipeline.h"

namespace dvren::analysis {

void RegisterDaemonPipelines(PipelineRegistry& registry) {
  registry.Add<DenseRender>();
  registry.Add<DenseBackward>();
  registry.Add<DenseTrain>();
  registry.Add<StagedRender>();
  registry.Add<NanovdbRender>();
  registry.Add<NanovdbBackward>();
  registry.Add<HashMlpRender>();
  registry.Add<HashMlpBackward>();
  registry.Add<HashMlpTrain>();
}

}  // namespace dvren::analysis
