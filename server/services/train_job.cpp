#include "server/services/train_job.h"

#include <algorithm>
#include <chrono>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "dvren/train/trainer.h"
#include "server/codec/training_codec.h"
#include "server/jobs/failpoint.h"
#include "server/metrics/metrics.h"
#include "server/registries/display_name.h"
#include "server/registries/field_objects.h"
#include "server/registries/field_registry.h"
#include "server/registries/gradient_registry.h"
#include "server/registries/session_registry.h"
#include "server/services/dataset_loading.h"
#include "server/services/job_run.h"

namespace dvren::server {
namespace {

constexpr std::int64_t kDefaultCheckpointSteps = 500;
constexpr std::chrono::milliseconds kSlice{20};
constexpr std::chrono::seconds kReport{1};  // between progress events

absl::Status CheckField(const FieldRegistry& fields, const std::string& tenant, const std::string& name) {
  const absl::StatusOr<v1::Field> there = fields.Get(tenant, name);
  if (!there.ok()) {
    if (!FieldIdOf(name).empty()) return there.status();
    return ValidateDisplayName(name);
  }
  if (there->has_dense_grid()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("spec.train.field = ", name, ": is a ", there->type(),
                   " field, and only dense grids get new versions; choose another name"));
}

// What one attempt holds.
class Attempt {
 public:
  Attempt(const JobEnvironment& environment, JobRun& run)
      : environment_(environment), run_(run), train_(run.spec().train()) {}

  absl::Status Run() {
    DVREN_RETURN_IF_ERROR(Begin());
    while (trainer_->steps_done() < spec_.steps) {
      const absl::Status status = Train();
      if (run_.stop() == JobRun::StopReason::kPaused || run_.stop() == JobRun::StopReason::kDrained) {
        // Where the next attempt goes on.
        DVREN_RETURN_IF_ERROR(Save(true));
      }
      DVREN_RETURN_IF_ERROR(status);
      DVREN_RETURN_IF_ERROR(Save(false));
    }
    return Publish();
  }

 private:
  absl::Status Begin() {
    ServiceContext& context = environment_.context;
    const std::string& tenant = run_.job().owner;
    DVREN_ASSIGN_OR_RETURN(spec_, DecodeRecipe(train_.recipe()));
    DVREN_ASSIGN_OR_RETURN(const v1::DatasetSource dataset,
                           ResolveDataset(train_.dataset(), context.config.roots, "spec.train.dataset"));
    DVREN_ASSIGN_OR_RETURN(charge_, context.sessions.Charge(tenant, TrainerBytes(spec_)));
    DVREN_ASSIGN_OR_RETURN(const LoadedDataset loaded, LoadDataset(dataset, context.config.training.max_tenant_bytes));
    DVREN_RETURN_IF_ERROR(charge_.Resize(charge_.bytes() + PhotoBytes(*loaded.photos)));
    if (!train_.recipe().field().has_box()) spec_.field.box = loaded.photos->bounds;
    DVREN_RETURN_IF_ERROR(ValidateTrainingSpec(spec_));
    std::string checkpoint;
    if (!run_.job().resume.empty()) {
      DVREN_ASSIGN_OR_RETURN(checkpoint, environment_.checkpoints.PathToRead(tenant, run_.job().resume));
    }
    device_ = train_.device();
    const auto make = [&](Stream& stream) -> absl::StatusOr<bool> {
      try {
        DVREN_ASSIGN_OR_RETURN(trainer_, checkpoint.empty()
                                             ? Trainer::Make(stream, spec_, loaded.photos)
                                             : Trainer::RestoreCheckpoint(stream, checkpoint, spec_, loaded.photos));
      } catch (const std::bad_alloc&) {
        return absl::ResourceExhaustedError("train: no memory left for its field; train at a lower resolution");
      }
      device_ = stream.device()->info().id;
      return false;
    };
    DVREN_RETURN_IF_ERROR(run_.OnDevice(device_, make));
    return run_.Log(checkpoint.empty() ? absl::StrCat("training begins, ", loaded.photos->photos.size(), " photographs")
                                       : absl::StrCat("training goes on at step ", trainer_->steps_done()));
  }

  // Until the next checkpoint is due.
  absl::Status Train() {
    const std::int64_t every =
        train_.checkpoint_every_steps() == 0 ? kDefaultCheckpointSteps : train_.checkpoint_every_steps();
    const std::int64_t until = std::min(spec_.steps, (trainer_->steps_done() / every + 1) * every);
    while (trainer_->steps_done() < until) {
      // Some slices, then a word about them: what is written waits for the disk, which a device should not.
      const auto end = Clock::now() + kReport;
      ReportSum sum;
      const auto slice = [&](Stream& stream) -> absl::StatusOr<bool> {
        const auto slice_end = Clock::now() + kSlice;
        do {
          StepReport step;
          try {
            DVREN_ASSIGN_OR_RETURN(step, trainer_->Step(stream));
          } catch (const std::bad_alloc&) {
            return absl::ResourceExhaustedError("train: no host memory left; train at a lower resolution");
          }
          sum.Add(step);
        } while (trainer_->steps_done() < until && Clock::now() < slice_end);
        return trainer_->steps_done() < until && Clock::now() < end;
      };
      const absl::Status status = run_.OnDevice(device_, slice);
      if (sum.steps() > 0) {
        const v1::TrainReport report = sum.Report(0);
        environment_.context.metrics.Kernel("train_step", device_, static_cast<double>(report.rays()),
                                            static_cast<double>(report.samples()), report.train_seconds());
        JobUpdate update;
        update.done = trainer_->steps_done();
        update.events = {
            ProgressEvent(trainer_->steps_done(), spec_.steps, {{"loss", report.loss()}, {"psnr", report.psnr()}})};
        const absl::Status noted = run_.Note(std::move(update));
        if (status.ok()) DVREN_RETURN_IF_ERROR(noted);
      }
      DVREN_RETURN_IF_ERROR(status);
    }
    return absl::OkStatus();
  }

