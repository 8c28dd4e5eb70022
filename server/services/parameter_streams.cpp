#include "server/services/parameter_streams.h"

#include <algorithm>
#include <memory>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include "server/codec/training_exchange_codec.h"
#include "server/codec/volume_codec.h"
#include "server/services/chunk_reader.h"
#include "server/services/chunk_writer.h"
#include "server/services/device_task.h"
#include "server/services/session_task.h"

namespace dvren::server {
namespace {

constexpr char kGet[] = "TrainingService/GetParameters";
constexpr char kSet[] = "TrainingService/SetParameters";

int DownscaleOf(const TrainingSession& session) {
  return std::max(1, session.dataset().downscale());
}

class ParameterDownload final : public ChunkWriter<v1::GetParametersResponse> {
 public:
  ParameterDownload(ServiceContext& context, grpc::CallbackServerContext* call, const v1::GetParametersRequest& request)
      : ChunkWriter(context, call, kGet) {
    if (request.has_expected_step()) expected_step_ = request.expected_step();
    if (const absl::Status status = Submit(request); !status.ok()) End(status);
  }

 private:
  absl::Status Submit(const v1::GetParametersRequest& request) {
    if (!scope_.tenant().ok()) return scope_.tenant().status();
    DVREN_ASSIGN_OR_RETURN(session_, context_.sessions.Find(*scope_.tenant(), request.session()));
    WorkOptions options;
    options.label = kGet;
    options.tenant = *scope_.tenant();
    options.work_class = WorkClass::kNormal;
    options.deadline = scope_.deadline();
    options.device = session_->device();
    // Between two slices of whoever trains: all of one step.
    auto task = std::make_shared<DeviceTask>(
        [this](Stream& stream) { return Copy(stream); },
        [this](const absl::Status& status) {
          if (!status.ok()) return End(status);
          Send({{values_.values.data(), values_.values.size()}, std::as_bytes(std::span<const std::uint8_t>(cells_))});
        });
    DVREN_ASSIGN_OR_RETURN(const WorkId work, context_.scheduler.Submit(std::move(task), std::move(options)));
    CancelWith(work);
    return absl::OkStatus();
  }

  absl::Status Copy(Stream& stream) {
    DVREN_RETURN_IF_ERROR(CheckStep(*session_, expected_step_, "expected_step"));
    const Trainer& trainer = session_->trainer();
    const FieldInfo& info = trainer.field()->info();
    DVREN_ASSIGN_OR_RETURN(
        charge_, context_.sessions.Charge(session_->owner(),
                                          info.parameter_count * sizeof(float) +
                                              info.parameter_count / static_cast<std::uint64_t>(info.channels)));
    try {
      DVREN_ASSIGN_OR_RETURN(values_, trainer.Snapshot(stream));
      DVREN_ASSIGN_OR_RETURN(cells_, trainer.Cells(stream));
    } catch (const std::bad_alloc&) {
      return absl::ResourceExhaustedError("parameters: no host memory left for a copy of them; retry later");
    }
    v1::ParametersDescription* description = message_.mutable_parameters();
    description->set_step(trainer.steps_done());
    v1::Field field;
    DescribeVolume(values_, info, &field);
    *description->mutable_grid() = field.dense_grid();
    const auto& photos = session_->photos()->photos;
    for (std::size_t i = 0; i < photos.size(); ++i) {
      DVREN_ASSIGN_OR_RETURN(const io::PhotoCamera camera, trainer.CameraOf(i));
      EncodePhotoCamera(photos[i], camera, DownscaleOf(*session_), description->add_cameras());
    }
    return absl::OkStatus();
  }

  std::optional<std::int64_t> expected_step_;
  std::shared_ptr<TrainingSession> session_;
  ByteCharge charge_;
  io::DenseVolume values_;
  std::vector<std::uint8_t> cells_;
};

class ParameterUpload final : public ChunkReader<v1::SetParametersRequest> {
 public:
  ParameterUpload(ServiceContext& context, const CheckpointStore& checkpoints, grpc::CallbackServerContext* call,
                  v1::SetParametersResponse* response)
      : ChunkReader(context, call, kSet), checkpoints_(checkpoints), response_(response) {
    Begin();
  }

