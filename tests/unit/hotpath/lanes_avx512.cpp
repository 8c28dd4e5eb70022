// The transcript of the avx512 lane.
#define HP_ISA_NS transcript_avx512
#include "lanes/packet16_avx512.h"
//
#include "unit/hotpath/lane_transcript.inl"

namespace dvren::test {

void TranscriptAvx512(const LaneInputs<float>& in, EmitReals emit, void* user) {
  hp::transcript_avx512::transcript(in, emit, user);
}

}  // namespace dvren::test
