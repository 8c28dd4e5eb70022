#include "server/services/gradient_streams.h"

#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "server/codec/gradient_codec.h"
#include "server/codec/tensor_codec.h"
#include "server/codec/training_codec.h"
#include "server/codec/training_exchange_codec.h"
#include "server/services/chunk_reader.h"
#include "server/services/chunk_writer.h"
#include "server/services/session_task.h"

namespace dvren::server {
namespace {

constexpr char kExport[] = "TrainingService/ExportGradients";
constexpr char kApply[] = "TrainingService/ApplyGradients";
constexpr std::int64_t kCameraNumbers = 13;  // of a photograph

WorkOptions OptionsOf(const char* label, const RequestScope& scope) {
  WorkOptions options;
  options.label = label;
  options.tenant = *scope.tenant();
  options.work_class = WorkClass::kNormal;
  options.deadline = scope.deadline();
  return options;
}

class GradientExport final : public ChunkWriter<v1::ExportGradientsResponse> {
 public:
  GradientExport(ServiceContext& context, const CheckpointStore& checkpoints, grpc::CallbackServerContext* call,
                 const v1::ExportGradientsRequest& request)
      : ChunkWriter(context, call, kExport), request_(request) {
    if (const absl::Status status = Submit(checkpoints); !status.ok()) End(status);
  }

 private:
  absl::Status Submit(const CheckpointStore& checkpoints) {
    if (!scope_.tenant().ok()) return scope_.tenant().status();
    DVREN_ASSIGN_OR_RETURN(const auto session, context_.sessions.Find(*scope_.tenant(), request_.session()));
    DVREN_ASSIGN_OR_RETURN(wanted_.dtype, DecodeGradientDType(request_.dtype(), "dtype"));
    wanted_.rank = request_.rank();
    wanted_.world_size = request_.world_size() == 0 ? 1 : request_.world_size();
    if (request_.has_rays()) {
      DVREN_ASSIGN_OR_RETURN(batch_, DecodeTrainingRays(request_.rays()));
      wanted_.batch = &*batch_;
    } else if (!session->has_dataset()) {
      return absl::FailedPreconditionError(
          absl::StrCat("rays = absent: ", session->name(), " has no dataset to draw rays from; give rays and targets"));
    }
    auto task =
        std::make_shared<SessionTask>([this](Stream& stream, TrainingSession& of) { return Differentiate(stream, of); },
                                      [this](const absl::Status& status) {
                                        if (!status.ok()) return End(status);
                                        Send({{gradient_.values.data(), gradient_.values.size()},
                                              std::as_bytes(std::span<const std::uint8_t>(gradient_.seen)),
                                              std::as_bytes(std::span<const double>(gradient_.cameras))});
                                      });
    DVREN_RETURN_IF_ERROR(task->Begin(context_, checkpoints, session,
                                      absl::StrCat("ExportGradients (request ", scope_.request_id(), ")")));
    std::optional<std::int64_t> expected_step;
    if (request_.has_expected_step()) expected_step = request_.expected_step();
    DVREN_RETURN_IF_ERROR(CheckStep(*session, expected_step, "expected_step"));
    DVREN_ASSIGN_OR_RETURN(const WorkId work, task->Submit(context_.scheduler, OptionsOf(kExport, scope_)));
    CancelWith(work);
    return absl::OkStatus();
  }

  absl::Status Differentiate(Stream& stream, TrainingSession& session) {
    const FieldInfo& info = session.trainer().field()->info();
    DVREN_ASSIGN_OR_RETURN(charge_,
                           context_.sessions.Charge(session.owner(), info.parameter_count * DTypeSize(wanted_.dtype)));
    DVREN_ASSIGN_OR_RETURN(gradient_, session.trainer().Gradient(stream, wanted_));
    v1::StepGradients* description = message_.mutable_gradients();
    description->set_step(gradient_.step);
    description->set_dtype(EncodeDType(gradient_.dtype));
    description->mutable_shape()->Assign(gradient_.shape.begin(), gradient_.shape.end());
    description->set_cameras(static_cast<std::int32_t>(gradient_.cameras.size()) / kCameraNumbers);
    ReportSum sum;
    sum.Add(gradient_.report);
    *description->mutable_report() = sum.Report(session.train_seconds());
    return absl::OkStatus();
  }

  const v1::ExportGradientsRequest& request_;  // lives until the call is over
  std::optional<TrainingBatch> batch_;
  GradientRequest wanted_;
  ByteCharge charge_;
  StepGradient gradient_;
};

class GradientApplication final : public ChunkReader<v1::ApplyGradientsRequest> {
 public:
  GradientApplication(ServiceContext& context, const CheckpointStore& checkpoints, grpc::CallbackServerContext* call,
                      v1::TrainStepResponse* response)
      : ChunkReader(context, call, kApply), checkpoints_(checkpoints), response_(response) {
    Begin();
  }

