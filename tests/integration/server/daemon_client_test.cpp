// The C++ client and a daemon, together: gradients the way a user takes them.
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>

#include "dvren/client/client.h"
#include "support/test_daemon.h"

namespace dvren::test {
namespace {

TEST_CASE("A user of the C++ client descends a loss by gradients, updates and all") {
  TestDaemon daemon;
  auto client = client::Client::Connect(daemon.address());
  REQUIRE(client.ok());
  std::vector<float> values(64, 1.0f);
  client::UploadOptions upload;
  upload.display_name = "slab";
  REQUIRE(client->UploadGrid(values, {4, 4, 4, 1}, upload).ok());
  v1::ForwardRequest request = [] {
    v1::ForwardRequest forward;
    *forward.mutable_image() = Picture("slab", 64, 0.05);
    forward.mutable_image()->add_aovs(v1::AOV_OPACITY);
    return forward;
  }();
  // Towards an opacity of a half: loss = mean((o - 0.5)^2).
  double first = 0, loss = 0;
  for (int step = 0; step < 5; ++step) {
    const auto frame = client->Forward(request);
    INFO(frame.status().message());
    REQUIRE(frame.ok());
    const std::vector<float>& opacity = frame->images.at(v1::AOV_OPACITY).pixels;
    std::vector<float> adjoint(opacity.size());
    loss = 0;
    for (std::size_t i = 0; i < opacity.size(); ++i) {
      const double miss = opacity[i] - 0.5;
      loss += miss * miss / static_cast<double>(opacity.size());
      adjoint[i] = static_cast<float>(2 * miss / static_cast<double>(opacity.size()));
    }
    if (step == 0) first = loss;
    REQUIRE(client->ZeroGradients("slab").ok());
    v1::GradientRequest want;
    want.set_accumulate(true);
    const std::vector<client::AdjointBuffer> adjoints{{v1::AOV_OPACITY, std::span<const float>(adjoint)}};
    const auto backward = client->Backward(frame->tape, want, adjoints);
    INFO(backward.status().message());
    REQUIRE(backward.ok());
    CHECK(backward->value_stats.count() == 64);
    const auto gradient = client->DownloadGradient("slab");
    REQUIRE(gradient.ok());
    CHECK(gradient->field_version == static_cast<std::uint64_t>(step + 1));
    const auto& slopes = std::get<std::vector<float>>(gradient->values);
    REQUIRE(slopes.size() == values.size());
    for (std::size_t i = 0; i < values.size(); ++i) values[i] -= 40 * slopes[i];
    const auto updated = client->UpdateField("slab", std::as_bytes(std::span(values)), gradient->field_version);
    INFO(updated.status().message());
    REQUIRE(updated.ok());
    // The tape was used up.
    CHECK(absl::IsNotFound(client->ReleaseTape(frame->tape.info.name())));
  }
  CHECK(loss < first / 4);
}

}  // namespace
}  // namespace dvren::test
