// FieldImport: how a file becomes a field, the same for every way in which files arrive. Runs on threads of its own:
// neither RPC threads nor device workers wait for a parser.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "dvren/core/status.h"
#include "dvren/io/import.h"
#include "dvren/v1/field_service.pb.h"
#include "server/app/service_context.h"
#include "server/services/worker_pool.h"

namespace dvren::server {

struct FieldImportSpec {
  std::string tenant, display_name, source, request_id;
  v1::ImportOptions options;
};

class FieldImport {
 public:
  explicit FieldImport(ServiceContext& context);

  // Everything that can be refused before any byte is read. Set: an earlier creation with this request_id made this
  // field.
  [[nodiscard]] absl::StatusOr<std::optional<v1::Field>> Check(const FieldImportSpec& spec) const;

  struct Call {
    std::optional<std::chrono::steady_clock::time_point> deadline;
    std::function<bool()> cancelled;                      // asked often, on the import's thread
    std::function<void(absl::StatusOr<v1::Field>)> done;  // called once, on the import's thread, if Start succeeds
  };
  // Queues the import of the file at `path`. RESOURCE_EXHAUSTED when too many wait.
  [[nodiscard]] absl::Status Start(FieldImportSpec spec, std::string path, Call call);
  // The same with the file's bytes at hand.
  [[nodiscard]] absl::Status StartInline(FieldImportSpec spec, std::string bytes, Call call);

 private:
  [[nodiscard]] absl::StatusOr<v1::Field> Run(const FieldImportSpec& spec, const std::string& path,
                                              const Call& call) const;
  [[nodiscard]] absl::StatusOr<v1::Field> RunInline(const FieldImportSpec& spec, const std::string& bytes,
                                                    const Call& call) const;

  ServiceContext& context_;
  WorkerPool pool_;
};

}  // namespace dvren::server
