#include "fake_daemon.h"

#include <grpcpp/health_check_service_interface.h>

#include <algorithm>
#include <cstring>

#include "crc32c.h"

namespace dvren::testing {
namespace {

constexpr std::size_t kChunk = 1 << 20;

// Elements of `values` as the request's precision has them.
void SetInline(const std::vector<double>& values, bool f64, v1::Tensor& tensor) {
  tensor.set_dtype(f64 ? v1::DTYPE_F64 : v1::DTYPE_F32);
  std::string& bytes = *tensor.mutable_payload()->mutable_inline_();
  if (f64) {
    bytes.assign(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(double));
  } else {
    const std::vector<float> narrow(values.begin(), values.end());
    bytes.assign(reinterpret_cast<const char*>(narrow.data()), narrow.size() * sizeof(float));
  }
}

// One leaf at (-8, 0, 16) whose values count from 0.
template <class T>
std::string FakeGradient() {
  const std::int32_t origin[3] = {-8, 0, 16};
  std::string bytes(reinterpret_cast<const char*>(origin), sizeof origin);
  for (int i = 0; i < 512; ++i) {
    const T value = static_cast<T>(i);
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  return bytes;
}

}  // namespace

float FakePixel(v1::Aov aov, int x, int y, int channel) {
  return static_cast<float>(static_cast<int>(aov) * 1000000 + y * 1000 + x) + 0.25f * static_cast<float>(channel);
}

class FakeDaemon::Admin final : public v1::AdminService::Service {
 public:
  explicit Admin(FakeDaemon& daemon) : daemon_(daemon) {}
  grpc::Status GetServerInfo(grpc::ServerContext* context, const v1::GetServerInfoRequest*,
                             v1::ServerInfo* info) override {
    const auto& metadata = context->client_metadata();
    const auto it = metadata.find("authorization");
    daemon_.authorization = it == metadata.end() ? "" : std::string(it->second.data(), it->second.size());
    if (!daemon_.request_id.empty()) context->AddTrailingMetadata("x-request-id", daemon_.request_id);
    info->set_version("1.2.3");
    return daemon_.info_status;
  }

 private:
  FakeDaemon& daemon_;
};

class FakeDaemon::Fields final : public v1::FieldService::Service {
 public:
  explicit Fields(FakeDaemon& daemon) : daemon_(daemon) {}

  grpc::Status UploadField(grpc::ServerContext* context, grpc::ServerReader<v1::UploadFieldRequest>* reader,
                           v1::UploadFieldResponse* response) override {
    v1::UploadFieldRequest request;
    if (!reader->Read(&request)) return {grpc::StatusCode::INVALID_ARGUMENT, "no header"};
    const v1::UploadHeader header = request.header();
    daemon_.headers.push_back(header);
    if (!header.upload().empty() && daemon_.busy_once) {
      daemon_.busy_once = false;
      return {grpc::StatusCode::ABORTED, "another call is using it"};
    }
    if (header.upload().empty()) daemon_.uploaded.clear();
    request_id_ = header.request_id();
    total_ = header.total_bytes();
    if (daemon_.name_uploads) {
      context->AddInitialMetadata("dvren-upload", "uploads/7");
      reader->SendInitialMetadata();
    }
    int chunks = 0;
    while (true) {
      if (chunks == daemon_.cut_upload_after_chunks && daemon_.cuts > 0) {
        --daemon_.cuts;
        return {grpc::StatusCode::UNAVAILABLE, "cut"};
      }
      if (!reader->Read(&request)) break;
      const v1::Chunk& chunk = request.chunk();
      if (chunks++ == 0) daemon_.first_offsets.push_back(chunk.offset());
      if (chunk.offset() != daemon_.uploaded.size()) return {grpc::StatusCode::INVALID_ARGUMENT, "offset"};
      if (chunk.data().size() > kChunk) return {grpc::StatusCode::INVALID_ARGUMENT, "too big"};
      if (!chunk.has_crc32c() || chunk.crc32c() != client::Crc32c(chunk.data().data(), chunk.data().size())) {
        return {grpc::StatusCode::INVALID_ARGUMENT, "crc"};
      }
      if (daemon_.corrupt_first_chunk) {
        daemon_.corrupt_first_chunk = false;
        return {grpc::StatusCode::DATA_LOSS, "damaged on its way"};
      }
      daemon_.uploaded += chunk.data();
    }
    if (daemon_.uploaded.size() != header.total_bytes()) return {grpc::StatusCode::FAILED_PRECONDITION, "incomplete"};
    if (header.keep_only()) {
      response->mutable_upload()->set_name("uploads/7");
      return grpc::Status::OK;
    }
    response->mutable_field()->set_name("fields/1");
    response->mutable_field()->set_display_name(header.display_name());
    return grpc::Status::OK;
  }

