// The transcript of the avx2 lane.
#define HP_ISA_NS transcript_avx2
#include "lanes/packet8_avx2.h"
//
#include "unit/hotpath/lane_transcript.inl"

namespace dvren::test {

void TranscriptAvx2(const LaneInputs<float>& in, EmitReals emit, void* user) {
  hp::transcript_avx2::transcript(in, emit, user);
}

}  // namespace dvren::test
