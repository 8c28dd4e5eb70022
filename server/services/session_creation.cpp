#include "server/services/session_creation.h"

#include <memory>
#include <new>
#include <utility>

#include "server/codec/geometry_codec.h"
#include "server/codec/training_codec.h"
#include "server/jobs/scheduler.h"
#include "server/middleware/request_scope.h"
#include "server/registries/display_name.h"
#include "server/registries/field_registry.h"
#include "server/registries/session_registry.h"
#include "server/services/dataset_loading.h"
#include "server/services/device_task.h"

namespace dvren::server {
namespace {

constexpr char kMethod[] = "TrainingService/CreateSession";

// A name under which the field can be published: free, or that of a dense grid.
absl::Status CheckField(const FieldRegistry& fields, const std::string& tenant, const std::string& name) {
  const absl::StatusOr<v1::Field> there = fields.Get(tenant, name);
  if (!there.ok()) {
    if (!FieldIdOf(name).empty()) return there.status();  // an id, and there is no such field
    return ValidateDisplayName(name);
  }
  if (there->has_dense_grid()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("field = ", name, ": is a ", there->type(),
                   " field, and only dense grids get new versions; choose another name"));
}

// What must live until the answer is sent.
class SessionCreation : public std::enable_shared_from_this<SessionCreation> {
 public:
  SessionCreation(ServiceContext& context, const CheckpointStore& checkpoints, grpc::CallbackServerContext* call,
                  const v1::CreateSessionRequest& request, v1::Session* response)
      : context_(context),
        checkpoints_(checkpoints),
        call_(call),
        request_(request),
        response_(response),
        reactor_(call->DefaultReactor()),
        scope_(context, call, kMethod) {}

  grpc::ServerUnaryReactor* reactor() { return reactor_; }

  // On the RPC's thread.
  void Start(WorkerPool& files) {
    const absl::Status status = Check();
    if (!status.ok() || answered_) return Finish(status);
    const auto load = [self = shared_from_this()] {
      if (const absl::Status loaded = self->Load(); !loaded.ok()) self->Finish(loaded);
    };
    if (!files.Post(load)) {
      Finish(absl::ResourceExhaustedError("sessions: too many wait for their photographs; retry later"));
    }
  }

 private:
  absl::Status Check() {
    if (!scope_.tenant().ok()) return scope_.tenant().status();
    const std::string& tenant = *scope_.tenant();
    if (const auto made = context_.sessions.FindCreated(tenant, request_.request_id())) {
      *response_ = context_.sessions.Describe(*made);
      answered_ = true;
      return absl::OkStatus();
    }
    DVREN_RETURN_IF_ERROR(CheckField(context_.fields, tenant, request_.field()));
    DVREN_ASSIGN_OR_RETURN(spec_, DecodeRecipe(request_.recipe()));
    DVREN_RETURN_IF_ERROR(ValidateTrainingSpec(spec_));
    if (request_.has_dataset()) {
      DVREN_ASSIGN_OR_RETURN(dataset_, ResolveDataset(request_.dataset(), context_.config.roots, "dataset"));
    } else if (!request_.recipe().field().has_box()) {
      return InvalidField("recipe.field.box", "absent", "give it, or a dataset, whose bounds are taken");
    }
    if (!request_.checkpoint().empty()) {
      DVREN_ASSIGN_OR_RETURN(checkpoint_path_, checkpoints_.PathToRead(tenant, request_.checkpoint()));
    }
    DVREN_ASSIGN_OR_RETURN(place_, context_.sessions.Reserve(tenant, request_.request_id()));
    DVREN_ASSIGN_OR_RETURN(charge_, context_.sessions.Charge(tenant, TrainerBytes(spec_)));
    return absl::OkStatus();
  }

  // On a thread that may block.
  absl::Status Load() {
    if (call_->IsCancelled()) return absl::CancelledError("the caller went away; no session was made");
    if (request_.has_dataset()) {
      DVREN_ASSIGN_OR_RETURN(loaded_, LoadDataset(dataset_, context_.config.training.max_tenant_bytes));
      DVREN_RETURN_IF_ERROR(charge_.Resize(charge_.bytes() + PhotoBytes(*loaded_.photos)));
    }
    if (!request_.recipe().field().has_box()) spec_.field.box = loaded_.photos->bounds;
    DVREN_RETURN_IF_ERROR(ValidateTrainingSpec(spec_));
    WorkOptions options;
    options.label = kMethod;
    options.tenant = *scope_.tenant();
    options.work_class = WorkClass::kNormal;
    options.deadline = scope_.deadline();
    options.device = request_.device();
    auto task =
        std::make_shared<DeviceTask>([self = shared_from_this()](Stream& stream) { return self->Make(stream); },
                                     [self = shared_from_this()](const absl::Status& status) { self->Finish(status); });
    return context_.scheduler.Submit(std::move(task), std::move(options)).status();
  }

  // On a device's worker.
  absl::Status Make(Stream& stream) {
    if (call_->IsCancelled()) return absl::CancelledError("the caller went away; no session was made");
    SessionParts parts;
    try {
      DVREN_ASSIGN_OR_RETURN(parts.trainer,
                             checkpoint_path_.empty()
                                 ? Trainer::Make(stream, spec_, loaded_.photos)
                                 : Trainer::RestoreCheckpoint(stream, checkpoint_path_, spec_, loaded_.photos));
    } catch (const std::bad_alloc&) {
      return absl::ResourceExhaustedError("session: no memory left for its field; train at a lower resolution");
    }
    v1::Session& description = parts.description;
    description.set_owner(*scope_.tenant());
    description.set_field(request_.field());
    EncodeRecipe(spec_, description.mutable_recipe());
    if (request_.has_dataset()) {
      *description.mutable_dataset() = dataset_;
      *description.mutable_dataset_report() = loaded_.report;
    }
    description.set_step(parts.trainer->steps_done());
    description.set_device(stream.device()->info().id);
    parts.photos = loaded_.photos ? std::move(loaded_.photos) : std::make_shared<const io::PhotoSet>();
    parts.charge = std::move(charge_);
    const auto session = context_.sessions.Add(std::move(place_), std::move(parts));
    scope_.Note({"session", session->name()});
    *response_ = context_.sessions.Describe(*session);
    return absl::OkStatus();
  }

  void Finish(const absl::Status& status) {
    place_ = SessionRegistry::Place();
    charge_ = ByteCharge();
    reactor_->Finish(scope_.Finish(status));
  }

  ServiceContext& context_;
  const CheckpointStore& checkpoints_;
  grpc::CallbackServerContext* const call_;
  const v1::CreateSessionRequest& request_;  // lives until the answer is sent
  v1::Session* const response_;
  grpc::ServerUnaryReactor* const reactor_;
  RequestScope scope_;
  bool answered_ = false;
  TrainingSpec spec_;
  v1::DatasetSource dataset_;
  std::string checkpoint_path_;
  SessionRegistry::Place place_;
  ByteCharge charge_;
  LoadedDataset loaded_;
};

}  // namespace

grpc::ServerUnaryReactor* StartSessionCreation(ServiceContext& context, const CheckpointStore& checkpoints,
                                               WorkerPool& files, grpc::CallbackServerContext* call,
                                               const v1::CreateSessionRequest* request, v1::Session* response) {
  const auto creation = std::make_shared<SessionCreation>(context, checkpoints, call, *request, response);
  grpc::ServerUnaryReactor* reactor = creation->reactor();
  creation->Start(files);
  return reactor;
}

}  // namespace dvren::server
