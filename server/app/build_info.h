// What was built: for GetServerInfo, the build_info metric, the log and --version.
#pragma once

namespace dvren::server {

struct BuildInfo {
  const char* version;   // "0.1.0"
  const char* commit;    // abbreviated, "unknown" outside a git checkout
  const char* compiler;  // "GNU 12.2.0"
  bool cuda;             // the CUDA backend is built in
};

[[nodiscard]] const BuildInfo& GetBuildInfo();

}  // namespace dvren::server
