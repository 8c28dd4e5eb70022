#include <algorithm>
#include <filesystem>

#include "byte_source.h"
#include "connection.h"
#include "crc32c.h"
#include "dvren/client/client.h"
#include "retry.h"

namespace dvren::client {
namespace {

constexpr std::uint64_t kChunkBytes = std::uint64_t{1} << 20;
// Initial metadata in which the daemon names an upload as soon as it has begun, so that it can be resumed.
constexpr char kUploadKey[] = "dvren-upload";

class Uploader {
 public:
  Uploader(Connection& connection, const ByteSource& source, const UploadOptions& options, std::string source_name)
      : connection_(connection),
        source_(source),
        options_(options),
        deadline_(connection.NewDeadline()),
        retry_(options.max_attempts, options.retry_delay, deadline_) {
    header_.set_display_name(options.display_name);
    header_.set_source(std::move(source_name));
    header_.set_total_bytes(source.size());
    *header_.mutable_options() = options.import;
    // The same id in every attempt: should only the answer be lost, the daemon gives the field that it made.
    header_.set_request_id(NewRequestId());
  }

  // Only the bytes are stored; no field is made.
  void KeepOnly() { header_.set_keep_only(true); }

  absl::StatusOr<v1::UploadFieldResponse> Run() {
    while (true) {
      absl::StatusOr<v1::UploadFieldResponse> response = Attempt();
      if (response.ok()) return response;
      // The daemon may still be starting again when it is asked where to go on.
      for (absl::Status status = response.status(); !status.ok(); status = FindOffset()) {
        if (!retry_.Again(MayPass(status))) return response.status();
      }
    }
  }

 private:
  // Whether another attempt may do better: a lost connection, a chunk damaged on its way, or, once one connection was
  // lost, a daemon that still waits for the rest on it.
  [[nodiscard]] bool MayPass(const absl::Status& status) const {
    return absl::IsUnavailable(status) || absl::IsDataLoss(status) || (absl::IsAborted(status) && resuming_);
  }

  absl::StatusOr<v1::UploadFieldResponse> Attempt() {
    grpc::ClientContext context;
    connection_.Prepare(context, deadline_);
    v1::UploadFieldResponse response;
    auto writer = connection_.fields->UploadField(&context, &response);
    v1::UploadFieldRequest request;
    *request.mutable_header() = header_;
    bool open = writer->Write(request);
    absl::Status read_status;
    for (std::uint64_t offset = offset_; open && offset < source_.size();) {
      v1::Chunk& chunk = *request.mutable_chunk();
      std::string& data = *chunk.mutable_data();
      data.resize(static_cast<std::size_t>(std::min(kChunkBytes, source_.size() - offset)));
      read_status = source_.Read(offset, std::span<char>(data.data(), data.size()));
      if (!read_status.ok()) {
        context.TryCancel();
        break;
      }
      chunk.set_offset(offset);
      chunk.set_crc32c(Crc32c(data.data(), data.size()));
      open = writer->Write(request);
      if (!open) break;
      offset += data.size();
      if (options_.progress) options_.progress(offset, source_.size());
    }
    if (open && read_status.ok()) writer->WritesDone();
    const grpc::Status status = writer->Finish();
    DVREN_RETURN_IF_ERROR(read_status);
    if (!status.ok()) {
      const auto& metadata = context.GetServerInitialMetadata();
      if (const auto it = metadata.find(kUploadKey); it != metadata.end()) {
        header_.set_upload(std::string(it->second.data(), it->second.size()));
      }
      return connection_.ToAbsl(status, context);
    }
    return response;
  }

  // Where to go on: what the daemon has. Where it knows nothing of the upload (any more), from the beginning.
  absl::Status FindOffset() {
    resuming_ = true;
    grpc::ClientContext context;
    connection_.Prepare(context, deadline_);
    v1::GetUploadRequest request;
    // The request's id names the upload as well, should its own name not have come through.
    request.set_name(header_.upload().empty() ? header_.request_id() : header_.upload());
    v1::Upload upload;
    const absl::Status status = connection_.ToAbsl(connection_.fields->GetUpload(&context, request, &upload), context);
    if (absl::IsUnavailable(status)) return status;
    const std::uint64_t before = offset_;
    if (status.ok() && upload.received_bytes() <= source_.size()) {
      header_.set_upload(upload.name());
      offset_ = upload.received_bytes();
    } else {
      header_.clear_upload();
      offset_ = 0;
    }
    if (offset_ > before) retry_.Progressed();
    return absl::OkStatus();
  }

