#include "server/services/download_stream.h"

#include <algorithm>
#include <string>
#include <utility>

#include "server/metrics/metrics.h"
#include "server/registries/field_registry.h"
#include "server/registries/upload_store.h"

namespace dvren::server {

DownloadStream::DownloadStream(ServiceContext& context, WorkerPool& files, grpc::CallbackServerContext* call,
                               const v1::DownloadFieldRequest* request)
    : context_(context), files_(files), call_(call), scope_(context, call, "FieldService/DownloadField") {
  if (const absl::Status status = Open(*request); !status.ok()) {
    End(status);
    return;
  }
  Post(&DownloadStream::SendFirst);
}

absl::Status DownloadStream::Open(const v1::DownloadFieldRequest& request) {
  if (!scope_.tenant().ok()) return scope_.tenant().status();
  if (request.content() != v1::FIELD_CONTENT_UNSPECIFIED && request.content() != v1::FIELD_CONTENT_PAYLOAD) {
    return InvalidField("content", static_cast<int>(request.content()), "must be PAYLOAD or GRADIENT");
  }
  while (true) {
    DVREN_ASSIGN_OR_RETURN(field_, context_.fields.Get(*scope_.tenant(), request.name()));
    auto file = context_.fields.OpenPayload(field_);
    if (file.ok()) {
      file_ = *std::move(file);
      break;
    }
    // Updated in between: the new payload is another file.
    const auto now = context_.fields.Get(*scope_.tenant(), request.name());
    if (!now.ok() || now->version() == field_.version()) return file.status();
  }
  if (request.offset() > field_.payload_bytes()) {
    return InvalidField("offset", request.offset(),
                        absl::StrCat("must be at most payload_bytes = ", field_.payload_bytes()));
  }
  offset_ = request.offset();
  return absl::OkStatus();
}

void DownloadStream::Post(void (DownloadStream::*task)()) {
  if (!files_.Post([this, task] { (this->*task)(); }))
    End(absl::ResourceExhaustedError("downloads: too many at once; retry later"));
}

void DownloadStream::SendFirst() {
  // A resumed download reads what it skips, so that its end can be vouched for as well.
  std::string skipped;
  for (std::uint64_t at = 0; at < offset_; at += skipped.size()) {
    if (call_->IsCancelled()) {
      End(absl::CancelledError("the caller went away"));
      return;
    }
    skipped.resize(static_cast<std::size_t>(std::min<std::uint64_t>(4 * kMaxChunkBytes, offset_ - at)));
    if (const absl::Status status = file_.ReadAt(skipped.data(), skipped.size(), at, field_.name()); !status.ok()) {
      End(status);
      return;
    }
    hash_.Update(skipped.data(), skipped.size());
  }
  *message_.mutable_field() = field_;
  StartWrite(&message_);
}

void DownloadStream::OnWriteDone(bool ok) {
  if (!ok) {
    End(absl::CancelledError("the caller went away"));
    return;
  }
  Post(&DownloadStream::SendNext);
}

void DownloadStream::SendNext() {
  message_.clear_field();
  const std::uint64_t rest = field_.payload_bytes() - offset_;
  if (rest == 0) {
    End(hash_.Finish() == field_.sha256()
            ? absl::OkStatus()
            : absl::DataLossError(
                  absl::StrCat("field = ", field_.name(), " (", field_.display_name(),
                               "): the stored payload is damaged (SHA-256 differs); discard what was received")));
    return;
  }
  v1::Chunk* chunk = message_.mutable_chunk();
  std::string* data = chunk->mutable_data();
  data->resize(static_cast<std::size_t>(std::min(rest, kMaxChunkBytes)));
  if (const absl::Status status = file_.ReadAt(data->data(), data->size(), offset_, field_.name()); !status.ok()) {
    End(status);
    return;
  }
  hash_.Update(data->data(), data->size());
  chunk->set_offset(offset_);
  chunk->set_crc32c(Crc32c(data->data(), data->size()));
  offset_ += data->size();
  context_.metrics.Transferred("out", static_cast<double>(data->size()));
  StartWrite(&message_);
}

void DownloadStream::OnDone() {
  delete this;
}

void DownloadStream::End(const absl::Status& status) {
  Finish(scope_.Finish(status));
}

}  // namespace dvren::server
