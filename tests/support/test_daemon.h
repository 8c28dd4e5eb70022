// A daemon inside the test's process, on a port and a data folder of its own, and calls to it that a test can write in
// a line.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dvren/v1/admin_service.grpc.pb.h"
#include "dvren/v1/field_service.grpc.pb.h"
#include "dvren/v1/render_service.grpc.pb.h"
#include "dvren/v1/training_service.grpc.pb.h"
#include "server/app/config.h"
#include "server/app/server.h"
#include "support/temp_folder.h"

namespace dvren::test {

// The services of one daemon.
struct DaemonStubs {
  explicit DaemonStubs(const std::string& address);
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::FieldService::Stub> fields;
  std::unique_ptr<v1::RenderService::Stub> render;
  std::unique_ptr<v1::TrainingService::Stub> training;
  std::unique_ptr<v1::AdminService::Stub> admin;
};

class TestDaemon {
 public:
  explicit TestDaemon(const std::function<void(server::Config&)>& change = nullptr);
  ~TestDaemon();

  DaemonStubs& operator*() { return *stubs_; }
  DaemonStubs* operator->() { return stubs_.get(); }
  [[nodiscard]] const TempFolder& folder() const { return folder_; }
  // As SIGTERM does; nothing can be asked of it afterwards.
  void Drain() { server_->Drain(); }
  [[nodiscard]] const std::string& address() const { return server_->addresses().front(); }
  // Work admitted and not finished, over all devices.
  [[nodiscard]] int queue_depth();
  // Whether the queue is empty within half a minute.
  [[nodiscard]] bool BecomesIdle();

 private:
  TempFolder folder_;
  std::unique_ptr<server::Logger> logger_;
  std::unique_ptr<server::Server> server_;
  std::unique_ptr<DaemonStubs> stubs_;
};

// Raw f32 values as one creation.
[[nodiscard]] v1::CreateFieldRequest RawField(const std::string& display_name, const std::vector<std::int64_t>& shape,
                                              const std::vector<float>& values);
// A field of one voxel: sigma everywhere in the unit cube.
[[nodiscard]] v1::CreateFieldRequest ConstantField(const std::string& display_name, float sigma);
[[nodiscard]] std::pair<grpc::Status, v1::Field> Create(DaemonStubs& daemon, const v1::CreateFieldRequest& request);

// Sends the header and then `bytes` from `offset` on, in chunks of `chunk_bytes`.
struct UploadResult {
  grpc::Status status;
  v1::UploadFieldResponse response;
  std::string upload;  // its name, from the initial metadata
};
[[nodiscard]] UploadResult Upload(DaemonStubs& daemon, const v1::UploadHeader& header, const std::string& bytes,
                                  std::uint64_t offset = 0, std::size_t chunk_bytes = std::size_t{1} << 20);

struct DownloadResult {
  grpc::Status status;
  v1::Field field;
  std::string bytes;
};
[[nodiscard]] DownloadResult Download(DaemonStubs& daemon, const std::string& name, std::uint64_t offset = 0);

// A square image of the named field, seen by an orthographic camera along +z.
[[nodiscard]] v1::RenderRequest Picture(const std::string& field, int edge, double dt);

// All of a Render call; images put together from their tiles.
struct RenderResult {
  grpc::Status status;
  v1::RenderHeader header;
  v1::RenderSummary summary;
  int tiles = 0;
  std::vector<std::pair<v1::Aov, std::string>> images;  // bytes of the whole region, in the order of the tiles' images
  [[nodiscard]] const std::string& image(v1::Aov aov) const;
};
[[nodiscard]] RenderResult Render(DaemonStubs& daemon, const v1::RenderRequest& request);

}  // namespace dvren::test
