#include "server/services/field_import.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <new>
#include <system_error>
#include <utility>

#include "server/codec/import_codec.h"
#include "server/registries/digest.h"
#include "server/registries/display_name.h"
#include "server/registries/durable_file.h"
#include "server/registries/field_registry.h"

namespace dvren::server {
namespace {

constexpr int kImportThreads = 2;
constexpr std::size_t kMaxWaitingImports = 64;
constexpr std::size_t kMaxSourceBytes = 1024;

// A folder of one import, gone with it.
class ScratchFolder {
 public:
  explicit ScratchFolder(const std::string& parent) : path_(absl::StrCat(parent, "/import-", RandomId())) {}
  ~ScratchFolder() { RemoveTree(path_); }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  [[nodiscard]] absl::Status Make() const { return MakeDirectories(path_); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

absl::Status TooMany() {
  return absl::ResourceExhaustedError(
      absl::StrCat("imports waiting = ", kMaxWaitingImports, ": the queue is full; retry later"));
}

}  // namespace

FieldImport::FieldImport(ServiceContext& context) : context_(context), pool_(kImportThreads, kMaxWaitingImports) {}

absl::StatusOr<std::optional<v1::Field>> FieldImport::Check(const FieldImportSpec& spec) const {
  DVREN_RETURN_IF_ERROR(ValidateRequestId(spec.request_id));
  if (auto made = context_.fields.FindCreated(spec.tenant, spec.request_id); made.ok())
    return std::optional(*std::move(made));
  if (spec.source.size() > kMaxSourceBytes) {
    return InvalidField("source", absl::StrCat(spec.source.size(), " bytes"),
                        absl::StrCat("must be a file name of at most ", kMaxSourceBytes));
  }
  DVREN_RETURN_IF_ERROR(DecodeImportOptions(spec.options, spec.source).status());
  DVREN_RETURN_IF_ERROR(context_.fields.CheckDisplayName(spec.tenant, spec.display_name));
  return std::optional<v1::Field>();
}

absl::Status FieldImport::Start(FieldImportSpec spec, std::string path, Call call) {
  // Shared, as std::function must be copyable.
  auto state = std::make_shared<std::pair<FieldImportSpec, Call>>(std::move(spec), std::move(call));
  const bool accepted =
      pool_.Post([this, state, path = std::move(path)] { state->second.done(Run(state->first, path, state->second)); });
  return accepted ? absl::OkStatus() : TooMany();
}

absl::Status FieldImport::StartInline(FieldImportSpec spec, std::string bytes, Call call) {
  auto state = std::make_shared<std::pair<FieldImportSpec, Call>>(std::move(spec), std::move(call));
  const bool accepted = pool_.Post(
      [this, state, bytes = std::move(bytes)] { state->second.done(RunInline(state->first, bytes, state->second)); });
  return accepted ? absl::OkStatus() : TooMany();
}

absl::StatusOr<v1::Field> FieldImport::RunInline(const FieldImportSpec& spec, const std::string& bytes,
                                                 const Call& call) const {
  const ScratchFolder folder(context_.fields.store().tmp_dir());
  DVREN_RETURN_IF_ERROR(folder.Make());
  const std::string path = folder.path() + "/payload";
  {
    DVREN_ASSIGN_OR_RETURN(DurableFile file, DurableFile::Open(path, /*append=*/false, nullptr));
    DVREN_RETURN_IF_ERROR(file.Append(bytes.data(), bytes.size()));
  }
  return Run(spec, path, call);
}

absl::StatusOr<v1::Field> FieldImport::Run(const FieldImportSpec& spec, const std::string& path,
                                           const Call& call) const {
  const auto cancelled = [&] {
    return call.cancelled() || (call.deadline && std::chrono::steady_clock::now() >= *call.deadline);
  };
  const auto explain = [&](absl::Status status) {
    // Which of the two it was, the parser cannot know.
    if (absl::IsCancelled(status) && !call.cancelled()) {
      return absl::DeadlineExceededError("the deadline passed before the field was made; give it more time");
    }
    return status;
  };
  if (cancelled()) return explain(absl::CancelledError("the caller went away; no field was made"));
  DVREN_ASSIGN_OR_RETURN(io::ImportRequest request, DecodeImportOptions(spec.options, spec.source));
  request.path = path;
  request.max_bytes = context_.config.limits.max_upload_bytes;
  if (context_.config.limits.memory_bytes != 0)
    request.max_bytes = std::min(request.max_bytes, context_.config.limits.memory_bytes);
  request.deadline_seconds = context_.config.parse.seconds;
  request.worker_path = context_.config.parse.worker;
  request.cancelled = cancelled;
  try {
    const absl::StatusOr<io::Volume> volume = io::ImportVolume(request, context_.fields.store().tmp_dir());
    if (!volume.ok()) return explain(volume.status());
    FieldCreation creation;
    creation.description.set_display_name(spec.display_name);
    creation.description.set_owner(spec.tenant);
    creation.description.set_source(spec.source);
    creation.request_id = spec.request_id;
    creation.cancelled = cancelled;
    auto field = context_.fields.Add(std::move(creation), *volume);
    if (!field.ok()) return explain(field.status());
    return field;
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(
        "import: no host memory left for the volume; retry with a smaller one or later");
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("import: ", error.what()));
  }
}

}  // namespace dvren::server
