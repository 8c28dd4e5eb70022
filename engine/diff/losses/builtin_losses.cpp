// The table of losses. A new one is one line in RegisterBuiltinLosses.
#include "diff/losses/huber.h"
#include "diff/losses/l1.h"
#include "diff/losses/mse.h"
#include "dvren/diff/loss.h"

namespace dvren {

void RegisterBuiltinLosses(LossRegistry& registry) {
  registry.Add<MseLoss>("mse");
  registry.Add<L1Loss>("l1");
  registry.Add<HuberLoss>("huber");
}

const LossRegistry& BuiltinLosses() {
  static const LossRegistry registry = [] {
    LossRegistry r("loss.kind");
    RegisterBuiltinLosses(r);
    return r;
  }();
  return registry;
}

absl::StatusOr<std::unique_ptr<Loss>> MakeLoss(const LossSpec& spec) {
  const absl::StatusOr<LossFactory> create = BuiltinLosses().Find(spec.kind);
  if (!create.ok()) return absl::InvalidArgumentError(create.status().message());
  return (*create)(spec);
}

}  // namespace dvren
