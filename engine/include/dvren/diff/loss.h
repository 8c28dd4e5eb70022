// Loss: how far rendered rays are from photographs, and which way to change them. Host memory, one call per step.
#pragma once

#include <functional>
#include <memory>
#include <span>

#include "dvren/core/registry.h"
#include "dvren/train/training_spec.h"

namespace dvren {

class Loss {
 public:
  virtual ~Loss() = default;

  // L = sum over rays r and channels c of scale * weight[r] * l(prediction[r][c] - target[r][c]).
  // `prediction`, `target` and `gradient` are (rays, channels) in C order and of one size; `ray_weights` is empty (all
  // 1) or one per ray. Writes dL/d(prediction) to `gradient` and returns L, both computed in double. The order of the
  // sum is fixed: it depends on the sizes alone. For a mean over n values, scale = 1/n. NaN in, NaN out.
  virtual double Evaluate(std::span<const float> prediction, std::span<const float> target,
                          std::span<const float> ray_weights, int channels, double scale,
                          std::span<float> gradient) const = 0;
};

using LossFactory = std::function<absl::StatusOr<std::unique_ptr<Loss>>(const LossSpec&)>;
using LossRegistry = Registry<LossFactory>;

void RegisterBuiltinLosses(LossRegistry& registry);
// The registry with the builtin losses: mse, l1, huber.
[[nodiscard]] const LossRegistry& BuiltinLosses();
// The builtin loss of this spec. INVALID_ARGUMENT for an unknown kind, and for parameters that the kind does not take.
[[nodiscard]] absl::StatusOr<std::unique_ptr<Loss>> MakeLoss(const LossSpec& spec);

}  // namespace dvren