 private:
  absl::StatusOr<std::uint64_t> TakeHeader(const v1::ApplyGradientsRequest& message) override {
    const v1::ApplyGradientsHeader& header = message.header();
    DVREN_ASSIGN_OR_RETURN(session_, context_.sessions.Find(*scope_.tenant(), header.session()));
    if (!header.has_gradients()) {
      return InvalidField("header.gradients", "absent", "send the description that ExportGradients gave");
    }
    const v1::StepGradients& g = header.gradients();
    gradient_.step = g.step();
    DVREN_ASSIGN_OR_RETURN(gradient_.dtype, DecodeGradientDType(g.dtype(), "header.gradients.dtype"));
    DVREN_ASSIGN_OR_RETURN(gradient_.shape, DecodeGridShape(g.shape(), "header.gradients.shape"));
    if (g.cameras() < 0 || g.cameras() > static_cast<std::int64_t>(session_->photos()->photos.size())) {
      return InvalidField("header.gradients.cameras", g.cameras(),
                          absl::StrCat("must be 0 to ", session_->photos()->photos.size(), ", the photographs"));
    }
    const auto& shape = gradient_.shape;
    const auto voxels = static_cast<std::size_t>(shape[0] * shape[1] * shape[2]);
    value_bytes_ = voxels * static_cast<std::size_t>(shape[3]) * DTypeSize(gradient_.dtype);
    voxels_ = voxels;
    gradient_.cameras.resize(static_cast<std::size_t>(g.cameras() * kCameraNumbers));
    return value_bytes_ + voxels_ + gradient_.cameras.size() * sizeof(double);
  }

  absl::Status TakeAll() override {
    auto task = std::make_shared<SessionTask>(
        [this](Stream& stream, TrainingSession& session) { return Apply(stream, session); },
        [this](const absl::Status& status) { End(status); });
    DVREN_RETURN_IF_ERROR(task->Begin(context_, checkpoints_, session_,
                                      absl::StrCat("ApplyGradients (request ", scope_.request_id(), ")")));
    if (session_->step() == gradient_.step + 1) {  // a retry of what has been done
      FillResponse();
      task.reset();
      End(absl::OkStatus());
      return absl::OkStatus();
    }
    DVREN_RETURN_IF_ERROR(CheckStep(*session_, gradient_.step, "header.gradients.step"));
    DVREN_ASSIGN_OR_RETURN(const WorkId work, task->Submit(context_.scheduler, OptionsOf(kApply, scope_)));
    CancelWith(work);
    return absl::OkStatus();
  }

  absl::Status Apply(Stream& stream, TrainingSession& session) {
    const std::byte* seen = bytes_.data() + value_bytes_;
    gradient_.seen.resize(voxels_);
    std::memcpy(gradient_.seen.data(), seen, voxels_);
    if (!gradient_.cameras.empty()) {
      std::memcpy(gradient_.cameras.data(), seen + voxels_, gradient_.cameras.size() * sizeof(double));
    }
    gradient_.values = io::Blob::Copy(bytes_.data(), value_bytes_);
    DVREN_ASSIGN_OR_RETURN(const StepReport step, session.trainer().Apply(stream, gradient_));
    ReportSum sum;
    sum.Add(step);
    const v1::TrainReport report = sum.Report(session.train_seconds() + step.wall_seconds);
    session.Trained(report);
    *response_->mutable_report() = report;
    FillResponse();
    return absl::OkStatus();
  }

  void FillResponse() {
    response_->set_step(session_->step());
    response_->set_finished(session_->step() >= session_->last_step());
  }

  const CheckpointStore& checkpoints_;
  v1::TrainStepResponse* const response_;
  std::shared_ptr<TrainingSession> session_;
  StepGradient gradient_;
  std::size_t value_bytes_ = 0, voxels_ = 0;
};

}  // namespace

grpc::ServerWriteReactor<v1::ExportGradientsResponse>* StartGradientExport(ServiceContext& context,
                                                                           const CheckpointStore& checkpoints,
                                                                           grpc::CallbackServerContext* call,
                                                                           const v1::ExportGradientsRequest& request) {
  return new GradientExport(context, checkpoints, call, request);
}

grpc::ServerReadReactor<v1::ApplyGradientsRequest>* StartGradientApplication(ServiceContext& context,
                                                                             const CheckpointStore& checkpoints,
                                                                             grpc::CallbackServerContext* call,
                                                                             v1::TrainStepResponse* response) {
  return new GradientApplication(context, checkpoints, call, response);
}

}  // namespace dvren::server
