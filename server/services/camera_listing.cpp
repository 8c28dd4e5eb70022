#include "server/services/camera_listing.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "server/codec/training_exchange_codec.h"
#include "server/jobs/scheduler.h"
#include "server/middleware/request_scope.h"
#include "server/registries/session_registry.h"
#include "server/services/device_task.h"

namespace dvren::server {
namespace {

absl::Status ListCameras(const TrainingSession& session, v1::GetCamerasResponse* response) {
  const int factor = std::max(1, session.dataset().downscale());
  const auto& photos = session.photos()->photos;
  for (std::size_t i = 0; i < photos.size(); ++i) {
    DVREN_ASSIGN_OR_RETURN(const io::PhotoCamera camera, session.trainer().CameraOf(i));
    EncodePhotoCamera(photos[i], camera, factor, response->add_cameras());
  }
  response->set_step(session.trainer().steps_done());
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* StartCameraListing(ServiceContext& context, grpc::CallbackServerContext* call,
                                             const v1::GetCamerasRequest* request, v1::GetCamerasResponse* response) {
  const auto scope = std::make_shared<RequestScope>(context, call, "TrainingService/GetCameras");
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  // The request and the response live until the answer is sent.
  const auto submit = [&]() -> absl::Status {
    if (!scope->tenant().ok()) return scope->tenant().status();
    DVREN_ASSIGN_OR_RETURN(const auto session, context.sessions.Find(*scope->tenant(), request->session()));
    WorkOptions options;
    options.label = "TrainingService/GetCameras";
    options.tenant = *scope->tenant();
    options.work_class = WorkClass::kNormal;
    options.deadline = scope->deadline();
    options.device = session->device();
    auto task = std::make_shared<DeviceTask>(
        [session, response](Stream&) { return ListCameras(*session, response); },
        [scope, reactor](const absl::Status& status) { reactor->Finish(scope->Finish(status)); });
    return context.scheduler.Submit(std::move(task), std::move(options)).status();
  };
  if (const absl::Status status = submit(); !status.ok()) reactor->Finish(scope->Finish(status));
  return reactor;
}

}  // namespace dvren::server
