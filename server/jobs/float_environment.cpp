#include "server/jobs/float_environment.h"

#include <cfenv>

#if defined(__x86_64__) || defined(_M_X64) || defined(__i386__)
#include <xmmintrin.h>
#endif

namespace dvren::server {

void SetFloatingPointEnvironment() {
  std::fesetround(FE_TONEAREST);
#if defined(__x86_64__) || defined(_M_X64) || defined(__i386__)
  constexpr unsigned kMaskAllExceptions = 0x1F80;  // rounding bits, FTZ (15) and DAZ (6) clear
  _mm_setcsr(kMaskAllExceptions);
#endif
}

}  // namespace dvren::server
