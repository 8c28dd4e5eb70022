// The table of optimizers, and what they share.
#include "diff/optimizers/adam.h"
#include "diff/optimizers/adamw.h"
#include "diff/optimizers/rmsprop.h"
#include "diff/optimizers/sgd.h"
#include "dvren/diff/optimizer.h"

namespace dvren {

hp_update_desc Optimizer::At(std::int64_t step, double factor, int channels) const {
  hp_update_desc update = AtRate(step, 0);
  update.sparse = spec_.sparse ? 1 : 0;
  const int harmonics = (channels - 1) / 3;  // of each colour; the first is the constant
  const double above = spec_.harmonics_rate > 0 ? spec_.harmonics_rate : spec_.color_rate;
  for (int c = 0; c + 1 < channels; ++c) update.rates[c] = factor * (c % harmonics == 0 ? spec_.color_rate : above);
  update.rates[channels - 1] = factor * spec_.density_rate;
  return update;
}

hp_update_desc Optimizer::AtRate(std::int64_t step, double rate) const {
  hp_update_desc update{};
  HP_INIT(update);
  update.rule = rule();
  update.step = step;
  update.weight_decay = spec_.weight_decay;
  update.rates[0] = rate;
  update.clip_value = spec_.clip_value;
  SetNumbers(update);
  return update;
}

absl::Status Optimizer::RefuseMomentum(const OptimizerSpec& spec) {
  if (spec.momentum == 0) return absl::OkStatus();
  return InvalidField("optimizer.momentum", spec.momentum,
                      absl::StrCat("optimizer.kind = ", spec.kind, " has none: leave it out"));
}

absl::Status Optimizer::RefuseNesterov(const OptimizerSpec& spec) {
  if (!spec.nesterov) return absl::OkStatus();
  return InvalidField("optimizer.nesterov", "true",
                      absl::StrCat("optimizer.kind = ", spec.kind, " has none: leave it out"));
}

void RegisterBuiltinOptimizers(OptimizerRegistry& registry) {
  registry.Add<Adam>("adam");
  registry.Add<AdamW>("adamw");
  registry.Add<RmsProp>("rmsprop");
  registry.Add<Sgd>("sgd");
}

const OptimizerRegistry& BuiltinOptimizers() {
  static const OptimizerRegistry registry = [] {
    OptimizerRegistry r("optimizer.kind");
    RegisterBuiltinOptimizers(r);
    return r;
  }();
  return registry;
}

absl::StatusOr<std::unique_ptr<Optimizer>> MakeOptimizer(const OptimizerSpec& spec) {
  const absl::StatusOr<OptimizerFactory> factory = BuiltinOptimizers().Find(spec.kind);
  if (!factory.ok()) return absl::InvalidArgumentError(factory.status().message());
  return (*factory)(spec);
}

}  // namespace dvren
