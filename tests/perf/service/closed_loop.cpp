#include "closed_loop.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <nlohmann/json.hpp>
#include <utility>

#include "../bench.h"

namespace dvren::bench {
namespace {

class Loop {
 public:
  Loop(const LoadOptions& options, const StartCall& start)
      : options_(options), start_(start), begin_(WallSeconds()), end_(begin_ + options.seconds) {}

  LoadResult Run() {
    running_ = options_.clients;
    for (int client = 0; client < options_.clients; ++client) Next(client);
    std::unique_lock lock(mutex_);
    over_.wait(lock, [this] { return running_ == 0; });
    result_.seconds = WallSeconds() - begin_;
    return std::move(result_);
  }

 private:
  void Next(int client) {
    std::int64_t number = 0;
    {
      const std::lock_guard lock(mutex_);
      if (WallSeconds() >= end_ || (options_.calls > 0 && started_ >= options_.calls)) {
        if (--running_ == 0) over_.notify_one();
        return;
      }
      number = started_++;
    }
    const double begin = WallSeconds();
    start_(client, number, [this, client, begin](const grpc::Status& status) {
      const double latency_ms = 1e3 * (WallSeconds() - begin);
      {
        const std::lock_guard lock(mutex_);
        if (status.ok()) {
          ++result_.answered;
          result_.latencies_ms.push_back(latency_ms);
        } else if (++result_.failed == 1) {
          result_.first_error = status.error_message();
        }
      }
      Next(client);
    });
  }

  const LoadOptions& options_;
  const StartCall& start_;
  const double begin_, end_;
  std::mutex mutex_;
  std::condition_variable over_;
  std::int64_t started_ = 0;
  int running_ = 0;
  LoadResult result_;
};

}  // namespace

LoadResult RunClosedLoop(const LoadOptions& options, const StartCall& start) {
  return Loop(options, start).Run();
}

std::vector<std::shared_ptr<grpc::Channel>> Connect(const std::string& endpoint, int clients) {
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (int i = 0; i < clients; ++i) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // not one connection for all
    channels.push_back(grpc::CreateCustomChannel(endpoint, grpc::InsecureChannelCredentials(), arguments));
    channels.back()->GetState(true);
  }
  for (const auto& channel : channels) {
    if (channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(30))) continue;
    std::fprintf(stderr, "dvren_bench_service: endpoint = %s: nobody answers\n", endpoint.c_str());
    std::exit(1);
  }
  return channels;
}

double Quantile(std::vector<double> values, double q) {
  if (values.empty()) return std::nan("");
  std::sort(values.begin(), values.end());
  const double at = q * static_cast<double>(values.size() - 1);
  const auto low = static_cast<std::size_t>(at);
  const std::size_t high = std::min(low + 1, values.size() - 1);
  return values[low] + (at - static_cast<double>(low)) * (values[high] - values[low]);
}

void LoadResult::Print(const std::string& name) const {
  nlohmann::json line = {{"bench", name},
                         {"rate", rate()},
                         {"seconds", seconds},
                         {"answered", answered},
                         {"failed", failed},
                         {"p50_ms", Quantile(latencies_ms, 0.5)},
                         {"p99_ms", Quantile(latencies_ms, 0.99)}};
  if (!first_error.empty()) line["error"] = first_error;
  std::printf("%s\n", line.dump().c_str());
  std::fflush(stdout);
}

}  // namespace dvren::bench
