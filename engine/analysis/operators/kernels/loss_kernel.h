// "loss": the error of rendered rays and its gradient.
#pragma once

#include "analysis/operators/mse_loss.h"

namespace dvren::analysis {

class LossKernel : public MseLoss {
 public:
  const OperatorInfo& info() const override {
    static const OperatorInfo info = [this] {
      OperatorInfo made = MseLoss::info();
      made.class_name = "LossKernel";
      made.op_type = "loss";
      return made;
    }();
    return info;
  }
};

}  // namespace dvren::analysis
