// Pipeline: a named graph of operators at a size: a published accelerator's workload or one of the daemon's own.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dvren/analysis/operator_graph.h"
#include "dvren/analysis/operator_registry.h"

namespace dvren::analysis {

struct PipelineInfo {
  std::string name;                       // "icarus": of the golden files, and of requests
  std::string meaning;                    // one line
  bool training = false;                  // has a backward half
  bool published = true;                  // false: the pipeline has no reference mode
  std::vector<ParameterSpec> parameters;  // of corrected mode
};

struct PipelineRequest {
  std::int64_t rays = 4096;
  std::int64_t samples = 64;     // per ray; of splatting pipelines the length of a pixel's list
  std::optional<int> bits;       // of every operator; unset: as the pipeline says
  std::optional<bool> backward;  // unset: both halves of a training pipeline
  ParameterMap parameters;
};

// A checked request.
struct PipelineCase {
  std::string name;
  Count rays;
  Count samples;
  std::optional<int> bits;
  bool backward = false;
  Mode mode = Mode::kCorrected;
  Parameters parameters;
  const OperatorRegistry* operators = nullptr;
};

class Pipeline {
 public:
  virtual ~Pipeline() = default;
  [[nodiscard]] virtual const PipelineInfo& info() const = 0;
  // The published graph, both halves. Of pipelines that are not published: never called.
  [[nodiscard]] virtual absl::StatusOr<OperatorGraph> Reference(const PipelineCase& c) const = 0;
  // Acyclic, with edges that fit the tensors; backward as the case says.
  [[nodiscard]] virtual absl::StatusOr<OperatorGraph> Corrected(const PipelineCase& c) const = 0;
};

// Checks the request and builds the graph; a corrected graph is checked for cycles and sizes.
[[nodiscard]] absl::StatusOr<OperatorGraph> Build(const Pipeline& pipeline, const PipelineRequest& request, Mode mode,
                                                  const OperatorRegistry& operators = BuiltinOperators());

class PipelineRegistry {
 public:
  template <class T>
  void Add() {
    pipelines_.push_back(std::make_shared<const T>());
  }
  // ALREADY_EXISTS when the name is taken: pipelines from files.
  [[nodiscard]] absl::Status Add(std::shared_ptr<const Pipeline> pipeline);
  // Case is ignored; NOT_FOUND suggests the nearest.
  [[nodiscard]] absl::StatusOr<std::shared_ptr<const Pipeline>> Find(const std::string& name) const;
  // In order of registration.
  [[nodiscard]] const std::vector<std::shared_ptr<const Pipeline>>& pipelines() const { return pipelines_; }

 private:
  std::vector<std::shared_ptr<const Pipeline>> pipelines_;
};

// The nine published accelerators.
void RegisterBuiltinPipelines(PipelineRegistry& registry);
// The daemon's own: dense, NanoVDB and hash-MLP fields; render, backward, train step.
void RegisterDaemonPipelines(PipelineRegistry& registry);
// All of them, made once.
[[nodiscard]] const PipelineRegistry& BuiltinPipelines();

}  // namespace dvren::analysis
