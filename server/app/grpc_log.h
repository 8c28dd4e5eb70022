// gRPC's own messages, as lines of our log.
#pragma once

#include "server/middleware/logger.h"

namespace dvren::server {

// Warnings and errors of gRPC go to `logger`, at most as warnings: what matters to a caller is reported by its request.
// `logger` must outlive gRPC; nullptr drops them.
void RouteGrpcLog(Logger* logger);

}  // namespace dvren::server