  Connection& connection_;
  const ByteSource& source_;
  const UploadOptions& options_;
  const Deadline deadline_;
  Retry retry_;
  v1::UploadHeader header_;
  std::uint64_t offset_ = 0;  // what the daemon is known to have
  bool resuming_ = false;     // a connection was lost
};

absl::StatusOr<v1::Field> Upload(Connection& connection, const ByteSource& source, const UploadOptions& options,
                                 std::string source_name) {
  if (options.display_name.empty()) return InvalidField("display_name", "\"\"", "name the new field");
  DVREN_ASSIGN_OR_RETURN(v1::UploadFieldResponse response,
                         Uploader(connection, source, options, std::move(source_name)).Run());
  if (!response.has_field()) {
    return absl::InternalError("UploadField: the daemon finished the upload without naming a field; its log says more");
  }
  return std::move(*response.mutable_field());
}

}  // namespace

absl::StatusOr<v1::Field> Client::UploadFile(const std::string& path, const UploadOptions& options) const {
  DVREN_ASSIGN_OR_RETURN(const auto source, OpenFileSource(path));
  // Only the file's own name goes out, not the folders of this machine.
  std::string name = options.source.empty() ? std::filesystem::path(path).filename().string() : options.source;
  return Upload(*connection_, *source, options, std::move(name));
}

absl::StatusOr<v1::Field> Client::UploadBytes(std::span<const std::byte> bytes, const UploadOptions& options) const {
  if (bytes.empty()) return InvalidField("bytes", "0 bytes", "must not be empty");
  return Upload(*connection_, *MemorySource(bytes), options, options.source);
}

absl::StatusOr<v1::Field> Client::UploadGrid(std::span<const float> values, std::array<std::int64_t, 4> shape,
                                             UploadOptions options) const {
  std::uint64_t left = values.size();
  for (const std::int64_t n : shape) {
    if (n < 1 || left % static_cast<std::uint64_t>(n) != 0) {
      left = 0;
      break;
    }
    left /= static_cast<std::uint64_t>(n);
  }
  if (left != 1) {
    return InvalidField("shape", absl::StrCat(shape[0], "x", shape[1], "x", shape[2], "x", shape[3]),
                        absl::StrCat("extents must have a product of ", values.size(), ", the number of values"));
  }
  options.import.set_format(v1::FILE_FORMAT_RAW);
  v1::DenseGridSpec& spec = *options.import.mutable_dense_grid();
  spec.clear_shape();
  for (const std::int64_t n : shape) spec.add_shape(n);
  spec.set_dtype(v1::DTYPE_F32);
  return UploadBytes(std::as_bytes(values), options);
}

absl::StatusOr<v1::Field> Client::UpdateField(const std::string& name, std::span<const std::byte> values,
                                              std::uint64_t expected_version) const {
  // A message of the least size that a daemon takes; more goes up in chunks first.
  constexpr std::size_t kMaxInline = std::size_t{1} << 20;
  v1::UpdateFieldRequest request;
  request.set_name(name);
  request.set_expected_version(expected_version);
  request.set_request_id(NewRequestId());
  if (values.size() <= kMaxInline) {
    request.mutable_payload()->set_inline_(values.data(), values.size());
  } else {
    const std::unique_ptr<ByteSource> source = MemorySource(values);
    const UploadOptions options;
    Uploader uploader(*connection_, *source, options, "");
    uploader.KeepOnly();
    DVREN_ASSIGN_OR_RETURN(const v1::UploadFieldResponse response, uploader.Run());
    request.mutable_payload()->set_upload(response.upload().name());
  }
  grpc::ClientContext context;
  connection_->Prepare(context);
  v1::Field field;
  const auto status = connection_->fields->UpdateField(&context, request, &field);
  DVREN_RETURN_IF_ERROR(connection_->ToAbsl(status, context));
  return field;
}

}  // namespace dvren::client
