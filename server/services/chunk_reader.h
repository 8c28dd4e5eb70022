// ChunkReader: a call that brings a header and then bytes, in chunks, which go into memory that the caller's tenant is
// charged for. Derive from it: say how many bytes the header announces, and what is done with them.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <cstring>
#include <new>
#include <optional>
#include <utility>

#include "dvren/io/volume.h"
#include "server/jobs/mutex.h"
#include "server/jobs/scheduler.h"
#include "server/jobs/thread_annotations.h"
#include "server/metrics/metrics.h"
#include "server/middleware/request_scope.h"
#include "server/registries/digest.h"
#include "server/registries/session_registry.h"
#include "server/registries/upload_store.h"

namespace dvren::server {

// Deletes itself when the call is over. `Request` is a oneof of header and chunk.
template <class Request>
class ChunkReader : public grpc::ServerReadReactor<Request> {
 public:
  void OnReadDone(bool ok) final {
    const absl::Status status = ok ? Take() : TakeEnd();
    if (!status.ok()) {
      End(status);
    } else if (ok) {
      this->StartRead(&message_);
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
  ChunkReader(ServiceContext& context, grpc::CallbackServerContext* call, const char* method)
      : context_(context), call_(call), scope_(context, call, method) {}

  // Once, after construction.
  void Begin() {
    if (scope_.tenant().ok()) {
      this->StartRead(&message_);
    } else {
      End(scope_.tenant().status());
    }
  }
  // Bytes that follow the header.
  [[nodiscard]] virtual absl::StatusOr<std::uint64_t> TakeHeader(const Request& message) = 0;
  // All of them are in bytes_. Ends the call, now or later, unless it returns an error.
  [[nodiscard]] virtual absl::Status TakeAll() = 0;

  // What is cancelled when the caller goes away.
  void CancelWith(WorkId work) {
    {
      MutexLock lock(mutex_);
      work_ = work;
    }
    if (call_->IsCancelled()) context_.scheduler.Cancel(work);
  }
  void End(const absl::Status& status) { this->Finish(scope_.Finish(status)); }

  ServiceContext& context_;
  grpc::CallbackServerContext* const call_;
  RequestScope scope_;
  io::Blob bytes_;

 private:
  absl::Status Take() {
    if (!begun_) {
      if (!message_.has_header()) {
        return InvalidField("part", "not a header", "the first message must hold the header");
      }
      begun_ = true;
      DVREN_ASSIGN_OR_RETURN(const std::uint64_t total, TakeHeader(message_));
      DVREN_ASSIGN_OR_RETURN(charge_, context_.sessions.Charge(*scope_.tenant(), total));
      try {
        bytes_ = io::Blob(static_cast<std::size_t>(total));
      } catch (const std::bad_alloc&) {
        return absl::ResourceExhaustedError(absl::StrCat("chunks: no host memory for ", total, " bytes; retry later"));
      }
      return absl::OkStatus();
    }
    if (!message_.has_chunk()) {
      return InvalidField("part", "not a chunk", "after the header every message must hold a chunk");
    }
    const v1::Chunk& chunk = message_.chunk();
    const std::string& data = chunk.data();
    if (chunk.offset() != received_) {
      return InvalidField("chunk.offset", chunk.offset(),
                          absl::StrCat("must be ", received_, ", where the bytes go on"));
    }
    if (data.empty() || data.size() > kMaxChunkBytes) {
      return InvalidField("chunk.data", absl::StrCat(data.size(), " bytes"),
                          absl::StrCat("must hold 1 to ", kMaxChunkBytes));
    }
    if (data.size() > bytes_.size() - received_) {
      return InvalidField("chunk.data", absl::StrCat(data.size(), " bytes at ", received_),
                          absl::StrCat("exceeds the ", bytes_.size(), " that the header announces"));
    }
    if (chunk.has_crc32c() && Crc32c(data.data(), data.size()) != chunk.crc32c()) {
      return absl::DataLossError(absl::StrCat("chunk.crc32c = ", chunk.crc32c(), ": the data at offset ", received_,
                                              " has another; send it again"));
    }
    std::memcpy(bytes_.data() + received_, data.data(), data.size());
    received_ += data.size();
    context_.metrics.Transferred("in", static_cast<double>(data.size()));
    return absl::OkStatus();
  }

  absl::Status TakeEnd() {
    if (call_->IsCancelled()) return absl::CancelledError("the caller went away; nothing has changed");
    if (!begun_) return InvalidField("part", "absent", "the first message must hold the header");
    if (received_ != bytes_.size()) {
      return InvalidField("chunk", absl::StrCat(received_, " bytes in all"),
                          absl::StrCat("the header announces ", bytes_.size(), "; nothing has changed"));
    }
    return TakeAll();
  }

  Request message_;
  bool begun_ = false;
  std::size_t received_ = 0;
  ByteCharge charge_;

  Mutex mutex_;
  std::optional<WorkId> work_ DVREN_GUARDED_BY(mutex_);
};

}  // namespace dvren::server
