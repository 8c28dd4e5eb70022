// ClosedLoop: clients that each have one unary call under way, for some time; and what it came to, as a line of JSON.
#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace dvren::bench {

struct LoadOptions {
  std::string endpoint;
  int clients = 64;  // each with a connection of its own
  double seconds = 5;
  std::int64_t calls = 0;  // ends after so many, too; 0: any number
};

struct LoadResult {
  double seconds = 0;
  std::int64_t answered = 0, failed = 0;
  std::string first_error;
  std::vector<double> latencies_ms;  // of answered calls

  [[nodiscard]] double rate() const { return static_cast<double>(answered) / seconds; }
  // {"bench": name, "rate": …, "p50_ms": …, "p99_ms": …, "answered": …, "failed": …, "error": …}
  void Print(const std::string& name) const;
};

// Starts a call of client `client`, the `number`-th of all, and calls `done` once, from any thread.
using StartCall = std::function<void(int client, std::int64_t number, std::function<void(const grpc::Status&)> done)>;

[[nodiscard]] LoadResult RunClosedLoop(const LoadOptions& options, const StartCall& start);

// One connection per client; waits until all are up, and ends the process with a message where that fails.
[[nodiscard]] std::vector<std::shared_ptr<grpc::Channel>> Connect(const std::string& endpoint, int clients);

// q in [0, 1], by linear interpolation.
[[nodiscard]] double Quantile(std::vector<double> values, double q);

}  // namespace dvren::bench
