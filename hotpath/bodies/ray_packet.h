// A packet of rays in world space.
#pragma once

namespace hp::HP_ISA_NS {

struct RayPacket {
  F ox, oy, oz;  // world
  F dx, dy, dz;  // unit
  F t_near, t_far;
  U id_low, id_high;
  M live;
};

}  // namespace hp::HP_ISA_NS
