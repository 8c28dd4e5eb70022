// AdminService: dvren.v1.AdminService: what the daemon is and what it runs on.
#pragma once

#include "dvren/v1/admin_service.grpc.pb.h"
#include "server/app/service_context.h"

namespace dvren::server {

class AdminService final : public v1::AdminService::CallbackService {
 public:
  // `context` outlives the service.
  explicit AdminService(ServiceContext& context) : context_(context) {}

  grpc::ServerUnaryReactor* GetServerInfo(grpc::CallbackServerContext* call, const v1::GetServerInfoRequest* request,
                                          v1::ServerInfo* response) override;
  grpc::ServerUnaryReactor* ListDevices(grpc::CallbackServerContext* call, const v1::ListDevicesRequest* request,
                                        v1::ListDevicesResponse* response) override;

 private:
  ServiceContext& context_;
};

}  // namespace dvren::server
