#include "server/services/evaluate_stream.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>
#include <utility>

#include "dvren/io/metrics.h"
#include "server/codec/geometry_codec.h"
#include "server/codec/training_codec.h"

namespace dvren::server {
namespace {

constexpr int kRaysPerSlice = 16384;
constexpr std::size_t kMaxTileBytes = std::size_t{1} << 20;  // of one image

double Seconds(Clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

std::vector<float> TruthOf(const io::Photo& photo, const std::array<double, 3>& background) {
  const std::size_t pixels =
      static_cast<std::size_t>(photo.camera.width) * static_cast<std::size_t>(photo.camera.height);
  const auto channels = static_cast<std::size_t>(photo.channels);
  std::vector<float> truth(3 * pixels);
  for (std::size_t i = 0; i < pixels; ++i) {
    const std::uint16_t* pixel = photo.values.data() + i * channels;
    const double rest = channels == 4 ? 1 - pixel[3] / 65535.0 : 0;  // the values are premultiplied
    for (std::size_t c = 0; c < 3; ++c)
      truth[3 * i + c] = static_cast<float>(pixel[c] / 65535.0 + rest * background[c]);
  }
  return truth;
}

EvaluateStream* EvaluateStream::Start(ServiceContext& context, WorkerPool& files, grpc::CallbackServerContext* call,
                                      const v1::EvaluateRequest& request) {
  return ParkingStream::Begin(std::shared_ptr<EvaluateStream>(new EvaluateStream(context, call)),
                              [&](EvaluateStream& stream) { return stream.Begin(files, request); });
}

absl::Status EvaluateStream::Begin(WorkerPool& files, const v1::EvaluateRequest& request) {
  DVREN_ASSIGN_OR_RETURN(session_, context_.sessions.Find(*scope_.tenant(), request.session()));
  DVREN_ASSIGN_OR_RETURN(background_, DecodeVec3(request.background(), "background"));
  for (const double value : background_) {
    if (value < 0 || value > 1) return InvalidField("background", value, "must be 0 to 1");
  }
  for (const int image : request.images()) {
    if (image != v1::EVALUATED_IMAGE_RENDER && image != v1::EVALUATED_IMAGE_TRUTH) {
      return InvalidField("images", image, "must be RENDER or TRUTH");
    }
    (image == v1::EVALUATED_IMAGE_RENDER ? send_render_ : send_truth_) = true;
  }
  as_u8_ = request.dtype() == v1::DTYPE_U8;
  if (!as_u8_ && request.dtype() != v1::DTYPE_UNSPECIFIED && request.dtype() != v1::DTYPE_F32) {
    return InvalidField("dtype", static_cast<int>(request.dtype()), "must be F32 or U8");
  }
  if (request.max_views() < 0) return InvalidField("max_views", request.max_views(), "must be > 0, or 0 for all");
  if (!request.has_dataset() && !session_->has_dataset()) {
    return InvalidField("dataset", "absent", "the session has none of its own; name one");
  }
  v1::DatasetSource source = session_->dataset();
  if (request.has_dataset()) {
    DVREN_ASSIGN_OR_RETURN(source, ResolveDataset(request.dataset(), context_.config.roots, "dataset"));
  }
  const auto load = [self = shared_from_this(), source, max_views = request.max_views()] {
    static_cast<EvaluateStream&>(*self).Load(source, max_views);
  };
  if (!files.Post(load))
    return absl::ResourceExhaustedError("evaluations: too many wait for their photographs; retry later");
  return absl::OkStatus();
}

void EvaluateStream::Load(const v1::DatasetSource& source, std::int32_t max_views) {
  const auto run = [&]() -> absl::Status {
    if (call_->IsCancelled()) return absl::CancelledError("the caller went away");
    LoadedDataset dataset{session_->photos(), session_->dataset_report()};
    if (source.SerializeAsString() != session_->dataset().SerializeAsString()) {
      DVREN_ASSIGN_OR_RETURN(dataset, LoadDataset(source, context_.config.training.max_tenant_bytes));
      DVREN_ASSIGN_OR_RETURN(charge_, context_.sessions.Charge(session_->owner(), PhotoBytes(*dataset.photos)));
    }
    return StartRendering(std::move(dataset), max_views);
  };
  if (const absl::Status status = run(); !status.ok()) End(status);
}

absl::Status EvaluateStream::StartRendering(LoadedDataset dataset, std::int32_t max_views) {
  dataset_ = std::move(dataset);
  const std::size_t all = dataset_.photos->photos.size();
  if (all == 0) return absl::NotFoundError("dataset: has no photographs of this split");
  const std::size_t count = max_views == 0 ? all : std::min(all, static_cast<std::size_t>(max_views));
  for (std::size_t i = 0; i < count; ++i) views_.push_back(i * all / count);
  return Submit(session_->device(), WorkClass::kNormal);
}

SliceResult EvaluateStream::RunSlice(Stream& stream) {
  if (ShouldPark()) return SliceResult::kParked;
  if (hold_ == nullptr) {
    hold_ = session_->HoldValues();
    first_slice_ = Clock::now();
    PushHeader();
  }
  const io::Photo& photo = dataset_.photos->photos[views_[next_view_]];
  const absl::Status status = RenderBand(stream, photo);
  if (!status.ok()) {
    hold_.reset();
    End(status);
    return SliceResult::kDone;
  }
  if (render_.size() <
      3 * static_cast<std::size_t>(photo.camera.width) * static_cast<std::size_t>(photo.camera.height)) {
    return SliceResult::kMore;
  }
  FinishView(photo);
  if (++next_view_ < views_.size()) return SliceResult::kMore;
  hold_.reset();
  PushSummary();
  End(absl::OkStatus());
  return SliceResult::kDone;
}

void EvaluateStream::Abort(const absl::Status& why) {
  hold_.reset();
  End(why);
}

void EvaluateStream::PushHeader() {
  auto message = std::make_unique<v1::EvaluateResponse>();
  message->mutable_header()->set_views(static_cast<std::int32_t>(views_.size()));
  message->mutable_header()->set_step(session_->step());
  *message->mutable_header()->mutable_dataset() = dataset_.report;
  Push(std::move(message));
}

absl::Status EvaluateStream::RenderBand(Stream& stream, const io::Photo& photo) {
  // The next rows, seen by a camera whose image they are.
  const int first = static_cast<int>(render_.size() / 3 / static_cast<std::size_t>(photo.camera.width));
  io::PhotoCamera band = photo.camera;
  band.height = std::min(photo.camera.height - first, std::max(1, kRaysPerSlice / photo.camera.width));
  band.cy -= first;
  DVREN_ASSIGN_OR_RETURN(const std::vector<float> rows, session_->trainer().RenderView(stream, band, background_));
  render_.insert(render_.end(), rows.begin(), rows.end());
  return absl::OkStatus();
}

void EvaluateStream::FinishView(const io::Photo& photo) {
  const std::vector<float> truth = TruthOf(photo, background_);
  if (send_render_ || send_truth_) PushTiles(photo, truth);
  auto message = std::make_unique<v1::EvaluateResponse>();
  v1::EvaluatedView* view = message->mutable_view();
  view->set_view(static_cast<std::int32_t>(next_view_));
  view->set_name(photo.name);
  view->set_width(photo.camera.width);
  view->set_height(photo.camera.height);
  view->set_psnr(io::Psnr(truth, render_));
  view->set_ssim(io::Ssim(truth, render_, photo.camera.width, photo.camera.height, 3));
  psnr_ += view->psnr();
  ssim_ += view->ssim();
  Push(std::move(message));
  render_.clear();
}

void EvaluateStream::PushTiles(const io::Photo& photo, const std::vector<float>& truth) {
  const int width = photo.camera.width;
  const std::size_t row_bytes = 3 * static_cast<std::size_t>(width) * (as_u8_ ? 1 : sizeof(float));
  const int rows = std::max(1, static_cast<int>(kMaxTileBytes / row_bytes));
  for (int y = 0; y < photo.camera.height; y += rows) {
    const int count = std::min(rows, photo.camera.height - y);
    auto message = std::make_unique<v1::EvaluateResponse>();
    v1::EvaluatedTile* tile = message->mutable_tile();
    tile->set_view(static_cast<std::int32_t>(next_view_));
    EncodeRoi(Roi{0, y, width, count}, tile->mutable_roi());
    if (send_render_) *tile->mutable_render() = EncodeRows(render_, width, y, count);
    if (send_truth_) *tile->mutable_truth() = EncodeRows(truth, width, y, count);
    Push(std::move(message));
  }
}

v1::Tensor EvaluateStream::EncodeRows(const std::vector<float>& image, int width, int first_row, int rows) const {
  const std::size_t row = 3 * static_cast<std::size_t>(width), count = row * static_cast<std::size_t>(rows);
  const float* values = image.data() + row * static_cast<std::size_t>(first_row);
  v1::Tensor tensor;
  tensor.set_dtype(as_u8_ ? v1::DTYPE_U8 : v1::DTYPE_F32);
  for (const int extent : {rows, width, 3}) tensor.add_shape(extent);
  std::string* bytes = tensor.mutable_payload()->mutable_inline_();
  bytes->resize(count * (as_u8_ ? 1 : sizeof(float)));
  if (as_u8_) {
    for (std::size_t i = 0; i < count; ++i) {
      const float value = values[i] > 0 ? std::min(values[i], 1.0F) : 0.0F;  // NaN too
      (*bytes)[i] = static_cast<char>(static_cast<unsigned char>(std::lround(value * 255)));
    }
  } else {
    std::memcpy(bytes->data(), values, bytes->size());
  }
  return tensor;
}

void EvaluateStream::PushSummary() {
  auto message = std::make_unique<v1::EvaluateResponse>();
  v1::EvaluationSummary* summary = message->mutable_summary();
  const auto views = static_cast<double>(views_.size());
  summary->set_psnr(psnr_ / views);
  summary->set_ssim(ssim_ / views);
  summary->set_views(static_cast<std::int32_t>(views_.size()));
  summary->set_seconds(Seconds(Clock::now() - first_slice_));
  summary->set_request_id(scope_.request_id());
  Push(std::move(message));
}

}  // namespace dvren::server
