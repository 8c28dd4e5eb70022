#include <algorithm>

#include "connection.h"
#include "dvren/client/client.h"
#include "tensor_decode.h"

namespace dvren::client {
namespace {

// 64 Ki rays of f32 are 2.6 MB with everything given; those of f64 twice that, so half as many fit the daemon's 4 MiB.
constexpr std::size_t kRaysPerRequest = std::size_t{1} << 16;

// (count) or (count, 3) elements in the precision of the request.
void SetTensor(std::span<const float> values, std::size_t columns, bool f64, v1::Tensor& tensor) {
  tensor.set_dtype(f64 ? v1::DTYPE_F64 : v1::DTYPE_F32);
  tensor.add_shape(static_cast<std::int64_t>(values.size() / columns));
  if (columns > 1) tensor.add_shape(static_cast<std::int64_t>(columns));
  std::string& bytes = *tensor.mutable_payload()->mutable_inline_();
  if (!f64) {
    bytes.assign(reinterpret_cast<const char*>(values.data()), values.size_bytes());
    return;
  }
  const std::vector<double> wide(values.begin(), values.end());
  bytes.assign(reinterpret_cast<const char*>(wide.data()), wide.size() * sizeof(double));
}

absl::Status CheckSize(absl::string_view field, std::size_t have, std::size_t want, bool optional) {
  if (have == want || (optional && have == 0)) return absl::OkStatus();
  return InvalidField(absl::StrCat("rays.", field), absl::StrCat(have, " values"),
                      absl::StrCat("must be ", want, optional ? " or none" : "", ", as origins say"));
}

void AddStats(const v1::RenderStats& from, v1::RenderStats& to) {
  to.set_rays(to.rays() + from.rays());
  to.set_samples(to.samples() + from.samples());
  to.set_early_stopped_rays(to.early_stopped_rays() + from.early_stopped_rays());
  to.set_truncated_rays(to.truncated_rays() + from.truncated_rays());
  to.set_invalid_pixels(to.invalid_pixels() + from.invalid_pixels());
  to.set_kernel_seconds(to.kernel_seconds() + from.kernel_seconds());
  to.set_queue_seconds(to.queue_seconds() + from.queue_seconds());
  to.set_total_seconds(to.total_seconds() + from.total_seconds());
}

}  // namespace

absl::StatusOr<RenderedRays> Client::RenderRays(const v1::RenderRaysRequest& request, const RaysView& rays) const {
  if (request.has_rays()) return InvalidField("request.rays", "given", "leave it absent: `rays` say it");
  const std::size_t count = rays.origins.size() / 3;
  if (count == 0 || rays.origins.size() % 3 != 0) {
    return InvalidField("rays.origins", absl::StrCat(rays.origins.size(), " values"), "must be (N, 3) with N >= 1");
  }
  DVREN_RETURN_IF_ERROR(CheckSize("directions", rays.directions.size(), 3 * count, false));
  DVREN_RETURN_IF_ERROR(CheckSize("t_near", rays.t_near.size(), count, true));
  DVREN_RETURN_IF_ERROR(CheckSize("t_far", rays.t_far.size(), count, true));
  DVREN_RETURN_IF_ERROR(CheckSize("ids", rays.ids.size(), count, true));

  const bool f64 = request.precision() == v1::PRECISION_F64;
  const std::size_t step = f64 ? kRaysPerRequest / 2 : kRaysPerRequest;
  const Deadline deadline = connection_->NewDeadline();
  std::vector<v1::Aov> aovs;
  for (const int aov : request.aovs()) aovs.push_back(static_cast<v1::Aov>(aov));
  if (aovs.empty()) aovs.push_back(v1::AOV_RGB);

  RenderedRays result;
  for (const v1::Aov aov : aovs) result.values[aov].resize(count * static_cast<std::size_t>(AovChannels(aov)));
  for (std::size_t first = 0; first < count; first += step) {
    const std::size_t n = std::min(step, count - first);
    v1::RenderRaysRequest part = request;
    v1::Rays& given = *part.mutable_rays();
    SetTensor(rays.origins.subspan(3 * first, 3 * n), 3, f64, *given.mutable_origins());
    SetTensor(rays.directions.subspan(3 * first, 3 * n), 3, f64, *given.mutable_directions());
    if (!rays.t_near.empty()) SetTensor(rays.t_near.subspan(first, n), 1, f64, *given.mutable_t_near());
    if (!rays.t_far.empty()) SetTensor(rays.t_far.subspan(first, n), 1, f64, *given.mutable_t_far());
    // A ray's key is its index in the whole, so that the split changes no stratified sample.
    if (!rays.ids.empty() || first > 0) {
      std::vector<std::int64_t> ids(n);
      for (std::size_t i = 0; i < n; ++i)
        ids[i] = rays.ids.empty() ? static_cast<std::int64_t>(first + i) : rays.ids[first + i];
      given.mutable_ids()->set_dtype(v1::DTYPE_I64);
      given.mutable_ids()->add_shape(static_cast<std::int64_t>(n));
      given.mutable_ids()->mutable_payload()->set_inline_(reinterpret_cast<const char*>(ids.data()),
                                                          n * sizeof(std::int64_t));
    }
    grpc::ClientContext context;
    connection_->Prepare(context, deadline);
    v1::RenderRaysResponse response;
    const auto status = connection_->renders->RenderRays(&context, part, &response);
    DVREN_RETURN_IF_ERROR(connection_->ToAbsl(status, context));
    for (const v1::Aov aov : aovs) {
      const auto image = std::find_if(response.images().begin(), response.images().end(),
                                      [&](const v1::AovTensor& candidate) { return candidate.aov() == aov; });
      if (image == response.images().end()) {
        return absl::InternalError(absl::StrCat("RenderRays: the answer lacks ", AovName(aov),
                                                "; client and daemon do not fit, use the same version"));
      }
      const auto channels = static_cast<std::size_t>(AovChannels(aov));
      DVREN_RETURN_IF_ERROR(CheckTensor(image->tensor(), n * channels, AovName(aov)));
      CopyElements(image->tensor(), 0, n * channels, result.values[aov].data() + first * channels);
    }
    AddStats(response.stats(), result.stats);
    for (const std::string& warning : response.warnings()) {
      if (std::find(result.warnings.begin(), result.warnings.end(), warning) == result.warnings.end()) {
        result.warnings.push_back(warning);
      }
    }
  }
  return result;
}

}  // namespace dvren::client
