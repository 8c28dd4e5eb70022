// The transcript of the double lane.
#define HP_ISA_NS transcript_double
#define HP_REAL_IS_DOUBLE
#include "lanes/scalar.h"
//
#include "unit/hotpath/lane_transcript.inl"

namespace dvren::test {

void TranscriptDouble(const LaneInputs<double>& in, EmitReals emit, void* user) {
  hp::transcript_double::transcript(in, emit, user);
}

}  // namespace dvren::test
