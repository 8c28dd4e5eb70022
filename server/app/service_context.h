// ServiceContext: what every gRPC service is given. References outlive the services; the composition root (server.cpp)
// owns all of it.
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "dvren/core/device.h"
#include "server/app/config.h"

namespace dvren::server {

class FieldRegistry;
class GradientRegistry;
class Logger;
class Metrics;
class Scheduler;
class SessionRegistry;
class TapeRegistry;
class TenantResolver;

struct ServiceContext {
  const Config& config;
  Scheduler& scheduler;
  FieldRegistry& fields;
  TapeRegistry& tapes;
  GradientRegistry& gradients;
  SessionRegistry& sessions;
  std::vector<std::shared_ptr<Device>> devices;  // at least one
  Metrics& metrics;
  TenantResolver& tenants;
  Logger& logger;
  std::chrono::system_clock::time_point start_time;
};

}  // namespace dvren::server
