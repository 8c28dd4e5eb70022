#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <cstdio>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <vector>

#include "../bench.h"
#include "benches.h"
#include "dvren/v1/job_service.grpc.pb.h"

namespace dvren::bench {
namespace {

// What all have seen.
class Audience {
 public:
  explicit Audience(int watchers) : open_(watchers) {}
  void Saw(std::int64_t event) {
    const double now = WallSeconds();
    const std::lock_guard lock(mutex_);
    if (static_cast<std::size_t>(event) >= first_.size()) {
      first_.resize(static_cast<std::size_t>(event) + 1, now);
      last_.resize(first_.size(), now);
    }
    last_[static_cast<std::size_t>(event)] = now;
    ++seen_;
  }
  void Left(bool whole, const std::string& error) {
    const std::lock_guard lock(mutex_);
    if (!whole) ++broken_;
    if (error_.empty()) error_ = error;
    if (--open_ == 0) over_.notify_one();
  }
  void Wait() {
    std::unique_lock lock(mutex_);
    over_.wait(lock, [this] { return open_ == 0; });
  }
  void Print(int watchers) {
    std::vector<double> spread_ms;  // of each event, from the first who saw it to the last
    for (std::size_t i = 1; i < first_.size(); ++i) spread_ms.push_back(1e3 * (last_[i] - first_[i]));
    nlohmann::json line = {{"bench", "watchers"},
                           {"watchers", watchers},
                           {"events", spread_ms.size()},
                           {"delivered", seen_},
                           {"broken", broken_},
                           {"spread_p50_ms", Quantile(spread_ms, 0.5)},
                           {"spread_max_ms", Quantile(spread_ms, 1)}};
    if (!error_.empty()) line["error"] = error_;
    std::printf("%s\n", line.dump().c_str());
  }

 private:
  std::mutex mutex_;
  std::condition_variable over_;
  int open_, broken_ = 0;
  std::int64_t seen_ = 0;
  std::vector<double> first_, last_;  // by event number
  std::string error_;
};

class Watcher final : public grpc::ClientReadReactor<v1::WatchJobResponse> {
 public:
  Watcher(v1::JobService::Stub& stub, const std::string& job, Audience& audience) : audience_(audience) {
    request_.set_name(job);
    stub.async()->WatchJob(&context_, &request_, this);
    StartRead(&response_);
    StartCall();
  }
  void OnReadDone(bool ok) override {
    if (!ok) return;
    whole_ = whole_ && response_.event().number() == ++last_;
    audience_.Saw(response_.event().number());
    StartRead(&response_);
  }
  void OnDone(const grpc::Status& status) override { audience_.Left(whole_ && status.ok(), status.error_message()); }

 private:
  Audience& audience_;
  grpc::ClientContext context_;
  v1::WatchJobRequest request_;
  v1::WatchJobResponse response_;
  std::int64_t last_ = 0;
  bool whole_ = true;  // no event was missed
};

}  // namespace

int Watchers(const std::string& endpoint, int watchers, const std::string& job) {
  // A connection carries up to 100 streams: gRPC's own default of what a peer should open.
  const auto channels = Connect(endpoint, (watchers + 99) / 100);
  std::vector<std::unique_ptr<v1::JobService::Stub>> stubs;
  for (const auto& channel : channels) stubs.push_back(v1::JobService::NewStub(channel));
  Audience audience(watchers);
  std::vector<std::unique_ptr<Watcher>> all;
  for (int i = 0; i < watchers; ++i) {
    all.push_back(std::make_unique<Watcher>(*stubs[static_cast<std::size_t>(i) % stubs.size()], job, audience));
  }
  audience.Wait();
  audience.Print(watchers);
  return 0;
}

}  // namespace dvren::bench
