#include "support/test_daemon.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <stdexcept>
#include <thread>

namespace dvren::test {
namespace {

void CopyRows(const v1::Roi& whole, const v1::Roi& tile, const std::string& from, std::string& to) {
  const std::size_t pixel =
      from.size() / static_cast<std::size_t>(tile.width()) / static_cast<std::size_t>(tile.height());
  const std::size_t row = pixel * static_cast<std::size_t>(tile.width());
  to.resize(pixel * static_cast<std::size_t>(whole.width()) * static_cast<std::size_t>(whole.height()));
  for (int y = 0; y < tile.height(); ++y) {
    const std::size_t at =
        static_cast<std::size_t>(tile.y() - whole.y() + y) * static_cast<std::size_t>(whole.width()) +
        static_cast<std::size_t>(tile.x() - whole.x());
    std::memcpy(to.data() + at * pixel, from.data() + static_cast<std::size_t>(y) * row, row);
  }
}

}  // namespace

DaemonStubs::DaemonStubs(const std::string& address)
    : channel(grpc::CreateChannel(address, grpc::InsecureChannelCredentials())),
      fields(v1::FieldService::NewStub(channel)),
      render(v1::RenderService::NewStub(channel)),
      training(v1::TrainingService::NewStub(channel)),
      admin(v1::AdminService::NewStub(channel)) {}

TestDaemon::TestDaemon(const std::function<void(server::Config&)>& change)
    : logger_(server::Logger::ForTest(server::LogLevel::kError, [](std::string_view) {})) {
  server::ServerOptions options;
  options.config.listen = {"127.0.0.1:0"};
  options.config.metrics = "";
  options.config.data_dir = folder_ / "data";
  options.config.devices = {"cpu"};
  options.config.threads = 2;
  options.config.parse.worker = DVREN_BIN_DIR "/dvren-parse";
  if (change) change(options.config);
  auto server = server::Server::Start(options, *logger_);
  if (!server.ok()) throw std::runtime_error(std::string(server.status().message()));
  server_ = *std::move(server);
  stubs_ = std::make_unique<DaemonStubs>(server_->addresses().front());
}

TestDaemon::~TestDaemon() = default;

int TestDaemon::queue_depth() {
  grpc::ClientContext context;
  v1::ListDevicesResponse devices;
  if (!stubs_->admin->ListDevices(&context, {}, &devices).ok()) return -1;
  int depth = 0;
  for (const v1::DeviceStatus& device : devices.devices()) depth += device.queue_depth();
  return depth;
}

bool TestDaemon::BecomesIdle() {
  for (int i = 0; i < 3000; ++i) {
    if (queue_depth() == 0) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

v1::CreateFieldRequest RawField(const std::string& display_name, const std::vector<std::int64_t>& shape,
                                const std::vector<float>& values) {
  v1::CreateFieldRequest request;
  request.set_display_name(display_name);
  request.mutable_options()->set_format(v1::FILE_FORMAT_RAW);
  v1::DenseGridSpec* spec = request.mutable_options()->mutable_dense_grid();
  spec->mutable_shape()->Assign(shape.begin(), shape.end());
  spec->set_dtype(v1::DTYPE_F32);
  request.mutable_payload()->set_inline_(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  return request;
}

v1::CreateFieldRequest ConstantField(const std::string& display_name, float sigma) {
  return RawField(display_name, {1, 1, 1, 1}, {sigma});
}

std::pair<grpc::Status, v1::Field> Create(DaemonStubs& daemon, const v1::CreateFieldRequest& request) {
  grpc::ClientContext context;
  v1::Field field;
  grpc::Status status = daemon.fields->CreateField(&context, request, &field);
  return {std::move(status), std::move(field)};
}

UploadResult Upload(DaemonStubs& daemon, const v1::UploadHeader& header, const std::string& bytes, std::uint64_t offset,
                    std::size_t chunk_bytes) {
  UploadResult result;
  grpc::ClientContext context;
  const auto writer = daemon.fields->UploadField(&context, &result.response);
  v1::UploadFieldRequest message;
  *message.mutable_header() = header;
  bool open = writer->Write(message);
  for (std::size_t at = offset; open && at < bytes.size(); at += chunk_bytes) {
    message.mutable_chunk()->set_offset(at);
    message.mutable_chunk()->set_data(bytes.substr(at, chunk_bytes));
    open = writer->Write(message);
  }
  writer->WritesDone();
  result.status = writer->Finish();
  const auto name = context.GetServerInitialMetadata().find("dvren-upload");
  if (name != context.GetServerInitialMetadata().end()) result.upload = {name->second.data(), name->second.size()};
  return result;
}

DownloadResult Download(DaemonStubs& daemon, const std::string& name, std::uint64_t offset) {
  DownloadResult result;
  grpc::ClientContext context;
  v1::DownloadFieldRequest request;
  request.set_name(name);
  request.set_offset(offset);
  const auto reader = daemon.fields->DownloadField(&context, request);
  v1::DownloadFieldResponse message;
  while (reader->Read(&message)) {
    if (message.has_field()) result.field = message.field();
    if (message.chunk().offset() == offset + result.bytes.size()) result.bytes += message.chunk().data();
  }
  result.status = reader->Finish();
  return result;
}

v1::RenderRequest Picture(const std::string& field, int edge, double dt) {
  v1::RenderRequest request;
  request.mutable_scene()->add_instances()->set_field(field);
  v1::Camera* camera = request.mutable_camera();
  camera->set_width(edge);
  camera->set_height(edge);
  camera->mutable_orthographic()->set_ortho_scale(1);
  for (const double m : {1.0, 0.0, 0.0, 0.5, 0.0, 1.0, 0.0, 0.5, 0.0, 0.0, 1.0, -1.0})
    camera->mutable_camera_to_world()->add_m(m);
  request.mutable_sampling()->set_dt(dt);
  return request;
}

const std::string& RenderResult::image(v1::Aov aov) const {
  const auto found = std::find_if(images.begin(), images.end(), [&](const auto& image) { return image.first == aov; });
  if (found == images.end()) throw std::runtime_error("the render has no such image");
  return found->second;
}

RenderResult Render(DaemonStubs& daemon, const v1::RenderRequest& request) {
  RenderResult result;
  grpc::ClientContext context;
  const auto reader = daemon.render->Render(&context, request);
  v1::RenderResponse message;
  while (reader->Read(&message)) {
    if (message.has_header()) result.header = message.header();
    if (message.has_summary()) result.summary = message.summary();
    if (!message.has_tile()) continue;
    ++result.tiles;
    const v1::RenderTile& tile = message.tile();
    result.images.resize(static_cast<std::size_t>(tile.images_size()));
    for (int i = 0; i < tile.images_size(); ++i) {
      auto& [aov, bytes] = result.images[static_cast<std::size_t>(i)];
      aov = tile.images(i).aov();
      CopyRows(result.header.roi(), tile.roi(), tile.images(i).tensor().payload().inline_(), bytes);
    }
  }
  result.status = reader->Finish();
  return result;
}

}  // namespace dvren::test