  grpc::Status GetUpload(grpc::ServerContext*, const v1::GetUploadRequest* request, v1::Upload* upload) override {
    if (request->name() != "uploads/7" && request->name() != request_id_)
      return {grpc::StatusCode::NOT_FOUND, "no such upload"};
    upload->set_name("uploads/7");
    upload->set_received_bytes(daemon_.uploaded.size());
    upload->set_total_bytes(total_);
    return grpc::Status::OK;
  }

  grpc::Status UpdateField(grpc::ServerContext*, const v1::UpdateFieldRequest* request, v1::Field* field) override {
    daemon_.update = *request;
    field->set_version(request->expected_version() + 1);
    return grpc::Status::OK;
  }

  grpc::Status ZeroGradients(grpc::ServerContext*, const v1::ZeroGradientsRequest* request,
                             v1::ZeroGradientsResponse*) override {
    daemon_.zeroed = *request;
    return grpc::Status::OK;
  }

  grpc::Status GetField(grpc::ServerContext*, const v1::GetFieldRequest* request, v1::Field* field) override {
    if (request->name() != daemon_.field.display_name()) return {grpc::StatusCode::NOT_FOUND, "no such field"};
    *field = daemon_.field;
    return grpc::Status::OK;
  }

  grpc::Status ListFields(grpc::ServerContext*, const v1::ListFieldsRequest* request,
                          v1::ListFieldsResponse* page) override {
    const int first = request->page_token().empty() ? 0 : std::stoi(request->page_token());
    for (int i = first; i < first + 2 && i < 5; ++i) page->add_fields()->set_display_name(std::to_string(i));
    if (first + 2 < 5) page->set_next_page_token(std::to_string(first + 2));
    return grpc::Status::OK;
  }

  grpc::Status DownloadField(grpc::ServerContext*, const v1::DownloadFieldRequest* request,
                             grpc::ServerWriter<v1::DownloadFieldResponse>* writer) override {
    v1::DownloadFieldResponse response;
    *response.mutable_field() = daemon_.field;
    if (request->content() == v1::FIELD_CONTENT_GRADIENT) {
      v1::GradientDescription& gradient = *response.mutable_gradient();
      gradient.set_dtype(v1::DTYPE_F32);
      for (const int extent : {1, 8, 8, 8}) gradient.add_shape(extent);
      gradient.set_origins_bytes(12);
      writer->Write(response);
      response.Clear();
      const std::string bytes = FakeGradient<float>();
      for (std::size_t offset = 0; offset < bytes.size(); offset += 1000) {
        if (daemon_.cut_download_after_chunks == static_cast<int>(offset / 1000)) break;
        std::string data = bytes.substr(offset, 1000);
        response.mutable_chunk()->set_offset(offset);
        response.mutable_chunk()->set_crc32c(client::Crc32c(data.data(), data.size()));
        if (daemon_.damage_download) data[0] = static_cast<char>(data[0] ^ 1);
        response.mutable_chunk()->set_data(data);
        writer->Write(response);
      }
      return grpc::Status::OK;
    }
    writer->Write(response);
    response.clear_field();
    int chunks = 0;
    for (std::size_t offset = request->offset(); offset < daemon_.payload.size(); offset += kChunk) {
      if (chunks++ == daemon_.cut_download_after_chunks) {
        daemon_.cut_download_after_chunks = -1;
        return {grpc::StatusCode::UNAVAILABLE, "cut"};
      }
      std::string data = daemon_.payload.substr(offset, kChunk);
      response.mutable_chunk()->set_offset(offset);
      response.mutable_chunk()->set_crc32c(client::Crc32c(data.data(), data.size()));
      if (daemon_.damage_download) data[0] = static_cast<char>(data[0] ^ 1);
      response.mutable_chunk()->set_data(data);
      writer->Write(response);
    }
    return grpc::Status::OK;
  }

 private:
  FakeDaemon& daemon_;
  std::string request_id_;
  std::uint64_t total_ = 0;
};

class FakeDaemon::Renders final : public v1::RenderService::Service {
 public:
  explicit Renders(FakeDaemon& daemon) : daemon_(daemon) {}

