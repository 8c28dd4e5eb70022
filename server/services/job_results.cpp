#include "server/services/job_results.h"

#include <condition_variable>
#include <exception>
#include <filesystem>
#include <map>
#include <set>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "dvren/v1/job_service.pb.h"
#include "server/codec/volume_codec.h"
#include "server/jobs/mutex.h"
#include "server/jobs/thread_annotations.h"
#include "server/middleware/logger.h"
#include "server/registries/durable_file.h"
#include "server/registries/field_objects.h"
#include "server/registries/field_registry.h"
#include "server/registries/gradient_registry.h"
#include "server/services/job_kind.h"

namespace dvren::server {
namespace {

constexpr std::chrono::minutes kLookAgain{1};
constexpr char kAwaited[] = "awaited", kBrought[] = "brought";  // folders of empty files, called by the job's number

}  // namespace

class JobResults::Impl {
 public:
  Impl(ServiceContext& context, JobStore& jobs, const ObjectStore& objects, std::string folder, std::string queue)
      : context_(context), jobs_(jobs), objects_(objects), folder_(std::move(folder)), queue_(std::move(queue)) {}

  ~Impl() {
    subscription_.reset();
    {
      MutexLock lock(mutex_);
      stop_ = true;
      wake_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
  }

  absl::Status Open() {
    for (const char* kind : {kAwaited, kBrought}) {
      DVREN_RETURN_IF_ERROR(MakeDirectories(absl::StrCat(folder_, "/", kind)));
      std::error_code error;
      for (const auto& entry : std::filesystem::directory_iterator(absl::StrCat(folder_, "/", kind), error)) {
        JobId id = 0;
        if (!absl::SimpleAtoi(entry.path().filename().string(), &id)) continue;
        MutexLock lock(mutex_);
        known_[id] = known_.count(id) > 0 || kind == kBrought;
        changed_.insert(id);
      }
      if (error) return ErrnoStatus(error.value(), "list", absl::StrCat(folder_, "/", kind));
    }
    subscription_ = jobs_.Subscribe([this](JobId id) {
      MutexLock lock(mutex_);
      if (known_.count(id) == 0) return;
      changed_.insert(id);
      wake_.notify_all();
    });
    thread_ = std::thread([this] { Loop(); });
    return absl::OkStatus();
  }

  absl::Status Await(JobId id) {
    {
      MutexLock lock(mutex_);
      if (known_.count(id) > 0) return absl::OkStatus();
    }
    const std::string folder = absl::StrCat(folder_, "/", kAwaited);
    const absl::Status written = WriteFileDurably(absl::StrCat(folder, "/", id), "", nullptr);
    // The same submission, come twice at the same time.
    std::error_code ignored;
    if (!written.ok() && !std::filesystem::exists(absl::StrCat(folder, "/", id), ignored)) return written;
    DVREN_RETURN_IF_ERROR(SyncDirectory(folder, nullptr));
    MutexLock lock(mutex_);
    known_.emplace(id, false);
    changed_.insert(id);  // it may have ended before
    wake_.notify_all();
    return absl::OkStatus();
  }

  void Bring(const Job& job) {
    if (job.state != JobState::kSucceeded) return;
    // One after the other: who comes second to a job finds it brought.
    MutexLock one(import_);
    {
      MutexLock lock(mutex_);
      const auto it = known_.find(job.id);
      if (it == known_.end() || it->second) return;
    }
    absl::Status status;
    try {
      status = Import(job);
    } catch (const std::bad_alloc&) {
      status = absl::ResourceExhaustedError("no host memory left");
    } catch (const std::exception& error) {
      status = absl::InternalError(error.what());
    }
    const std::string name = absl::StrCat("jobs/", job.id);
    if (!status.ok()) {
      context_.logger.Error("jobs: cannot take over a trained field; it stays among the job's artifacts",
                            {{"job", name}, {"error", std::string(status.message())}});
      if (!IsFinal(status.code())) return;
    }
    const std::string from = absl::StrCat(folder_, "/", kAwaited, "/", job.id);
    const std::string to = absl::StrCat(folder_, "/", kBrought, "/", job.id);
    // After a crash it is brought again, which the field's request id makes nothing of.
    RenamePath(from, to, nullptr).IgnoreError();
    MutexLock lock(mutex_);
    known_[job.id] = true;
  }

 private:
  absl::Status Import(const Job& job) {
    v1::JobSpec spec;
    if (!spec.ParseFromString(job.spec)) return absl::InvalidArgumentError("its stored spec cannot be read");
    DVREN_ASSIGN_OR_RETURN(const std::vector<JobArtifact> artifacts, jobs_.Artifacts(job.id));
    DVREN_ASSIGN_OR_RETURN(const FieldObject object, FindField(objects_, artifacts, ""));
    DVREN_ASSIGN_OR_RETURN(io::Blob payload, ReadPayload(objects_, object));
    DVREN_ASSIGN_OR_RETURN(io::Volume volume, VolumeFrom(object.description, std::move(payload)));
    const std::string request_id = absl::StrCat("job-", queue_, "-", job.id);
    absl::StatusOr<v1::Field> field = context_.fields.FindCreated(job.owner, request_id);
    if (!field.ok()) {
      field = context_.fields.Get(job.owner, spec.train().field());
      auto* const dense = std::get_if<io::DenseVolume>(&volume);
      if (field.ok() && dense != nullptr) {
        field = context_.fields.Replace({job.owner, field->name(), 0, request_id, nullptr}, std::move(*dense));
        if (field.ok()) context_.gradients.Drop(field->name());
      } else if (absl::IsNotFound(field.status())) {
        FieldCreation creation;
        creation.description.set_display_name(spec.train().field());
        creation.description.set_owner(job.owner);
        creation.description.set_source(object.description.source());
        creation.request_id = request_id;
        field = context_.fields.Add(std::move(creation), volume);
      }
    }
    if (!field.ok()) return field.status();
    context_.logger.Info("trained field taken over", {{"job", absl::StrCat("jobs/", job.id)},
                                                      {"field", field->name()},
                                                      {"version", static_cast<std::int64_t>(field->version())}});
    return absl::OkStatus();
  }

  void Loop() {
    while (true) {
      std::set<JobId> look;
      {
        MutexLock lock(mutex_);
        if (changed_.empty() && !stop_ && wake_.wait_for(lock.native(), kLookAgain) == std::cv_status::timeout) {
          for (const auto& [id, brought] : known_) look.insert(id);
        }
        if (stop_) return;
        look.merge(changed_);
        changed_.clear();
      }
      for (const JobId id : look) {
        const absl::StatusOr<Job> job = jobs_.Get("", id);
        if (job.ok()) Bring(*job);
        if (absl::IsNotFound(job.status())) Forget(id);
        MutexLock lock(mutex_);
        if (stop_) return;
      }
    }
  }

  void Forget(JobId id) {
    std::error_code ignored;
    for (const char* kind : {kAwaited, kBrought}) {
      std::filesystem::remove(absl::StrCat(folder_, "/", kind, "/", id), ignored);
    }
    MutexLock lock(mutex_);
    known_.erase(id);
  }

  ServiceContext& context_;
  JobStore& jobs_;
  const ObjectStore& objects_;
  const std::string folder_, queue_;
  JobStore::SubscriptionPtr subscription_;
  Mutex import_;  // before mutex_

  Mutex mutex_;
  std::condition_variable wake_;
  std::map<JobId, bool> known_ DVREN_GUARDED_BY(mutex_);  // whether it was brought
  std::set<JobId> changed_ DVREN_GUARDED_BY(mutex_);      // of known_
  bool stop_ DVREN_GUARDED_BY(mutex_) = false;

  std::thread thread_;
};

JobResults::JobResults(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
JobResults::~JobResults() = default;

absl::StatusOr<std::unique_ptr<JobResults>> JobResults::Open(ServiceContext& context, JobStore& jobs,
                                                             const ObjectStore& objects, const std::string& folder,
                                                             const std::string& queue) {
  auto impl = std::make_unique<Impl>(context, jobs, objects, folder, queue);
  DVREN_RETURN_IF_ERROR(impl->Open());
  return std::unique_ptr<JobResults>(new JobResults(std::move(impl)));
}

absl::Status JobResults::Await(JobId id) {
  return impl_->Await(id);
}

void JobResults::Bring(const Job& job) {
  impl_->Bring(job);
}

}  // namespace dvren::server
