#include "abi/float_environment.h"

#if defined(__x86_64__) || defined(_M_X64)
#include <xmmintrin.h>
#define HP_HAVE_MXCSR 1
#endif

namespace hp {

FloatEnvironment::FloatEnvironment() : saved_(0) {
#if defined(HP_HAVE_MXCSR)
  saved_ = _mm_getcsr();
  _mm_setcsr(0x1f80);  // all exceptions masked, round to nearest, no FTZ, no DAZ
#endif
}

FloatEnvironment::~FloatEnvironment() {
#if defined(HP_HAVE_MXCSR)
  _mm_setcsr(saved_);
#endif
}

}  // namespace hp
