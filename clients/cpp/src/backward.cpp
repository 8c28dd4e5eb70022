#include <algorithm>

#include "connection.h"
#include "dvren/client/client.h"
#include "gradient_values.h"

namespace dvren::client {
namespace {

constexpr std::int64_t kPixelsPerTile = 16384;  // some 200 KiB of RGB, and less than a message in any case

// A rectangle of dL/d(image), in the tape's precision.
template <class From, class To>
void CopyRect(std::span<const From> from, const v1::Roi& whole, const v1::Roi& part, int channels, std::string& bytes) {
  const auto row = static_cast<std::size_t>(part.width()) * static_cast<std::size_t>(channels);
  std::vector<To> values;
  values.reserve(row * static_cast<std::size_t>(part.height()));
  for (int y = 0; y < part.height(); ++y) {
    const std::size_t first =
        (static_cast<std::size_t>(part.y() - whole.y() + y) * static_cast<std::size_t>(whole.width()) +
         static_cast<std::size_t>(part.x() - whole.x())) *
        static_cast<std::size_t>(channels);
    for (std::size_t i = 0; i < row; ++i) values.push_back(static_cast<To>(from[first + i]));
  }
  bytes.assign(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(To));
}

void FillTile(const RecordedTape& tape, const v1::Roi& part, std::span<const AdjointBuffer> adjoints,
              v1::RenderTile& tile) {
  const bool f64 = tape.info.precision() == v1::PRECISION_F64;
  tile.Clear();
  *tile.mutable_roi() = part;
  for (const AdjointBuffer& adjoint : adjoints) {
    const int channels = AovChannels(adjoint.aov);
    v1::AovTensor& image = *tile.add_images();
    image.set_aov(adjoint.aov);
    v1::Tensor& tensor = *image.mutable_tensor();
    tensor.set_dtype(f64 ? v1::DTYPE_F64 : v1::DTYPE_F32);
    tensor.add_shape(part.height());
    tensor.add_shape(part.width());
    if (channels > 1) tensor.add_shape(channels);
    std::string& bytes = *tensor.mutable_payload()->mutable_inline_();
    std::visit(
        [&]<class T>(std::span<const T> values) {
          f64 ? CopyRect<T, double>(values, tape.roi, part, channels, bytes)
              : CopyRect<T, float>(values, tape.roi, part, channels, bytes);
        },
        adjoint.values);
  }
}

absl::Status CheckAdjoints(const RecordedTape& tape, std::span<const AdjointBuffer> adjoints) {
  if (adjoints.empty()) return InvalidField("adjoints", "none", "must hold dL/d(image) of at least one AOV");
  const std::size_t pixels = static_cast<std::size_t>(tape.roi.width()) * static_cast<std::size_t>(tape.roi.height());
  if (pixels == 0) return InvalidField("tape.roi", "empty", "must be that of the forward");
  for (std::size_t i = 0; i < adjoints.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (adjoints[i].aov == adjoints[j].aov)
        return InvalidField("adjoints", AovName(adjoints[i].aov), "is there twice");
    }
    const std::size_t want = pixels * static_cast<std::size_t>(AovChannels(adjoints[i].aov));
    const std::size_t have = std::visit([](const auto& values) { return values.size(); }, adjoints[i].values);
    if (have != want) {
      return InvalidField(
          absl::StrCat("adjoints.", AovName(adjoints[i].aov)), absl::StrCat(have, " values"),
          absl::StrCat("must be ", want, " for ", tape.roi.width(), " x ", tape.roi.height(), " pixels"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<BackwardResult> Client::Backward(const RecordedTape& tape, const v1::GradientRequest& want,
                                                std::span<const AdjointBuffer> adjoints, bool keep_tape) const {
  DVREN_RETURN_IF_ERROR(CheckAdjoints(tape, adjoints));
  grpc::ClientContext context;
  connection_->Prepare(context);
  auto stream = connection_->renders->Backward(&context);
  v1::BackwardRequest request;
  request.mutable_header()->set_tape(tape.info.name());
  *request.mutable_header()->mutable_want() = want;
  request.mutable_header()->set_keep_tape(keep_tape);
  // A daemon that has seen enough ends the stream: its status says why.
  bool open = stream->Write(request);
  const auto columns = static_cast<int>(std::min<std::int64_t>(tape.roi.width(), kPixelsPerTile));
  const int rows = std::max(1, static_cast<int>(kPixelsPerTile / columns));
  for (int y = 0; open && y < tape.roi.height(); y += rows) {
    for (int x = 0; open && x < tape.roi.width(); x += columns) {
      v1::Roi part;
      part.set_x(tape.roi.x() + x);
      part.set_y(tape.roi.y() + y);
      part.set_width(std::min(columns, tape.roi.width() - x));
      part.set_height(std::min(rows, tape.roi.height() - y));
      FillTile(tape, part, adjoints, *request.mutable_adjoint());
      open = stream->Write(request);
    }
  }
  stream->WritesDone();
  BackwardResult result;
  GradientAssembler values;
  bool summarised = false;
  v1::BackwardResponse response;
  const auto take = [&]() -> absl::Status {
    switch (response.part_case()) {
      case v1::BackwardResponse::kValues: {
        const v1::GradientArray& array = response.values();
        return values.Begin(array.shape(), array.dtype(), array.origins_bytes(), array.exponent(),
                            array.field_version());
      }
      case v1::BackwardResponse::kChunk:
        return values.Add(response.chunk());
      case v1::BackwardResponse::kSummary: {
        v1::BackwardSummary& summary = *response.mutable_summary();
        result.gradients = std::move(*summary.mutable_gradients());
        result.stats = std::move(*summary.mutable_stats());
        result.value_stats = std::move(*summary.mutable_value_stats());
        summarised = true;
        return absl::OkStatus();
      }
      default:
        return absl::OkStatus();  // a part that a later daemon added
    }
  };
  absl::Status taken;
  while (taken.ok() && stream->Read(&response)) taken = take();
  if (!taken.ok()) context.TryCancel();
  const grpc::Status status = stream->Finish();
  DVREN_RETURN_IF_ERROR(taken);
  DVREN_RETURN_IF_ERROR(connection_->ToAbsl(status, context));
  if (!summarised) return absl::DataLossError("Backward: the stream ended without a summary; run it again");
  if (want.values()) {
    DVREN_ASSIGN_OR_RETURN(result.values, values.Finish());
  }
  return result;
}

}  // namespace dvren::client
