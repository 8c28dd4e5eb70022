#include "abi/error.h"

#include <cstdarg>
#include <cstdio>

namespace hp {

namespace {
thread_local char last_error[512] = "";
}  // namespace

hp_status Fail(hp_status status, const char* format, ...) {
  va_list args;
  va_start(args, format);
  std::vsnprintf(last_error, sizeof last_error, format, args);
  va_end(args);
  return status;
}

void ClearError() {
  last_error[0] = '\0';
}

}  // namespace hp

extern "C" const char* hp_last_error(void) {
  return hp::last_error;
}

extern "C" const char* hp_status_name(hp_status status) {
  switch (status) {
    case HP_STATUS_OK:
      return "OK";
    case HP_STATUS_INVALID_ARGUMENT:
      return "INVALID_ARGUMENT";
    case HP_STATUS_OUT_OF_MEMORY:
      return "OUT_OF_MEMORY";
    case HP_STATUS_NOT_IMPLEMENTED:
      return "NOT_IMPLEMENTED";
    case HP_STATUS_UNSUPPORTED:
      return "UNSUPPORTED";
    case HP_STATUS_DEVICE_ERROR:
      return "DEVICE_ERROR";
    case HP_STATUS_INTERNAL:
      return "INTERNAL";
    case HP_STATUS_OVERFLOW:
      return "OVERFLOW";
  }
  return "UNKNOWN";
}

extern "C" size_t hp_dtype_size(hp_dtype dtype) {
  switch (dtype) {
    case HP_DTYPE_F64:
    case HP_DTYPE_I64:
      return 8;
    case HP_DTYPE_F32:
    case HP_DTYPE_I32:
      return 4;
    case HP_DTYPE_F16:
    case HP_DTYPE_BF16:
      return 2;
    case HP_DTYPE_U8:
      return 1;
  }
  return 0;
}
