#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "../bench.h"
#include "benches.h"
#include "dvren/v1/render_service.grpc.pb.h"
#include "square_picture.h"

namespace dvren::bench {
namespace {

struct Tally {
  std::mutex mutex;
  std::condition_variable over;
  std::int64_t open = 0;
  std::map<std::string, std::int64_t> codes;
  std::vector<double> latencies_ms;  // of those that were answered
};

class OneRender final : public grpc::ClientReadReactor<v1::RenderResponse> {
 public:
  OneRender(v1::RenderService::Stub& stub, const v1::RenderRequest& request, int deadline_ms, Tally& tally)
      : tally_(tally), begin_(WallSeconds()) {
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(deadline_ms));
    stub.async()->Render(&context_, &request, this);
    StartRead(&response_);
    StartCall();
  }
  void OnReadDone(bool ok) override {
    if (ok) StartRead(&response_);
  }
  void OnDone(const grpc::Status& status) override {
    const std::lock_guard lock(tally_.mutex);
    if (status.ok()) tally_.latencies_ms.push_back(1e3 * (WallSeconds() - begin_));
    ++tally_.codes[status.ok()                                                   ? "ok"
                   : status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED ? "refused"
                   : status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED  ? "late"
                                                                                 : status.error_message()];
    if (--tally_.open == 0) tally_.over.notify_one();
    delete this;
  }

 private:
  Tally& tally_;
  const double begin_;
  grpc::ClientContext context_;
  v1::RenderResponse response_;
};

}  // namespace

int OpenLoop(const std::string& endpoint, const std::string& field, int edge, double rate, double seconds,
             int deadline_ms) {
  const v1::RenderRequest request = SquarePicture(field, edge);
  std::vector<std::unique_ptr<v1::RenderService::Stub>> stubs;
  for (const auto& channel : Connect(endpoint, 8)) stubs.push_back(v1::RenderService::NewStub(channel));
  Tally tally;
  const auto begin = std::chrono::steady_clock::now();
  const auto count = static_cast<std::int64_t>(rate * seconds);
  for (std::int64_t i = 0; i < count; ++i) {
    std::this_thread::sleep_until(begin + std::chrono::duration<double>(static_cast<double>(i) / rate));
    {
      const std::lock_guard lock(tally.mutex);
      ++tally.open;
    }
    new OneRender(*stubs[static_cast<std::size_t>(i) % stubs.size()], request, deadline_ms, tally);
  }
  std::unique_lock lock(tally.mutex);
  tally.over.wait(lock, [&] { return tally.open == 0; });
  const double passed = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const nlohmann::json line = {{"bench", "open_loop"},
                               {"asked", rate},
                               {"goodput", static_cast<double>(tally.codes["ok"]) / passed},
                               {"outcomes", tally.codes},
                               {"p50_ms", Quantile(tally.latencies_ms, 0.5)},
                               {"p99_ms", Quantile(tally.latencies_ms, 0.99)}};
  std::printf("%s\n", line.dump().c_str());
  return 0;
}

}  // namespace dvren::bench
