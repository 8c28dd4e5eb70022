// Submits, gets and rays: unary calls in a closed loop.
#include <cmath>
#include <random>
#include <utility>

#include "../bench.h"
#include "benches.h"
#include "dvren/v1/job_service.grpc.pb.h"
#include "dvren/v1/render_service.grpc.pb.h"
#include "ray_block.h"
#include "square_picture.h"

namespace dvren::bench {
namespace {

// What a client needs for one call after the other.
template <class Service, class Request, class Response>
struct Slot {
  std::unique_ptr<typename Service::Stub> stub;
  std::unique_ptr<grpc::ClientContext> context;
  Request request;
  Response response;
};

template <class Service, class Request, class Response>
std::vector<Slot<Service, Request, Response>> Slots(const LoadOptions& options, const Request& request) {
  std::vector<Slot<Service, Request, Response>> slots;
  for (const auto& channel : Connect(options.endpoint, options.clients)) {
    auto& slot = slots.emplace_back();
    slot.stub = Service::NewStub(channel);
    slot.request = request;
  }
  return slots;
}

}  // namespace

int Submits(const LoadOptions& options, const std::string& field) {
  v1::SubmitJobRequest request;
  v1::RenderSequenceJob& job = *request.mutable_spec()->mutable_render_sequence();
  v1::RenderRequest picture = SquarePicture(field, 16);
  *job.add_cameras() = picture.camera();
  picture.clear_camera();
  *job.mutable_render() = picture;
  request.set_title("bench");
  auto slots = Slots<v1::JobService, v1::SubmitJobRequest, v1::Job>(options, request);
  const std::string run = std::to_string(std::random_device()());
  RunClosedLoop(options, [&](int client, std::int64_t number, std::function<void(const grpc::Status&)> done) {
    auto& slot = slots[static_cast<std::size_t>(client)];
    slot.context = std::make_unique<grpc::ClientContext>();
    slot.request.set_request_id("bench-" + run + "-" + std::to_string(number));
    slot.stub->async()->SubmitJob(slot.context.get(), &slot.request, &slot.response, std::move(done));
  }).Print("submits");
  return 0;
}

int Gets(const LoadOptions& options, const std::string& job) {
  v1::GetJobRequest request;
  request.set_name(job);
  auto slots = Slots<v1::JobService, v1::GetJobRequest, v1::Job>(options, request);
  RunClosedLoop(options, [&](int client, std::int64_t, std::function<void(const grpc::Status&)> done) {
    auto& slot = slots[static_cast<std::size_t>(client)];
    slot.context = std::make_unique<grpc::ClientContext>();
    slot.stub->async()->GetJob(slot.context.get(), &slot.request, &slot.response, std::move(done));
  }).Print("gets");
  return 0;
}

int Rays(const LoadOptions& options, const std::string& field, int rays, int samples) {
  v1::RenderRaysRequest request;
  request.mutable_scene()->add_instances()->set_field(field);
  request.mutable_sampling()->set_dt(1.0 / samples);
  request.mutable_sampling()->set_early_stop(0);
  auto slots = Slots<v1::RenderService, v1::RenderRaysRequest, v1::RenderRaysResponse>(options, request);
  for (std::size_t i = 0; i < slots.size(); ++i) {
    EncodeRays(RayBlock(rays, static_cast<int>(i)), slots[i].request.mutable_rays());
  }
  RunClosedLoop(options, [&](int client, std::int64_t, std::function<void(const grpc::Status&)> done) {
    auto& slot = slots[static_cast<std::size_t>(client)];
    slot.context = std::make_unique<grpc::ClientContext>();
    slot.response.Clear();
    slot.stub->async()->RenderRays(slot.context.get(), &slot.request, &slot.response, std::move(done));
  }).Print("rays");
  return 0;
}

}  // namespace dvren::bench
