// Calls of a daemon that have to do with gradients, in a line each.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "support/test_daemon.h"

namespace dvren::test {

// All of a Forward call. Images are put together from their tiles.
struct ForwardResult {
  grpc::Status status;
  v1::RenderHeader header;
  v1::ForwardSummary summary;
  std::vector<v1::RenderTile> tiles;
  [[nodiscard]] const std::string& tape() const { return summary.tape().name(); }
};
// `token`: of another tenant, where tokens are configured.
[[nodiscard]] ForwardResult Forward(DaemonStubs& daemon, const v1::ForwardRequest& request,
                                    const std::string& token = "");
[[nodiscard]] v1::ForwardRequest ForwardOf(const v1::RenderRequest& image);

// A tile of one image, all of whose values are `value`.
[[nodiscard]] v1::RenderTile AdjointTile(v1::Aov aov, const v1::Roi& roi, float value);
// One for each tile of the forward, all of whose values are `value`.
[[nodiscard]] std::vector<v1::RenderTile> Adjoints(const ForwardResult& forward, v1::Aov aov, float value = 1);

// All of a Backward call.
struct BackwardResult {
  grpc::Status status;
  std::optional<v1::GradientArray> values;
  std::string bytes;  // of the chunks
  v1::BackwardSummary summary;
  [[nodiscard]] std::vector<float> floats() const;
};
[[nodiscard]] BackwardResult Backward(DaemonStubs& daemon, const v1::BackwardHeader& header,
                                      const std::vector<v1::RenderTile>& adjoints, const std::string& token = "");
[[nodiscard]] v1::BackwardHeader Header(const std::string& tape, const std::function<void(v1::GradientRequest&)>& want);

[[nodiscard]] grpc::Status ReleaseTape(DaemonStubs& daemon, const std::string& tape, const std::string& token = "");
[[nodiscard]] grpc::Status ZeroGradients(DaemonStubs& daemon, const std::string& field,
                                         std::optional<int> exponent = std::nullopt);
// New values, of the same shape; the field as it is afterwards.
[[nodiscard]] std::pair<grpc::Status, v1::Field> Update(DaemonStubs& daemon, const std::string& field,
                                                        const std::vector<float>& values,
                                                        std::uint64_t expected_version = 0,
                                                        const std::string& request_id = "");

struct GradientDownloadResult {
  grpc::Status status;
  v1::Field field;
  v1::GradientDescription gradient;
  std::string bytes;
  [[nodiscard]] std::vector<float> floats() const;
};
[[nodiscard]] GradientDownloadResult DownloadGradient(DaemonStubs& daemon, const std::string& field,
                                                      std::uint64_t offset = 0, v1::DType dtype = v1::DTYPE_F32);

[[nodiscard]] std::vector<float> FloatsOf(const std::string& bytes);

}  // namespace dvren::test
