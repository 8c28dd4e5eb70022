#include <cstring>

#include "connection.h"
#include "dvren/client/client.h"
#include "tensor_decode.h"

namespace dvren::client {
namespace {

absl::Status Mismatch(absl::string_view what) {
  return absl::InternalError(absl::StrCat("Evaluate: ", what, "; client and daemon do not fit, use the same version"));
}

// Puts a view's images together from rows.
class PhotoAssembler {
 public:
  absl::Status Add(const v1::EvaluatedTile& tile) {
    if (tile.has_render()) DVREN_RETURN_IF_ERROR(Append(tile, tile.render(), photo_.render));
    if (tile.has_truth()) DVREN_RETURN_IF_ERROR(Append(tile, tile.truth(), photo_.truth));
    return absl::OkStatus();
  }

  absl::StatusOr<EvaluatedPhoto> Finish(v1::EvaluatedView view) {
    for (const Image* image : {&photo_.render, &photo_.truth}) {
      if (!image->empty() && (image->width != view.width() || image->height != view.height())) {
        return Mismatch(absl::StrCat("rows are missing of view ", view.name()));
      }
    }
    EvaluatedPhoto done = std::move(photo_);
    done.view = std::move(view);
    photo_ = EvaluatedPhoto();
    return done;
  }

 private:
  static absl::Status Append(const v1::EvaluatedTile& tile, const v1::Tensor& tensor, Image& image) {
    const v1::Roi& roi = tile.roi();
    if (roi.x() != 0 || roi.y() != image.height || roi.width() < 1 || roi.height() < 1 ||
        (image.height > 0 && image.width != roi.width())) {
      return Mismatch(absl::StrCat("rows ", roi.y(), " on came where ", image.height, " was due"));
    }
    const std::size_t first = image.pixels.size();
    const std::size_t count = static_cast<std::size_t>(roi.width()) * static_cast<std::size_t>(roi.height()) * 3;
    const std::string& bytes = tensor.payload().inline_();
    if (tensor.dtype() == v1::DTYPE_U8) {
      if (bytes.size() != count) return Mismatch(absl::StrCat(bytes.size(), " bytes for ", count, " values"));
      image.pixels.resize(first + count);
      for (std::size_t i = 0; i < count; ++i) {
        image.pixels[first + i] = static_cast<float>(static_cast<unsigned char>(bytes[i])) / 255;
      }
    } else {
      DVREN_RETURN_IF_ERROR(CheckTensor(tensor, count, "Evaluate"));
      image.pixels.resize(first + count);
      CopyElements(tensor, 0, count, image.pixels.data() + first);
    }
    image.width = roi.width();
    image.height += roi.height();
    image.channels = 3;
    return absl::OkStatus();
  }