  grpc::Status Render(grpc::ServerContext*, const v1::RenderRequest* request,
                      grpc::ServerWriter<v1::RenderResponse>* writer) override {
    v1::RenderResponse response;
    WriteTiles(*request, response, *writer);
    response.mutable_summary()->mutable_stats()->set_rays(request->roi().width() * request->roi().height());
    response.mutable_summary()->add_warnings("sampling.max_steps = 1: 2 rays were cut");
    writer->Write(response);
    return grpc::Status::OK;
  }

  grpc::Status Forward(grpc::ServerContext*, const v1::ForwardRequest* request,
                       grpc::ServerWriter<v1::ForwardResponse>* writer) override {
    v1::ForwardResponse response;
    WriteTiles(request->image(), response, *writer);
    response.mutable_summary()->mutable_stats()->set_rays(request->image().roi().width() *
                                                          request->image().roi().height());
    response.mutable_summary()->mutable_tape()->set_name("tapes/1");
    response.mutable_summary()->mutable_tape()->set_precision(request->image().precision());
    writer->Write(response);
    return grpc::Status::OK;
  }

  grpc::Status Backward(grpc::ServerContext*,
                        grpc::ServerReaderWriter<v1::BackwardResponse, v1::BackwardRequest>* stream) override {
    v1::BackwardRequest request;
    if (!stream->Read(&request)) return {grpc::StatusCode::INVALID_ARGUMENT, "no header"};
    daemon_.backward_header = request.header();
    std::vector<v1::RenderTile> tiles;
    while (stream->Read(&request)) {
      if (request.ByteSizeLong() > (4u << 20)) return {grpc::StatusCode::RESOURCE_EXHAUSTED, "too big"};
      ++daemon_.adjoint_messages;
      tiles.push_back(request.adjoint());
      if (!daemon_.backward_status.ok()) return daemon_.backward_status;
    }
    Assemble(tiles);
    v1::BackwardResponse response;
    if (daemon_.backward_header.want().values()) {
      v1::GradientArray& array = *response.mutable_values();
      array.set_dtype(v1::DTYPE_F64);
      for (const int extent : {1, 8, 8, 8}) array.add_shape(extent);
      array.set_origins_bytes(12);
      array.set_exponent(-31);
      array.set_field_version(3);
      stream->Write(response);
      const std::string bytes = FakeGradient<double>();
      for (std::size_t offset = 0; offset < bytes.size(); offset += 1000) {
        response.mutable_chunk()->set_offset(offset);
        response.mutable_chunk()->set_data(bytes.substr(offset, 1000));
        stream->Write(response);
      }
    }
    response.mutable_summary()->mutable_gradients()->mutable_camera()->set_fx(7);
    stream->Write(response);
    return grpc::Status::OK;
  }

  grpc::Status ReleaseTape(grpc::ServerContext*, const v1::ReleaseTapeRequest* request,
                           v1::ReleaseTapeResponse*) override {
    if (request->tape() != "tapes/1") return {grpc::StatusCode::NOT_FOUND, "no such tape"};
    return grpc::Status::OK;
  }

  // Opacity of a ray is its origin's x.
  grpc::Status RenderRays(grpc::ServerContext*, const v1::RenderRaysRequest* request,
                          v1::RenderRaysResponse* response) override {
    const v1::Rays& rays = request->rays();
    const auto count = static_cast<std::size_t>(rays.origins().shape(0));
    daemon_.rays_per_request.push_back(static_cast<int>(count));
    if (request->ByteSizeLong() > (4u << 20)) return {grpc::StatusCode::RESOURCE_EXHAUSTED, "too big"};
    std::vector<std::int64_t> ids(count);
    for (std::size_t i = 0; i < count; ++i) ids[i] = static_cast<std::int64_t>(i);
    if (rays.has_ids()) std::memcpy(ids.data(), rays.ids().payload().inline_().data(), count * sizeof(std::int64_t));
    daemon_.ray_ids.insert(daemon_.ray_ids.end(), ids.begin(), ids.end());
    const bool f64 = request->precision() == v1::PRECISION_F64;
    std::vector<double> opacity(count);
    const char* origins = rays.origins().payload().inline_().data();
    for (std::size_t i = 0; i < count; ++i) {
      if (f64) {
        std::memcpy(&opacity[i], origins + 24 * i, sizeof(double));
      } else {
        float x;
        std::memcpy(&x, origins + 12 * i, sizeof x);
        opacity[i] = x;
      }
    }
    v1::AovTensor& image = *response->add_images();
    image.set_aov(v1::AOV_OPACITY);
    SetInline(opacity, f64, *image.mutable_tensor());
    response->mutable_stats()->set_rays(static_cast<std::int64_t>(count));
    response->add_warnings("the same");
    return grpc::Status::OK;
  }

