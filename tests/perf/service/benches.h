// The benches of dvren_bench_service, one file each. Each prints lines of JSON on stdout.
#pragma once

#include <string>

#include "closed_loop.h"

namespace dvren::bench {

// Serves SubmitJob, GetJob and RenderRays with answers of the daemon's sizes that cost nothing to make: what gRPC and
// Protocol Buffers allow on this machine. Prints its address; until stdin ends.
int ServeBare(const std::string& listen);

// Transactions of one job's rows each, `group` in one commit, in WAL with synchronous=FULL as the daemon has it.
int BareSqlite(const std::string& folder, int group, double seconds);

// Renders of one frame of `field` are submitted, each with a request id.
int Submits(const LoadOptions& options, const std::string& field);
// One job is asked for again and again.
int Gets(const LoadOptions& options, const std::string& job);
// `rays` rays of `samples` samples through the blob `field` in each call.
int Rays(const LoadOptions& options, const std::string& field, int rays, int samples);
// The same rays in process, `together` calls' worth in each launch: what the kernel allows.
int KernelRays(int rays, int together, int samples, int size, double seconds);

// `watchers` streams follow `job` from its first event until it is over.
int Watchers(const std::string& endpoint, int watchers, const std::string& job);
// `readers` renders of `edge` x `edge` pixels whose answers nobody reads, until stdin ends.
int StalledReaders(const std::string& endpoint, int readers, const std::string& field, int edge);
// Renders of `edge` x `edge` pixels at a fixed rate, each given up after `deadline_ms`.
int OpenLoop(const std::string& endpoint, const std::string& field, int edge, double rate, double seconds,
             int deadline_ms);

}  // namespace dvren::bench
