// dvren_bench NAME [--key value …]: one bench per run, results as JSON lines. tests/perf/run.py puts them side by side.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "bench.h"

int main(int argc, char** argv) {
  using namespace dvren::bench;
  Arguments a;
  const std::string name = argc > 1 ? argv[1] : "";
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::string key = argv[i];
    if (key == "--threads")
      a.threads = std::atoi(argv[i + 1]);
    else if (key == "--size")
      a.size = std::atoi(argv[i + 1]);
    else if (key == "--width")
      a.width = std::atoi(argv[i + 1]);
    else if (key == "--samples")
      a.samples = std::atoi(argv[i + 1]);
    else if (key == "--repetitions")
      a.repetitions = std::atoi(argv[i + 1]);
    else if (key == "--file")
      a.file = argv[i + 1];
    else if (key == "--endpoint")
      a.endpoint = argv[i + 1];
    else {
      std::fprintf(stderr, "dvren_bench: %s: unknown option\n", key.c_str());
      return 2;
    }
  }
  if (name == "dense") return Dense(a);
  if (name == "memory") return Memory(a);
  if (name == "backward") return Backward(a);
  if (name == "backward_memory") return BackwardMemory(a);
  if (name == "rays") return Rays(a);
  if (name == "scatter") return Scatter(a);
  if (name == "training") return Training(a);
#if defined(DVREN_BENCH_NANOVDB)
  if (name == "nanovdb") return NanoVdb(a);
#endif
#if defined(DVREN_BENCH_DAEMON)
  if (name == "daemon") return Daemon(a);
#endif
  std::fprintf(
      stderr,
      "usage: dvren_bench dense|memory|backward|backward_memory|rays|scatter|training|nanovdb|daemon [--threads N]\n"
      "       [--size N] [--width N] [--samples N] [--repetitions N] [--file FILE.vdb] [--endpoint ADDRESS]\n");
  return 2;
}