 private:
  absl::StatusOr<std::uint64_t> TakeHeader(const v1::SetParametersRequest& message) override {
    const v1::SetParametersHeader& header = message.header();
    DVREN_ASSIGN_OR_RETURN(session_, context_.sessions.Find(*scope_.tenant(), header.session()));
    if (header.has_expected_step()) expected_step_ = header.expected_step();
    if (header.cameras_size() > 0) {
      DVREN_ASSIGN_OR_RETURN(cameras_,
                             DecodePhotoCameras(header.cameras(), *session_->photos(), DownscaleOf(*session_)));
    }
    if (header.shape_size() == 0) {
      if (header.cells()) return InvalidField("header.cells", "true", "cells go with values; give their shape");
      if (cameras_.empty()) return InvalidField("header", "neither shape nor cameras", "say what to set");
      return 0;
    }
    DVREN_ASSIGN_OR_RETURN(shape_, DecodeGridShape(header.shape(), "header.shape"));
    const std::int64_t voxels = shape_[0] * shape_[1] * shape_[2];
    value_bytes_ = static_cast<std::size_t>(voxels * shape_[3]) * sizeof(float);
    return value_bytes_ + (header.cells() ? static_cast<std::uint64_t>(voxels) : 0);
  }

  absl::Status TakeAll() override {
    auto task =
        std::make_shared<SessionTask>([this](Stream& stream, TrainingSession& session) { return Set(stream, session); },
                                      [this](const absl::Status& status) { End(status); });
    DVREN_RETURN_IF_ERROR(task->Begin(context_, checkpoints_, session_,
                                      absl::StrCat("SetParameters (request ", scope_.request_id(), ")")));
    DVREN_RETURN_IF_ERROR(CheckStep(*session_, expected_step_, "header.expected_step"));
    WorkOptions options;
    options.label = kSet;
    options.tenant = *scope_.tenant();
    options.work_class = WorkClass::kNormal;
    options.deadline = scope_.deadline();
    DVREN_ASSIGN_OR_RETURN(const WorkId work, task->Submit(context_.scheduler, std::move(options)));
    CancelWith(work);
    return absl::OkStatus();
  }

  absl::Status Set(Stream& stream, TrainingSession& session) {
    if (value_bytes_ > 0) {
      DVREN_ASSIGN_OR_RETURN(const io::DenseVolume now, session.trainer().Snapshot(stream));
      if (now.shape != shape_) {
        const auto text = [](const auto& s) {
          return absl::StrCat("(", s[0], ", ", s[1], ", ", s[2], ", ", s[3], ")");
        };
        return InvalidField("header.shape", text(shape_), absl::StrCat("must be ", text(now.shape), ", the session's"));
      }
      const auto* values = reinterpret_cast<const float*>(bytes_.data());
      const auto* cells = reinterpret_cast<const std::uint8_t*>(bytes_.data() + value_bytes_);
      DVREN_RETURN_IF_ERROR(session.trainer().SetValues(stream, {values, value_bytes_ / sizeof(float)},
                                                        {cells, bytes_.size() - value_bytes_}));
    }
    if (!cameras_.empty()) DVREN_RETURN_IF_ERROR(session.trainer().SetCameras(std::move(cameras_)));
    session.Changed();
    response_->set_step(session.step());
    return absl::OkStatus();
  }

  const CheckpointStore& checkpoints_;
  v1::SetParametersResponse* const response_;
  std::shared_ptr<TrainingSession> session_;
  std::optional<std::int64_t> expected_step_;
  std::array<std::int64_t, 4> shape_{};
  std::size_t value_bytes_ = 0;
  std::vector<io::PhotoCamera> cameras_;
};

}  // namespace

grpc::ServerWriteReactor<v1::GetParametersResponse>* StartParameterDownload(ServiceContext& context,
                                                                            grpc::CallbackServerContext* call,
                                                                            const v1::GetParametersRequest& request) {
  return new ParameterDownload(context, call, request);
}

grpc::ServerReadReactor<v1::SetParametersRequest>* StartParameterUpload(ServiceContext& context,
                                                                        const CheckpointStore& checkpoints,
                                                                        grpc::CallbackServerContext* call,
                                                                        v1::SetParametersResponse* response) {
  return new ParameterUpload(context, checkpoints, call, response);
}

}  // namespace dvren::server
