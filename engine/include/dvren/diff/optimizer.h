// Optimizer: what a step of learning does with values, gradient and moments. The formulas are kernels, one per rule
// (hotpath/optimizers/); an optimizer here says which rule and with which numbers.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "dvren/core/registry.h"
#include "dvren/train/training_spec.h"
#include "hotpath/hp.h"

namespace dvren {

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  [[nodiscard]] virtual hp_update_rule rule() const = 0;
  // Step `step` (1, 2, …) of a grid whose last channel is its density; learning rates are multiplied by `factor`.
  [[nodiscard]] hp_update_desc At(std::int64_t step, double factor, int channels) const;
  // The same of an array with one rate.
  [[nodiscard]] hp_update_desc AtRate(std::int64_t step, double rate) const;

 protected:
  explicit Optimizer(const OptimizerSpec& spec) : spec_(spec) {}
  [[nodiscard]] const OptimizerSpec& spec() const { return spec_; }
  // INVALID_ARGUMENT for what the kind would not read.
  [[nodiscard]] static absl::Status RefuseMomentum(const OptimizerSpec& spec);
  [[nodiscard]] static absl::Status RefuseNesterov(const OptimizerSpec& spec);

 private:
  virtual void SetNumbers(hp_update_desc& update) const = 0;
  OptimizerSpec spec_;
};

using OptimizerFactory = std::function<absl::StatusOr<std::unique_ptr<Optimizer>>(const OptimizerSpec&)>;
using OptimizerRegistry = Registry<OptimizerFactory>;

void RegisterBuiltinOptimizers(OptimizerRegistry& registry);
// The registry with the builtin optimizers: adam, adamw, rmsprop, sgd.
[[nodiscard]] const OptimizerRegistry& BuiltinOptimizers();
// The builtin optimizer of this spec. INVALID_ARGUMENT for an unknown kind and for what the kind does not read.
[[nodiscard]] absl::StatusOr<std::unique_ptr<Optimizer>> MakeOptimizer(const OptimizerSpec& spec);

}  // namespace dvren