  // The checkpoint before this one is removed when the job knows of the new one.
  absl::Status Save(bool anyway) {
    const std::string& tenant = run_.job().owner;
    // With the claim: who has lost the job without knowing it writes another file.
    const std::string name =
        absl::StrCat(kJobCheckpointPrefix, run_.job().id, "-", run_.job().epoch, "-", trainer_->steps_done());
    const std::string before = run_.job().resume;
    if (name == before) return absl::OkStatus();
    DVREN_ASSIGN_OR_RETURN(const std::string path, environment_.checkpoints.PathToWrite(tenant, name));
    const auto save = [&](Stream& stream) -> absl::StatusOr<bool> {
      DVREN_RETURN_IF_ERROR(trainer_->SaveCheckpoint(stream, path));
      return false;
    };
    DVREN_RETURN_IF_ERROR(run_.OnDevice(device_, save, anyway));
    Failpoint("mid_checkpoint");
    JobUpdate update;
    update.done = trainer_->steps_done();
    update.resume = name;
    DVREN_RETURN_IF_ERROR(run_.Note(std::move(update)));
    if (!before.empty()) environment_.checkpoints.Delete(tenant, before).IgnoreError();  // a file too many harms nobody
    return absl::OkStatus();
  }

  absl::Status Publish() {
    ServiceContext& context = environment_.context;
    const std::string& tenant = run_.job().owner;
    // The same id in every attempt: the field is made once.
    const std::string request_id = absl::StrCat("job-", run_.job().id);
    io::DenseVolume volume;
    const auto copy = [&](Stream& stream) -> absl::StatusOr<bool> {
      try {
        DVREN_ASSIGN_OR_RETURN(volume, trainer_->ExportGrid(stream));
      } catch (const std::bad_alloc&) {
        return absl::ResourceExhaustedError("train: no host memory left for a copy of the values");
      }
      return false;
    };
    DVREN_RETURN_IF_ERROR(run_.OnDevice(device_, copy));
    if (environment_.shared()) return Share(volume);
    absl::StatusOr<v1::Field> field = context.fields.FindCreated(tenant, request_id);
    if (!field.ok()) {
      field = context.fields.Get(tenant, train_.field());
      if (field.ok()) {
        field = context.fields.Replace({tenant, field->name(), 0, request_id, nullptr}, std::move(volume));
        if (field.ok()) context.gradients.Drop(field->name());
      } else if (absl::IsNotFound(field.status())) {
        FieldCreation creation;
        creation.description.set_display_name(train_.field());
        creation.description.set_owner(tenant);
        creation.description.set_source(Source());
        creation.request_id = request_id;
        field = context.fields.Add(std::move(creation), io::Volume(std::move(volume)));
      }
    }
    DVREN_RETURN_IF_ERROR(field.status());
    return run_.Log(
        absl::StrCat("kept as ", field->name(), " (", field->display_name(), "), version ", field->version()));
  }

  // As artifacts, for the daemon that the job was submitted to (JobResults), and for whoever downloads them.
  absl::Status Share(const io::DenseVolume& volume) {
    v1::Field description;
    description.set_display_name(train_.field());
    description.set_owner(run_.job().owner);
    description.set_source(Source());
    JobUpdate last;
    DVREN_ASSIGN_OR_RETURN(last.artifacts, StoreVolume(environment_.objects, std::move(description), volume, ""));
    return run_.Note(std::move(last));
  }

  std::string Source() const { return absl::StrCat("jobs/", run_.job().id, ", step ", trainer_->steps_done()); }

  const JobEnvironment& environment_;
  JobRun& run_;
  const v1::TrainJob& train_;
  TrainingSpec spec_;
  ByteCharge charge_;
  std::string device_;
  std::unique_ptr<Trainer> trainer_;
};

}  // namespace

absl::StatusOr<std::int64_t> TrainJob::Check(const JobEnvironment& environment, const std::string& tenant,
                                             const v1::JobSpec& spec) const {
  const v1::TrainJob& train = spec.train();
  DVREN_RETURN_IF_ERROR(CheckField(environment.context.fields, tenant, train.field()));
  DVREN_ASSIGN_OR_RETURN(const TrainingSpec recipe, DecodeRecipe(train.recipe()));
  DVREN_RETURN_IF_ERROR(ValidateTrainingSpec(recipe));
  if (!train.has_dataset()) return InvalidField("spec.train.dataset", "absent", "name the photographs to train on");
  DVREN_RETURN_IF_ERROR(
      ResolveDataset(train.dataset(), environment.context.config.roots, "spec.train.dataset").status());
  if (train.checkpoint_every_steps() < 0) {
    return InvalidField("spec.train.checkpoint_every_steps", train.checkpoint_every_steps(),
                        absl::StrCat("must be >= 1, or 0 for ", kDefaultCheckpointSteps));
  }
  return recipe.steps;
}

absl::Status TrainJob::Run(const JobEnvironment& environment, JobRun& run) const {
  return Attempt(environment, run).Run();
}

}  // namespace dvren::server