  EvaluatedPhoto photo_;
};

}  // namespace

absl::StatusOr<v1::Session> Client::CreateSession(v1::CreateSessionRequest request) const {
  grpc::ClientContext context;
  connection_->Prepare(context);
  if (request.request_id().empty()) request.set_request_id(NewRequestId());
  v1::Session session;
  const auto status = connection_->training->CreateSession(&context, request, &session);
  DVREN_RETURN_IF_ERROR(connection_->ToAbsl(status, context));
  return session;
}

absl::StatusOr<v1::Session> Client::GetSession(const std::string& name) const {
  grpc::ClientContext context;
  connection_->Prepare(context);
  v1::GetSessionRequest request;
  request.set_name(name);
  v1::Session session;
  const auto status = connection_->training->GetSession(&context, request, &session);
  DVREN_RETURN_IF_ERROR(connection_->ToAbsl(status, context));
  return session;
}

absl::StatusOr<std::vector<v1::Session>> Client::ListSessions() const {
  grpc::ClientContext context;
  connection_->Prepare(context);
  v1::ListSessionsResponse response;
  const auto status = connection_->training->ListSessions(&context, {}, &response);
  DVREN_RETURN_IF_ERROR(connection_->ToAbsl(status, context));
  return std::vector<v1::Session>(response.sessions().begin(), response.sessions().end());
}

absl::Status Client::CloseSession(const std::string& name) const {
  grpc::ClientContext context;
  connection_->Prepare(context);
  v1::CloseSessionRequest request;
  request.set_name(name);
  v1::CloseSessionResponse response;
  const auto status = connection_->training->CloseSession(&context, request, &response);
  return connection_->ToAbsl(status, context);
}

absl::StatusOr<v1::TrainStepResponse> Client::TrainStep(const v1::TrainStepRequest& request) const {
  grpc::ClientContext context;
  connection_->Prepare(context);
  v1::TrainStepResponse response;
  const auto status = connection_->training->TrainStep(&context, request, &response);
  DVREN_RETURN_IF_ERROR(connection_->ToAbsl(status, context));
  return response;
}

absl::StatusOr<v1::Session> Client::StreamTrain(const v1::StreamTrainRequest& request,
                                                const OnTrainReport& on_report) const {
  grpc::ClientContext context;
  connection_->Prepare(context);
  auto reader = connection_->training->StreamTrain(&context, request);
  v1::StreamTrainResponse response;
  std::optional<v1::Session> session;
  bool stopped = false;
  while (reader->Read(&response)) {
    if (response.has_session()) session = std::move(*response.mutable_session());
    if (response.has_report() && on_report && !stopped && !on_report(response.report())) {
      stopped = true;
      context.TryCancel();
    }
  }
  const grpc::Status status = reader->Finish();
  if (stopped) return GetSession(request.session());
  DVREN_RETURN_IF_ERROR(connection_->ToAbsl(status, context));
  if (!session) return absl::DataLossError("StreamTrain: the stream ended before its end; ask for the session again");
  return *std::move(session);
}

absl::StatusOr<EvaluationResult> Client::Evaluate(const v1::EvaluateRequest& request,
                                                  const OnEvaluatedPhoto& on_photo) const {
  grpc::ClientContext context;
  connection_->Prepare(context);
  auto reader = connection_->training->Evaluate(&context, request);
  EvaluationResult result;
  PhotoAssembler assembler;
  bool summarised = false;
  v1::EvaluateResponse response;
  const auto take = [&]() -> absl::Status {
    switch (response.part_case()) {
      case v1::EvaluateResponse::kHeader:
        result.header = std::move(*response.mutable_header());
        return absl::OkStatus();
      case v1::EvaluateResponse::kTile:
        return assembler.Add(response.tile());
      case v1::EvaluateResponse::kView: {
        DVREN_ASSIGN_OR_RETURN(EvaluatedPhoto photo, assembler.Finish(std::move(*response.mutable_view())));
        result.views.push_back(photo.view);
        if (on_photo) on_photo(std::move(photo));
        return absl::OkStatus();
      }
      case v1::EvaluateResponse::kSummary:
        result.summary = std::move(*response.mutable_summary());
        summarised = true;
        return absl::OkStatus();
      default:
        return absl::OkStatus();  // a part that a later daemon added
    }
  };
  absl::Status taken;
  while (taken.ok() && reader->Read(&response)) taken = take();
  if (!taken.ok()) context.TryCancel();
  const grpc::Status status = reader->Finish();
  DVREN_RETURN_IF_ERROR(taken);
  DVREN_RETURN_IF_ERROR(connection_->ToAbsl(status, context));
  if (!summarised) return absl::DataLossError("Evaluate: the stream ended before its summary; evaluate again");
  return result;
}

absl::StatusOr<v1::Checkpoint> Client::SaveCheckpoint(const std::string& session, const std::string& name) const {
  grpc::ClientContext context;
  connection_->Prepare(context);
  v1::SaveCheckpointRequest request;
  request.set_session(session);
  request.set_name(name);
  v1::Checkpoint checkpoint;
  const auto status = connection_->training->SaveCheckpoint(&context, request, &checkpoint);
  DVREN_RETURN_IF_ERROR(connection_->ToAbsl(status, context));
  return checkpoint;
}

absl::StatusOr<v1::Session> Client::RestoreCheckpoint(const std::string& session, const std::string& checkpoint) const {
  grpc::ClientContext context;
  connection_->Prepare(context);
  v1::RestoreCheckpointRequest request;
  request.set_session(session);
  request.set_checkpoint(checkpoint);
  v1::Session restored;
  const auto status = connection_->training->RestoreCheckpoint(&context, request, &restored);
  DVREN_RETURN_IF_ERROR(connection_->ToAbsl(status, context));
  return restored;
}

absl::StatusOr<std::vector<v1::Checkpoint>> Client::ListCheckpoints() const {
  grpc::ClientContext context;
  connection_->Prepare(context);
  v1::ListCheckpointsResponse response;
  const auto status = connection_->training->ListCheckpoints(&context, {}, &response);
  DVREN_RETURN_IF_ERROR(connection_->ToAbsl(status, context));
  return std::vector<v1::Checkpoint>(response.checkpoints().begin(), response.checkpoints().end());
}

absl::StatusOr<v1::Checkpoint> Client::GetCheckpoint(const std::string& name) const {
  grpc::ClientContext context;
  connection_->Prepare(context);
  v1::GetCheckpointRequest request;
  request.set_name(name);
  v1::Checkpoint checkpoint;
  const auto status = connection_->training->GetCheckpoint(&context, request, &checkpoint);
  DVREN_RETURN_IF_ERROR(connection_->ToAbsl(status, context));
  return checkpoint;
}

absl::Status Client::DeleteCheckpoint(const std::string& name) const {
  grpc::ClientContext context;
  connection_->Prepare(context);
  v1::DeleteCheckpointRequest request;
  request.set_name(name);
  v1::DeleteCheckpointResponse response;
  const auto status = connection_->training->DeleteCheckpoint(&context, request, &response);
  return connection_->ToAbsl(status, context);
}

absl::StatusOr<v1::GetCamerasResponse> Client::GetCameras(const std::string& session) const {
  grpc::ClientContext context;
  connection_->Prepare(context);
  v1::GetCamerasRequest request;
  request.set_session(session);
  v1::GetCamerasResponse response;
  const auto status = connection_->training->GetCameras(&context, request, &response);
  DVREN_RETURN_IF_ERROR(connection_->ToAbsl(status, context));
  return response;
}

absl::StatusOr<v1::Field> Client::PublishField(const std::string& session) const {
  grpc::ClientContext context;
  connection_->Prepare(context);
  v1::PublishFieldRequest request;
  request.set_session(session);
  request.set_request_id(NewRequestId());
  v1::Field field;
  const auto status = connection_->training->PublishField(&context, request, &field);
  DVREN_RETURN_IF_ERROR(connection_->ToAbsl(status, context));
  return field;
}

}  // namespace dvren::client
