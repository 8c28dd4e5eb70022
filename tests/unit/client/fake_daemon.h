// FakeDaemon: dvren.v1 in memory, on a port of this machine, with knobs that make it fail as real ones do.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "dvren/v1/admin_service.grpc.pb.h"
#include "dvren/v1/field_service.grpc.pb.h"
#include "dvren/v1/render_service.grpc.pb.h"

namespace dvren::testing {

class FakeDaemon {
 public:
  FakeDaemon();
  ~FakeDaemon();
  [[nodiscard]] const std::string& endpoint() const { return endpoint_; }
  [[nodiscard]] grpc::Server& server() { return *server_; }

  // ---- knobs, set before the call they are for
  int cut_upload_after_chunks = -1;    // UNAVAILABLE after so many chunks, once
  int cuts = 1;                        // how often
  bool name_uploads = true;            // send the upload's name as metadata
  bool corrupt_first_chunk = false;    // DATA_LOSS for the first chunk, once
  bool busy_once = false;              // ABORTED for the first resume
  int cut_download_after_chunks = -1;  // likewise, once
  bool damage_download = false;        // one byte of a chunk differs from its CRC
  grpc::Status info_status;            // of GetServerInfo
  int drop_tiles = 0;                  // leave so many tiles out
  std::string request_id;              // sent as metadata with errors
  grpc::Status backward_status;        // of Backward, after its first tile

  // ---- what was seen
  std::string uploaded;                      // bytes of the finished upload
  std::vector<v1::UploadHeader> headers;     // one per connection
  std::vector<std::uint64_t> first_offsets;  // of each connection that sent a chunk
  std::string authorization;                 // of the last GetServerInfo
  std::vector<std::int64_t> ray_ids;         // of all RenderRays requests
  std::vector<int> rays_per_request;
  v1::BackwardHeader backward_header;
  int adjoint_messages = 0;
  std::map<v1::Aov, std::vector<double>> adjoints;  // dL/d(image) of the last Backward, of its whole region
  v1::UpdateFieldRequest update;
  v1::ZeroGradientsRequest zeroed;
  v1::Field field;  // of GetField and DownloadField
  std::string payload;

 private:
  class Admin;
  class Fields;
  class Renders;
  std::unique_ptr<Admin> admin_;
  std::unique_ptr<Fields> fields_;
  std::unique_ptr<Renders> renders_;
  std::unique_ptr<grpc::Server> server_;
  std::string endpoint_;
};

// What FakeDaemon renders: a value that tells pixel, channel and AOV.
[[nodiscard]] float FakePixel(v1::Aov aov, int x, int y, int channel);

}  // namespace dvren::testing
