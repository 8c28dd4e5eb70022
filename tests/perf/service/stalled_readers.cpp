#include <grpcpp/grpcpp.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "benches.h"
#include "dvren/v1/render_service.grpc.pb.h"
#include "square_picture.h"

namespace dvren::bench {
namespace {

class StalledReader final : public grpc::ClientReadReactor<v1::RenderResponse> {
 public:
  StalledReader(v1::RenderService::Stub& stub, const v1::RenderRequest& request) {
    stub.async()->Render(&context_, &request, this);
    StartCall();  // and no StartRead
  }

 private:
  grpc::ClientContext context_;
};

}  // namespace

int StalledReaders(const std::string& endpoint, int readers, const std::string& field, int edge) {
  const v1::RenderRequest request = SquarePicture(field, edge);
  const auto channels = Connect(endpoint, readers);
  std::vector<std::unique_ptr<v1::RenderService::Stub>> stubs;
  std::vector<std::unique_ptr<StalledReader>> all;
  for (const auto& channel : channels) {
    stubs.push_back(v1::RenderService::NewStub(channel));
    all.push_back(std::make_unique<StalledReader>(*stubs.back(), request));
  }
  std::printf("stalled\n");
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  std::_Exit(0);  // as a client that vanishes
}

}  // namespace dvren::bench
