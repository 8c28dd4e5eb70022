// What a field is at a place.
#pragma once

namespace hp::HP_ISA_NS {

struct Sample {
  F sigma;  // scaled, 1/world unit
  F r, g, b;
  F density;  // before the scale
  F raw;      // before the activation
};

}  // namespace hp::HP_ISA_NS
