#include "dvren/client/render.h"

namespace dvren::client {

int AovChannels(v1::Aov aov) {
  return aov == v1::AOV_RGB ? 3 : 1;
}

std::string AovName(v1::Aov aov) {
  switch (aov) {
    case v1::AOV_RGB:
      return "rgb";
    case v1::AOV_OPACITY:
      return "opacity";
    case v1::AOV_TRANSMITTANCE:
      return "transmittance";
    case v1::AOV_DEPTH:
      return "depth";
    case v1::AOV_HIT:
      return "hit";
    default:
      return "unknown";
  }
}

}  // namespace dvren::client
