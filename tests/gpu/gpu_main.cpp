// The tests on a GPU. Without one it says so and exits with 77, which CTest takes for skipped.
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>

#include "gpu/host_memory.h"
#include "hotpath/hp.h"

int main(int argc, char** argv) {
  if (hp_device_count(HP_DEVICE_CUDA) == 0) {
    std::puts("SKIPPED: no CUDA device on this machine (no driver, or no GPU); nothing has run on a GPU");
    return 77;
  }
  // The tests read results when a call returns.
  setenv("DVREN_CUDA_BLOCKING", "1", 1);
  dvren::test::BeginPinnedMemory();
  int failed = 1;
  dvren::test::RunOnPinnedStack([&] { failed = Catch::Session().run(argc, argv); });
  return failed;
}
