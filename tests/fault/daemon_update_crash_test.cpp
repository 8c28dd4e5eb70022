// kill -9 and updates: what was acknowledged is there afterwards, and a field is never half of one and half of another.
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "support/dvrend_process.h"
#include "support/gradient_calls.h"

namespace dvren::test {
namespace {

constexpr std::size_t kCount = std::size_t{1} << 18;

std::vector<float> Filled(float value) {
  return std::vector<float>(kCount, value);
}

std::string Bytes(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

v1::CreateFieldRequest Softplus(float value) {
  v1::CreateFieldRequest request = RawField("field", {1, 1, static_cast<std::int64_t>(kCount), 1}, Filled(value));
  request.mutable_options()->mutable_dense_grid()->set_activation(v1::ACTIVATION_SOFTPLUS);
  return request;
}

TEST_CASE("An update that was acknowledged is there after kill -9, and its request is known") {
  const TempFolder folder;
  v1::Field updated;
  {
    DvrendProcess process(folder.path());
    DaemonStubs daemon(process.address());
    REQUIRE(Create(daemon, Softplus(-1)).first.error_message() == "");
    auto [status, field] = Update(daemon, "field", Filled(-3), 1, "u1");
    process.Kill();  // right after the answer
    REQUIRE(status.error_message() == "");
    updated = field;
  }
  DvrendProcess process(folder.path());
  DaemonStubs daemon(process.address());
  const DownloadResult download = Download(daemon, "field");
  REQUIRE(download.status.error_message() == "");
  CHECK(download.field.version() == 2);
  CHECK(download.field.SerializeAsString() == updated.SerializeAsString());
  CHECK(download.field.dense_grid().activation() == v1::ACTIVATION_SOFTPLUS);
  CHECK(download.bytes == Bytes(Filled(-3)));
  CHECK(Render(daemon, Picture("field", 16, 0.1)).status.error_message() == "");
  const auto [status, again] = Update(daemon, "field", Filled(-3), 1, "u1");
  REQUIRE(status.error_message() == "");
  CHECK(again.SerializeAsString() == updated.SerializeAsString());
  CHECK(process.Terminate() == 0);
}

TEST_CASE("A daemon killed while it updates has the old values or the new ones") {
  const TempFolder folder;
  {
    DvrendProcess process(folder.path());
    DaemonStubs daemon(process.address());
    REQUIRE(Create(daemon, Softplus(0)).first.error_message() == "");
  }
  float value = 0;
  std::uint64_t acknowledged = 1;
  for (int round = 0; round < 6; ++round) {
    DvrendProcess process(folder.path());
    DaemonStubs daemon(process.address());
    std::atomic<bool> killed{false};
    std::thread killer([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(7 * (round + 1)));
      killed.store(true);
      process.Kill();
    });
    while (!killed.load()) {
      const auto [status, field] = Update(daemon, "field", Filled(value + 1));
      if (!status.ok()) break;
      value += 1;
      acknowledged = field.version();
    }
    killer.join();
    DvrendProcess next(folder.path());
    DaemonStubs after(next.address());
    const DownloadResult download = Download(after, "field");
    REQUIRE(download.status.error_message() == "");  // so its SHA-256 is right
    const std::uint64_t version = download.field.version();
    CHECK((version == acknowledged || version == acknowledged + 1));
    CHECK(download.bytes == Bytes(Filled(version == acknowledged ? value : value + 1)));
    if (version != acknowledged) value += 1;
    acknowledged = version;
  }
}

}  // namespace
}  // namespace dvren::test
