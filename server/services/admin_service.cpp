#include "server/services/admin_service.h"

#include <grpcpp/server_context.h>

#include <algorithm>

#include "dvren/fields/field.h"
#include "dvren/plan/plan.h"
#include "google/protobuf/util/time_util.h"
#include "server/app/build_info.h"
#include "server/jobs/scheduler.h"
#include "server/middleware/request_scope.h"
#include "server/registries/upload_store.h"

namespace dvren::server {

grpc::ServerUnaryReactor* AdminService::GetServerInfo(grpc::CallbackServerContext* call,
                                                      const v1::GetServerInfoRequest*, v1::ServerInfo* response) {
  RequestScope scope(context_, call, "AdminService/GetServerInfo");
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  if (scope.tenant().ok()) {
    const BuildInfo& build = GetBuildInfo();
    response->set_version(build.version);
    response->set_commit(build.commit);
    response->set_cuda_built(build.cuda);
    *response->mutable_start_time() = google::protobuf::util::TimeUtil::NanosecondsToTimestamp(
        std::chrono::duration_cast<std::chrono::nanoseconds>(context_.start_time.time_since_epoch()).count());
    for (const std::string& type : BuiltinFields().Names()) response->add_field_types(type);
    for (const char* format : {"vdb", "nvdb", "npy", "npz", "raw"}) response->add_file_formats(format);
    const LimitsConfig& configured = context_.config.limits;
    v1::Limits* limits = response->mutable_limits();
    limits->set_max_message_bytes(configured.max_message_bytes);
    limits->set_max_chunk_bytes(kMaxChunkBytes);
    limits->set_max_upload_bytes(configured.max_upload_bytes);
    limits->set_max_image_edge(configured.max_image_edge);
    limits->set_max_steps(kMaxSteps);
    limits->set_max_queued_requests(configured.max_queued);
    limits->set_max_gradient_bytes(configured.gradient_bytes);
    const TapesConfig& tapes = context_.config.tapes;
    limits->set_max_tape_bytes(std::min(tapes.max_tenant_bytes, tapes.max_bytes));
    limits->set_default_tape_lease_s(tapes.lease_s);
    limits->set_max_tape_lease_s(tapes.max_lease_s);
    response->set_tenant(*scope.tenant());
  }
  reactor->Finish(scope.Finish(scope.tenant().status()));
  return reactor;
}

grpc::ServerUnaryReactor* AdminService::ListDevices(grpc::CallbackServerContext* call, const v1::ListDevicesRequest*,
                                                    v1::ListDevicesResponse* response) {
  RequestScope scope(context_, call, "AdminService/ListDevices");
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  if (scope.tenant().ok()) {
    const std::vector<DeviceQueueStatus> queues = context_.scheduler.Status();
    for (const std::shared_ptr<Device>& device : context_.devices) {
      const DeviceInfo& info = device->info();
      v1::DeviceStatus* status = response->add_devices();
      status->set_id(info.id);
      status->set_kind(info.kind == DeviceKind::kCuda ? "cuda" : "cpu");
      status->set_name(info.name);
      status->set_uuid(info.uuid);
      status->set_isa(info.isa);
      status->set_threads(info.threads);
      status->set_memory_total_bytes(info.memory_total_bytes);
      status->set_memory_used_bytes(device->memory_used_bytes());
      status->set_multiprocessors(info.multiprocessors);
      status->set_driver(info.driver);
      for (const DeviceQueueStatus& queue : queues) {
        if (queue.device != info.id) continue;
        status->set_queue_depth(queue.queued + queue.parked + queue.running);
        status->set_healthy(queue.healthy);
        status->set_busy_seconds(queue.busy_seconds);
      }
    }
  }
  reactor->Finish(scope.Finish(scope.tenant().status()));
  return reactor;
}

}  // namespace dvren::server
