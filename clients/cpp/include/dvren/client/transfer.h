// Options of field uploads and downloads.
#pragma once

#include <chrono>
#include <string>

#include "dvren/client/options.h"
#include "dvren/v1/field_service.pb.h"

namespace dvren::client {

struct UploadOptions {
  std::string display_name;  // of the new field; unique within the tenant
  std::string source;        // file name for people and, without import.format, for the format; empty: that of the path
  v1::ImportOptions import;  // format, kind, grid, and box, interp, border and activation of arrays
  Progress progress;         // bytes
  int max_attempts = 6;      // connections tried without a byte gained in between before UNAVAILABLE is final
  std::chrono::milliseconds retry_delay{200};  // before the second attempt; doubles up to 5 s
};

struct DownloadOptions {
  Progress progress;  // bytes
  int max_attempts = 6;
  std::chrono::milliseconds retry_delay{200};
};

}  // namespace dvren::client
