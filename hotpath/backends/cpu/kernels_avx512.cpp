// The kernels of the avx512 lane.
#define HP_ISA_NS isa_avx512
#include "lanes/packet16_avx512.h"
//
#include "backends/cpu/kernels.inl"

namespace hp::cpu {

const KernelTable& Avx512Kernels() {
  static const KernelTable table = isa_avx512::make_table("avx512");
  return table;
}

}  // namespace hp::cpu
