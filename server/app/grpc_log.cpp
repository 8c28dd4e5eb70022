#include "server/app/grpc_log.h"

#include <grpc/support/log.h>

#include <atomic>

namespace dvren::server {
namespace {

// gpr_set_log_function takes a bare function: the logger it writes to has to be found from there.
std::atomic<Logger*> grpc_logger{nullptr};

void Write(gpr_log_func_args* args) {
  Logger* const logger = grpc_logger.load();
  if (logger == nullptr || args->severity < GPR_LOG_SEVERITY_INFO) return;
  const LogLevel level = args->severity >= GPR_LOG_SEVERITY_ERROR ? LogLevel::kWarn : LogLevel::kDebug;
  logger->Log(level, args->message, {{"source", "grpc"}, {"file", args->file}, {"line", args->line}});
}

}  // namespace

void RouteGrpcLog(Logger* logger) {
  grpc_logger.store(logger);
  gpr_set_log_function(Write);
}

}  // namespace dvren::server
