// The kernels of the avx2 lane.
#define HP_ISA_NS isa_avx2
#include "lanes/packet8_avx2.h"
//
#include "backends/cpu/kernels.inl"

namespace hp::cpu {

const KernelTable& Avx2Kernels() {
  static const KernelTable table = isa_avx2::make_table("avx2");
  return table;
}

}  // namespace hp::cpu
