#include "support/gradient_calls.h"

#include <cstring>
#include <utility>

namespace dvren::test {
namespace {

void Authorize(grpc::ClientContext& context, const std::string& token) {
  if (!token.empty()) context.AddMetadata("authorization", "Bearer " + token);
}

}  // namespace

std::vector<float> FloatsOf(const std::string& bytes) {
  std::vector<float> floats(bytes.size() / sizeof(float));
  std::memcpy(floats.data(), bytes.data(), floats.size() * sizeof(float));
  return floats;
}

ForwardResult Forward(DaemonStubs& daemon, const v1::ForwardRequest& request, const std::string& token) {
  ForwardResult result;
  grpc::ClientContext context;
  Authorize(context, token);
  const auto reader = daemon.render->Forward(&context, request);
  v1::ForwardResponse message;
  while (reader->Read(&message)) {
    if (message.has_header()) result.header = message.header();
    if (message.has_summary()) result.summary = message.summary();
    if (message.has_tile()) result.tiles.push_back(message.tile());
  }
  result.status = reader->Finish();
  return result;
}

v1::ForwardRequest ForwardOf(const v1::RenderRequest& image) {
  v1::ForwardRequest request;
  *request.mutable_image() = image;
  return request;
}

v1::RenderTile AdjointTile(v1::Aov aov, const v1::Roi& roi, float value) {
  v1::RenderTile tile;
  *tile.mutable_roi() = roi;
  v1::AovTensor* image = tile.add_images();
  image->set_aov(aov);
  image->mutable_tensor()->set_dtype(v1::DTYPE_F32);
  image->mutable_tensor()->add_shape(roi.height());
  image->mutable_tensor()->add_shape(roi.width());
  if (aov == v1::AOV_RGB) image->mutable_tensor()->add_shape(3);
  const std::vector<float> values(static_cast<std::size_t>(roi.height() * roi.width() * (aov == v1::AOV_RGB ? 3 : 1)),
                                  value);
  image->mutable_tensor()->mutable_payload()->set_inline_(reinterpret_cast<const char*>(values.data()),
                                                          values.size() * sizeof(float));
  return tile;
}

std::vector<v1::RenderTile> Adjoints(const ForwardResult& forward, v1::Aov aov, float value) {
  std::vector<v1::RenderTile> adjoints;
  for (const v1::RenderTile& tile : forward.tiles) adjoints.push_back(AdjointTile(aov, tile.roi(), value));
  return adjoints;
}

std::vector<float> BackwardResult::floats() const {
  return FloatsOf(bytes);
}

BackwardResult Backward(DaemonStubs& daemon, const v1::BackwardHeader& header,
                        const std::vector<v1::RenderTile>& adjoints, const std::string& token) {
  BackwardResult result;
  grpc::ClientContext context;
  Authorize(context, token);
  const auto stream = daemon.render->Backward(&context);
  v1::BackwardRequest request;
  *request.mutable_header() = header;
  bool open = stream->Write(request);
  for (const v1::RenderTile& tile : adjoints) {
    if (!open) break;
    *request.mutable_adjoint() = tile;
    open = stream->Write(request);
  }
  stream->WritesDone();
  v1::BackwardResponse message;
  while (stream->Read(&message)) {
    if (message.has_values()) result.values = message.values();
    if (message.has_chunk() && message.chunk().offset() == result.bytes.size()) {
      result.bytes += message.chunk().data();
    }
    if (message.has_summary()) result.summary = message.summary();
  }
  result.status = stream->Finish();
  return result;
}

v1::BackwardHeader Header(const std::string& tape, const std::function<void(v1::GradientRequest&)>& want) {
  v1::BackwardHeader header;
  header.set_tape(tape);
  want(*header.mutable_want());
  return header;
}

grpc::Status ReleaseTape(DaemonStubs& daemon, const std::string& tape, const std::string& token) {
  grpc::ClientContext context;
  Authorize(context, token);
  v1::ReleaseTapeRequest request;
  request.set_tape(tape);
  v1::ReleaseTapeResponse response;
  return daemon.render->ReleaseTape(&context, request, &response);
}

grpc::Status ZeroGradients(DaemonStubs& daemon, const std::string& field, std::optional<int> exponent) {
  grpc::ClientContext context;
  v1::ZeroGradientsRequest request;
  request.set_name(field);
  if (exponent) request.set_exponent(*exponent);
  v1::ZeroGradientsResponse response;
  return daemon.fields->ZeroGradients(&context, request, &response);
}

std::pair<grpc::Status, v1::Field> Update(DaemonStubs& daemon, const std::string& field,
                                          const std::vector<float>& values, std::uint64_t expected_version,
                                          const std::string& request_id) {
  grpc::ClientContext context;
  v1::UpdateFieldRequest request;
  request.set_name(field);
  request.set_expected_version(expected_version);
  request.set_request_id(request_id);
  request.mutable_payload()->set_inline_(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  v1::Field updated;
  grpc::Status status = daemon.fields->UpdateField(&context, request, &updated);
  return {std::move(status), std::move(updated)};
}

std::vector<float> GradientDownloadResult::floats() const {
  return FloatsOf(bytes);
}

GradientDownloadResult DownloadGradient(DaemonStubs& daemon, const std::string& field, std::uint64_t offset,
                                        v1::DType dtype) {
  GradientDownloadResult result;
  grpc::ClientContext context;
  v1::DownloadFieldRequest request;
  request.set_name(field);
  request.set_offset(offset);
  request.set_content(v1::FIELD_CONTENT_GRADIENT);
  request.set_dtype(dtype);
  const auto reader = daemon.fields->DownloadField(&context, request);
  v1::DownloadFieldResponse message;
  while (reader->Read(&message)) {
    if (message.has_field()) result.field = message.field();
    if (message.has_gradient()) result.gradient = message.gradient();
    if (message.chunk().offset() == offset + result.bytes.size()) result.bytes += message.chunk().data();
  }
  result.status = reader->Finish();
  return result;
}

}  // namespace dvren::test
