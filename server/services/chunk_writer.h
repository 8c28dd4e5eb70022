// ChunkWriter: a call that is answered with a description and then bytes, in chunks. Derive from it, fill in the first
// message, and hand over the bytes once they are there.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "server/jobs/mutex.h"
#include "server/jobs/scheduler.h"
#include "server/jobs/thread_annotations.h"
#include "server/metrics/metrics.h"
#include "server/middleware/request_scope.h"
#include "server/registries/digest.h"
#include "server/registries/upload_store.h"

namespace dvren::server {

// Deletes itself when the call is over.
template <class Response>
class ChunkWriter : public grpc::ServerWriteReactor<Response> {
 public:
  void OnWriteDone(bool ok) final {
    if (ok) {
      SendNext();
    } else {
      End(absl::CancelledError("the caller went away"));
    }
  }
  void OnCancel() final {
    std::optional<WorkId> work;
    {
      MutexLock lock(mutex_);
      work = work_;
    }
    if (work) context_.scheduler.Cancel(*work);
  }
  void OnDone() final { delete this; }

 protected:
  ChunkWriter(ServiceContext& context, grpc::CallbackServerContext* call, const char* method)
      : context_(context), scope_(context, call, method) {}

  // What is cancelled when the caller goes away. Before the reactor is returned.
  void CancelWith(WorkId work) {
    MutexLock lock(mutex_);
    work_ = work;
  }
  // Sends message_, then the parts one after the other; the bytes stay where they are until the call is over.
  void Send(std::vector<std::span<const std::byte>> parts) {
    parts_ = std::move(parts);
    this->StartWrite(&message_);
  }
  void End(const absl::Status& status) { this->Finish(scope_.Finish(status)); }

  ServiceContext& context_;
  RequestScope scope_;
  Response message_;

 private:
  void SendNext() {
    while (part_ < parts_.size() && at_ == parts_[part_].size()) ++part_, at_ = 0;
    if (part_ == parts_.size()) return End(absl::OkStatus());
    const auto piece =
        parts_[part_].subspan(at_, std::min(parts_[part_].size() - at_, static_cast<std::size_t>(kMaxChunkBytes)));
    message_.Clear();
    v1::Chunk* chunk = message_.mutable_chunk();
    chunk->set_offset(offset_);
    chunk->set_data(piece.data(), piece.size());
    chunk->set_crc32c(Crc32c(chunk->data().data(), chunk->data().size()));
    at_ += piece.size();
    offset_ += piece.size();
    context_.metrics.Transferred("out", static_cast<double>(piece.size()));
    this->StartWrite(&message_);
  }

  std::vector<std::span<const std::byte>> parts_;
  std::size_t part_ = 0, at_ = 0;
  std::uint64_t offset_ = 0;

  Mutex mutex_;
  std::optional<WorkId> work_ DVREN_GUARDED_BY(mutex_);
};

}  // namespace dvren::server