 private:
  // A header, then tiles of 3 x 2 pixels, the last first, so that order cannot matter.
  template <class Response, class Writer>
  void WriteTiles(const v1::RenderRequest& request, Response& response, Writer& writer) {
    const v1::Roi& roi = request.roi();
    response.mutable_header()->set_request_id("r-1");
    *response.mutable_header()->mutable_roi() = roi;
    writer.Write(response);
    std::vector<v1::Roi> tiles;
    for (int y = roi.y(); y < roi.y() + roi.height(); y += 2) {
      for (int x = roi.x(); x < roi.x() + roi.width(); x += 3) {
        v1::Roi& tile = tiles.emplace_back();
        tile.set_x(x);
        tile.set_y(y);
        tile.set_width(std::min(3, roi.x() + roi.width() - x));
        tile.set_height(std::min(2, roi.y() + roi.height() - y));
      }
    }
    std::reverse(tiles.begin(), tiles.end());
    tiles.resize(tiles.size() - static_cast<std::size_t>(daemon_.drop_tiles));
    for (const v1::Roi& roi_of_tile : tiles) {
      v1::RenderTile& tile = *response.mutable_tile();
      tile.Clear();
      *tile.mutable_roi() = roi_of_tile;
      for (const int aov : request.aovs())
        AddImage(static_cast<v1::Aov>(aov), request.precision() == v1::PRECISION_F64, tile);
      writer.Write(response);
    }
  }

  // dL/d(image) of the region that the tiles span.
  void Assemble(const std::vector<v1::RenderTile>& tiles) {
    int left = tiles.at(0).roi().x(), top = tiles.at(0).roi().y(), right = left, bottom = top;
    for (const v1::RenderTile& tile : tiles) {
      left = std::min(left, tile.roi().x());
      top = std::min(top, tile.roi().y());
      right = std::max(right, tile.roi().x() + tile.roi().width());
      bottom = std::max(bottom, tile.roi().y() + tile.roi().height());
    }
    daemon_.adjoints.clear();
    for (const v1::RenderTile& tile : tiles) {
      for (const v1::AovTensor& image : tile.images()) {
        const int channels = image.aov() == v1::AOV_RGB ? 3 : 1, row = tile.roi().width() * channels;
        const bool f64 = image.tensor().dtype() == v1::DTYPE_F64;
        const char* bytes = image.tensor().payload().inline_().data();
        std::vector<double>& whole = daemon_.adjoints[image.aov()];
        whole.resize(static_cast<std::size_t>((right - left) * (bottom - top) * channels));
        for (int i = 0; i < row * tile.roi().height(); ++i) {
          double value = 0;
          if (f64) {
            std::memcpy(&value, bytes + 8 * i, 8);
          } else {
            float narrow;
            std::memcpy(&narrow, bytes + 4 * i, 4);
            value = narrow;
          }
          const int y = tile.roi().y() - top + i / row;
          const int at = (y * (right - left) + tile.roi().x() - left) * channels + i % row;
          whole.at(static_cast<std::size_t>(at)) = value;
        }
      }
    }
  }

  static void AddImage(v1::Aov aov, bool f64, v1::RenderTile& tile) {
    const int channels = aov == v1::AOV_RGB ? 3 : 1;
    std::vector<double> values;
    for (int y = tile.roi().y(); y < tile.roi().y() + tile.roi().height(); ++y) {
      for (int x = tile.roi().x(); x < tile.roi().x() + tile.roi().width(); ++x) {
        for (int c = 0; c < channels; ++c) values.push_back(FakePixel(aov, x, y, c));
      }
    }
    v1::AovTensor& image = *tile.add_images();
    image.set_aov(aov);
    SetInline(values, f64, *image.mutable_tensor());
  }

  FakeDaemon& daemon_;
};

FakeDaemon::FakeDaemon()
    : admin_(std::make_unique<Admin>(*this)),
      fields_(std::make_unique<Fields>(*this)),
      renders_(std::make_unique<Renders>(*this)) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(admin_.get());
  builder.RegisterService(fields_.get());
  builder.RegisterService(renders_.get());
  server_ = builder.BuildAndStart();
  endpoint_ = "127.0.0.1:" + std::to_string(port);
}

FakeDaemon::~FakeDaemon() {
  server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(1));
}

}  // namespace dvren::testing
