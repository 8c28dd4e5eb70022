// The table of the published operators.
#include "analysis/operators/aabb_intersection.h"
#include "analysis/operators/backprop_update_merger.h"
#include "analysis/operators/decomp_binning.h"
#include "analysis/operators/density_renderer.h"
#include "analysis/operators/feature_compute.h"
#include "analysis/operators/feed_forward_read_mapper.h"
#include "analysis/operators/frustum_cull_projection.h"
#include "analysis/operators/frustum_culling.h"
#include "analysis/operators/gaussian_alpha_blend.h"
#include "analysis/operators/gradient_compute.h"
#include "analysis/operators/gradient_pruning.h"
#include "analysis/operators/hash_encoding.h"
#include "analysis/operators/hash_lookup.h"
#include "analysis/operators/index_generation.h"
#include "analysis/operators/interpolation.h"
#include "analysis/operators/mlp.h"
#include "analysis/operators/obb_intersection.h"
#include "analysis/operators/pdf_sampler.h"
#include "analysis/operators/point_arrange.h"
#include "analysis/operators/projection.h"
#include "analysis/operators/rearrangement.h"
#include "analysis/operators/recovery.h"
#include "analysis/operators/rff_encoding.h"
#include "analysis/operators/rgb_renderer.h"
#include "analysis/operators/row_generation.h"
#include "analysis/operators/row_processing.h"
#include "analysis/operators/sensitivity_prediction.h"
#include "analysis/operators/sorting.h"
#include "analysis/operators/spherical_harmonics.h"
#include "analysis/operators/subtile_skip.h"
#include "analysis/operators/tile_merging.h"
#include "analysis/operators/uniform_sampler.h"
#include "dvren/analysis/operator_registry.h"

namespace dvren::analysis {

void RegisterBuiltinOperators(OperatorRegistry& registry) {
  registry.Add<UniformSampler>();
  registry.Add<PdfSampler>();
  registry.Add<FrustumCulling>();
  registry.Add<Projection>();
  registry.Add<AabbIntersection>();
  registry.Add<ObbIntersection>();
  registry.Add<FrustumCullProjection>();
  registry.Add<HashEncoding>();
  registry.Add<IndexGeneration>();
  registry.Add<HashLookup>();
  registry.Add<Interpolation>();
  registry.Add<PointArrange>();
  registry.Add<RffEncoding>();
  registry.Add<Mlp>();
  registry.Add<SphericalHarmonics>();
  registry.Add<RgbRenderer>();
  registry.Add<DensityRenderer>();
  registry.Add<Sorting>();
  registry.Add<GaussianAlphaBlend>();
  registry.Add<SubtileSkip>();
  registry.Add<SensitivityPrediction>();
  registry.Add<Recovery>();
  registry.Add<TileMerging>();
  registry.Add<FeatureCompute>();
  registry.Add<GradientCompute>();
  registry.Add<GradientPruning>();
  registry.Add<Rearrangement>();
  registry.Add<RowProcessing>();
  registry.Add<RowGeneration>();
  registry.Add<DecompBinning>();
  registry.Add<FeedForwardReadMapper>();
  registry.Add<BackpropUpdateMerger>();
}

const OperatorRegistry& BuiltinOperators() {
  static const OperatorRegistry registry = [] {
    OperatorRegistry made;
    RegisterBuiltinOperators(made);
    RegisterSupplementaryOperators(made);
    RegisterKernelOperators(made);
    return made;
  }();
  return registry;
}

}  // namespace dvren::analysis
