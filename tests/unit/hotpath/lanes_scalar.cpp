// The transcript of the scalar lane.
#define HP_ISA_NS transcript_scalar
#include "lanes/scalar.h"
//
#include "unit/hotpath/lane_transcript.inl"

namespace dvren::test {

void TranscriptScalar(const LaneInputs<float>& in, EmitReals emit, void* user) {
  hp::transcript_scalar::transcript(in, emit, user);
}

}  // namespace dvren::test
