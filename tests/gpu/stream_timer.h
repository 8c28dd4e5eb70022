// The time that a stream takes for what it is given: by events on a GPU, by the clock on the host executor.
#pragma once

#include <chrono>

#include "abi/objects.h"
#include "support/hp_fixture.h"
#if defined(DVREN_BENCH_ON_GPU)
#include <cuda_runtime_api.h>

#include "backends/cuda/runtime.h"
#endif

namespace dvren::test {

#if defined(DVREN_BENCH_ON_GPU)

class StreamTimer {
 public:
  explicit StreamTimer(hp_stream* stream)
      : native_(static_cast<cudaStream_t>(static_cast<hp::cuda::Stream*>(stream->handle)->native)) {
    cudaEventCreate(&begin_);
    cudaEventCreate(&end_);
  }
  ~StreamTimer() {
    cudaEventDestroy(begin_);
    cudaEventDestroy(end_);
  }
  StreamTimer(const StreamTimer&) = delete;
  StreamTimer& operator=(const StreamTimer&) = delete;
  void Begin() { cudaEventRecord(begin_, native_); }
  double End() {  // seconds; waits
    cudaEventRecord(end_, native_);
    float ms = 0;
    if (cudaEventSynchronize(end_) != cudaSuccess || cudaEventElapsedTime(&ms, begin_, end_) != cudaSuccess) {
      throw std::runtime_error("the stream's events failed");
    }
    return 1e-3 * static_cast<double>(ms);
  }

 private:
  cudaStream_t native_;
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
};

#else

class StreamTimer {
 public:
  explicit StreamTimer(hp_stream*) {}
  void Begin() { begin_ = std::chrono::steady_clock::now(); }
  double End() { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count(); }

 private:
  std::chrono::steady_clock::time_point begin_;
};

#endif

}  // namespace dvren::test
