// Parameters of radiance-field stages that several pipelines share.
#pragma once

#include "analysis/operators/figures.h"
#include "analysis/pipelines/graph_builder.h"

namespace dvren::analysis {

[[nodiscard]] inline ParameterMap MlpOf(std::int64_t in, std::int64_t layers, std::int64_t width,
                                        std::optional<std::int64_t> out = std::nullopt) {
  ParameterMap parameters = {{"in_dim", in}, {"num_layers", layers}, {"layer_width", width}};
  if (out) parameters["out_dim"] = *out;
  return parameters;
}

[[nodiscard]] inline ParameterSpec ActiveShare() {
  return Ratio("active_ratio", 1, "share of the samples that contribute; measure it on a scene");
}

// What a corrected hash-grid pipeline may be asked to change.
[[nodiscard]] inline std::vector<ParameterSpec> HashFieldParameters(std::int64_t mlp_layers) {
  return {ActiveShare(),
          PositiveInteger("num_levels", 16, "levels of the hash grid"),
          PositiveInteger("features_per_level", 2, "features of an entry"),
          PositiveInteger("log2_hashmap_size", 19, "log2 of the entries of a level's table"),
          PositiveInteger("min_res", 16, "cells per axis of the coarsest level"),
          PositiveInteger("max_res", 1024, "cells per axis of the finest level"),
          PositiveInteger("mlp_layers", mlp_layers, "layers of the network"),
          PositiveInteger("mlp_width", 64, "width of its hidden layers")};
}

// Samples cost what active_ratio leaves of them.
[[nodiscard]] inline ParameterMap Active(const PipelineCase& c, ParameterMap more = {}) {
  more["active_ratio"] = c.parameters.Real("active_ratio");
  return more;
}

[[nodiscard]] inline ParameterMap HashGridOf(const PipelineCase& c, ParameterMap more = {}) {
  for (const char* name : {"num_levels", "features_per_level", "log2_hashmap_size", "min_res", "max_res"}) {
    more[name] = c.parameters.values().at(name);
  }
  return Active(c, std::move(more));
}

// Features of the hash grid to colour and density.
[[nodiscard]] inline ParameterMap HashMlpOf(const PipelineCase& c, ParameterMap more = {}) {
  const Count features = Count(c.parameters.Integer("num_levels")) * c.parameters.Integer("features_per_level");
  // A width past int64 is refused as an input width of 0.
  more.merge(MlpOf(features.exact() ? features.integer() : 0, c.parameters.Integer("mlp_layers"),
                   c.parameters.Integer("mlp_width"), 4));
  return Active(c, std::move(more));
}

// Samples that contribute.
[[nodiscard]] inline Count ActiveOf(const PipelineCase& c) {
  return c.rays * c.samples * Count(c.parameters.Real("active_ratio"));
}

}  // namespace dvren::analysis
