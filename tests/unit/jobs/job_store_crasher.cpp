// Submits jobs from several threads until it dies, or COUNT of them, and prints the request id of each that was
// acknowledged. Usage: job_store_crasher QUEUE COUNT
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/jobs/job_store.h"
#include "server/jobs/open_job_backend.h"

int main(int argc, char** argv) {
  using namespace dvren::server;
  if (argc != 3) return 2;
  auto backend = OpenJobBackend(argv[1]);
  if (!backend.ok()) {
    std::cerr << backend.status() << "\n";
    return 1;
  }
  JobStore store(*std::move(backend), [] { return std::int64_t{1'000'000'000'000}; });
  const int count = std::atoi(argv[2]);
  std::atomic<int> next{0}, errors{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = next++; i < count; i = next++) {
        JobSubmission submission;
        submission.owner = "alice";
        submission.kind = "bench";
        submission.request_id = absl::StrCat("r", i);
        if (!store.Submit(submission).ok()) {
          ++errors;
          continue;
        }
        // In one write, past all buffers: what is printed was acknowledged.
        const std::string line = absl::StrCat(submission.request_id, "\n");
        if (write(STDOUT_FILENO, line.data(), line.size()) != static_cast<ssize_t>(line.size())) ++errors;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return errors == 0 ? 0 : 1;
}
