// Failpoints: named places at which a test makes the process die, as by a power cut between two lines. In builds with
// DVREN_FAILPOINTS the environment variable DVREN_FAILPOINT=NAME[:N] sends SIGKILL when the place is reached for the
// N-th time (1: the first); other builds know nothing of it. Places: before_commit, after_commit (the job store's
// group), before_ack (an RPC's answer), mid_checkpoint, mid_artifact (its bytes are on disk, its name is not).
#pragma once

namespace dvren::server {

#ifdef DVREN_FAILPOINTS
void Failpoint(const char* name);
#else
inline void Failpoint(const char*) {}
#endif

}  // namespace dvren::server
