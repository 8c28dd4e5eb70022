#include "render/kernel_inputs.h"

#include <algorithm>
#include <array>
#include <variant>

namespace dvren::internal {

hp_instance ToHp(const Instance& instance) {
  hp_instance out{};
  HP_INIT(out);
  out.field = instance.field->hp();
  std::copy_n(instance.object_to_world.m.begin(), 12, out.object_to_world.m);
  out.sigma_scale = instance.sigma_scale;
  if (const auto* transfer = std::get_if<TransferFunction>(&instance.color)) {
    out.knot_count = static_cast<std::int32_t>(transfer->density.size());
    out.knot_density = transfer->density.data();
    out.knot_rgb = transfer->rgb.front().data();  // (knots, 3): arrays of doubles lie one after another
  } else {
    std::copy_n(std::get<std::array<double, 3>>(instance.color).begin(), 3, out.color);
  }
  return out;
}

hp_img_t ImagesOf(const Frame& frame, std::int64_t x, std::int64_t y, std::int64_t width, std::int64_t height) {
  const auto part = [&](const Tensor& image) { return Narrow(Narrow(image.view(), 0, y, height), 1, x, width); };
  hp_img_t out{};
  HP_INIT(out);
  out.rgb = part(frame.rgb);
  out.opacity = part(frame.opacity);
  out.transmittance = part(frame.transmittance);
  out.depth = part(frame.depth);
  out.distortion = part(frame.distortion);
  out.hit = part(frame.hit);
  out.counts = part(frame.counts);
  return out;
}

void TapeOf(const Tape& tape, std::int64_t x, std::int64_t y, std::int64_t width, std::int64_t height,
            hp_img_t* images) {
  const auto part = [&](const Tensor& image) { return Narrow(Narrow(image.view(), 0, y, height), 1, x, width); };
  images->radiance = part(tape.radiance());
  images->transmittance = part(tape.transmittance());
  images->depth = part(tape.depth());
  images->distortion = part(tape.distortion());
}

absl::StatusOr<std::int64_t> Counters::Overflowed(Stream& stream) const {
  std::array<std::int64_t, HP_COUNTER_COUNT> counts{};
  DVREN_RETURN_IF_ERROR(tensor_.CopyToHost(stream, counts.data()));
  return counts[HP_COUNTER_OVERFLOWED];
}

absl::StatusOr<Counters> Counters::Make(Stream& stream) {
  constexpr std::array<std::int64_t, 1> kShape{HP_COUNTER_COUNT};
  constexpr std::array<std::int64_t, HP_COUNTER_COUNT> kZeros{};
  Counters counters;
  DVREN_ASSIGN_OR_RETURN(counters.tensor_, Tensor::Allocate(stream, DType::kI64, kShape));
  DVREN_RETURN_IF_ERROR(counters.tensor_.CopyFromHost(stream, kZeros.data()));
  return counters;
}

absl::Status Counters::AddTo(Stream& stream, RenderStats& stats) const {
  std::array<std::int64_t, HP_COUNTER_COUNT> counts{};
  DVREN_RETURN_IF_ERROR(tensor_.CopyToHost(stream, counts.data()));
  stats.rays += counts[HP_COUNTER_RAYS];
  stats.samples += counts[HP_COUNTER_SAMPLES];
  stats.early_stopped += counts[HP_COUNTER_EARLY_STOPPED];
  stats.truncated += counts[HP_COUNTER_TRUNCATED];
  stats.invalid += counts[HP_COUNTER_INVALID];
  return absl::OkStatus();
}

}  // namespace dvren::internal
