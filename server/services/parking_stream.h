// ParkingStream: a call whose work on a device makes messages for its caller, tile by tile. At most a few messages wait
// for the caller; then the work parks until one has gone out. Derive from it and write RunSlice.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "server/jobs/mutex.h"
#include "server/jobs/scheduler.h"
#include "server/jobs/thread_annotations.h"
#include "server/metrics/metrics.h"
#include "server/middleware/request_scope.h"

namespace dvren::server {

template <class Response>
class ParkingStream : public grpc::ServerWriteReactor<Response>,
                      public Work,
                      public std::enable_shared_from_this<ParkingStream<Response>> {
 public:
  // The work; on a device worker's thread.
  void Abort(const absl::Status& why) override { End(why); }

  // The call; on RPC threads.
  void OnWriteDone(bool ok) final {
    const Response* write = nullptr;
    std::optional<absl::Status> finish;
    std::optional<WorkId> unpark;
    double sent = 0;
    {
      MutexLock lock(mutex_);
      sent = static_cast<double>(outbound_.front()->ByteSizeLong());
      outbound_.pop_front();
      if (!ok) {
        broken_ = true;
        outbound_.clear();
      }
      if (!outbound_.empty()) {
        write = outbound_.front().get();
      } else {
        finish = ended_;
      }
      if (parked_) {
        parked_ = false;
        unpark = work_;
      }
    }
    if (ok) context_.metrics.Transferred("out", sent);
    if (write != nullptr) this->StartWrite(write);
    if (unpark) context_.scheduler.Unpark(*unpark);
    if (finish) {
      FinishCall(ok ? *finish : absl::CancelledError("the caller went away"));
    } else if (!ok) {
      CancelWork();
    }
  }
  void OnCancel() final { CancelWork(); }
  void OnDone() final { self_.reset(); }

 protected:
  ParkingStream(ServiceContext& context, grpc::CallbackServerContext* call, const char* method)
      : context_(context), scope_(context, call, method), method_(method) {}

  // Once, after construction: the object lives until both the call and the work are over. `submit` decodes and then
  // calls Submit; its error ends the call.
  template <class Derived, class Start>
  static Derived* Begin(std::shared_ptr<Derived> stream, const Start& submit) {
    stream->self_ = stream;
    const absl::Status status = stream->scope_.tenant().ok() ? submit(*stream) : stream->scope_.tenant().status();
    if (!status.ok()) stream->FinishCall(status);
    return stream.get();
  }

  [[nodiscard]] absl::Status Submit(const std::string& device, WorkClass work_class = WorkClass::kInteractive) {
    WorkOptions options;
    options.label = method_;
    options.tenant = *scope_.tenant();
    options.work_class = work_class;
    options.deadline = scope_.deadline();
    options.device = device;
    DVREN_ASSIGN_OR_RETURN(const WorkId work, context_.scheduler.Submit(this->shared_from_this(), std::move(options)));
    // gRPC calls back only after this call has returned its reactor: whoever needs the id finds it.
    MutexLock lock(mutex_);
    work_ = work;
    return absl::OkStatus();
  }

  void Push(std::unique_ptr<Response> message) {
    const Response* write = nullptr;
    {
      MutexLock lock(mutex_);
      if (broken_) return;
      outbound_.push_back(std::move(message));
      if (outbound_.size() == 1) write = outbound_.front().get();
    }
    if (write != nullptr) this->StartWrite(write);
  }

  // Whether the caller is behind; if so OnWriteDone will unpark the work.
  [[nodiscard]] bool ShouldPark() {
    MutexLock lock(mutex_);
    parked_ = outbound_.size() >= kMaxOutbound && !broken_;
    return parked_;
  }

  // Runs parked work again, whatever it waits for; from any thread.
  void Unpark() {
    std::optional<WorkId> work;
    {
      MutexLock lock(mutex_);
      work = work_;
    }
    if (work) context_.scheduler.Unpark(*work);
  }

  // The last word of the work: sent when what waits has gone out, or at once after an error.
  void End(absl::Status status) {
    {
      MutexLock lock(mutex_);
      if (broken_) status = absl::CancelledError("the caller went away");
      ended_ = status;
      // The message being written cannot be taken back; the rest is of no use after an error.
      if (!status.ok() && outbound_.size() > 1) outbound_.erase(outbound_.begin() + 1, outbound_.end());
      if (!outbound_.empty()) return;  // OnWriteDone finishes
    }
    FinishCall(status);
  }

  // Called once, before the call is over: the last chance to take back what the caller will not hear of.
  virtual void OnFinish(const absl::Status&) {}

  ServiceContext& context_;
  RequestScope scope_;

 private:
  static constexpr std::size_t kMaxOutbound = 4;  // messages that wait for the caller: some 1 MiB

  void FinishCall(const absl::Status& status) {
    OnFinish(status);
    this->Finish(scope_.Finish(status));
  }

  void CancelWork() {
    std::optional<WorkId> work;
    {
      MutexLock lock(mutex_);
      work = work_;
    }
    if (work) context_.scheduler.Cancel(*work);
  }

  const char* const method_;
  std::shared_ptr<ParkingStream> self_;  // until OnDone

  Mutex mutex_;
  std::deque<std::unique_ptr<Response>> outbound_ DVREN_GUARDED_BY(mutex_);  // front is being written
  std::optional<absl::Status> ended_ DVREN_GUARDED_BY(mutex_);
  std::optional<WorkId> work_ DVREN_GUARDED_BY(mutex_);
  bool parked_ DVREN_GUARDED_BY(mutex_) = false;
  bool broken_ DVREN_GUARDED_BY(mutex_) = false;  // nobody listens any more
};

}  // namespace dvren::server
