// What the renderer's paths pass to the kernels besides rays: the instance, the images to write, the counters.
#pragma once

#include "dvren/core/tensor.h"
#include "dvren/render/frame.h"
#include "dvren/render/tape.h"
#include "dvren/scene/scene.h"

namespace dvren::internal {

// The instance as the kernels take it; points into `instance`. Precondition: ValidateScene has passed.
[[nodiscard]] hp_instance ToHp(const Instance& instance);

// The part [y, y + height) x [x, x + width) of the frame's images; absent ones stay absent.
[[nodiscard]] hp_img_t ImagesOf(const Frame& frame, std::int64_t x, std::int64_t y, std::int64_t width,
                                std::int64_t height);

// The same part of the tape's images, in place of what `images` has of them.
void TapeOf(const Tape& tape, std::int64_t x, std::int64_t y, std::int64_t width, std::int64_t height,
            hp_img_t* images);

// The kernels' counters on the device, zero at first.
class Counters {
 public:
  [[nodiscard]] static absl::StatusOr<Counters> Make(Stream& stream);
  [[nodiscard]] hp_tensor view() const { return tensor_.view(); }
  // Waits for the stream and adds to `stats`; wall_seconds is left alone.
  [[nodiscard]] absl::Status AddTo(Stream& stream, RenderStats& stats) const;
  // Gradient contributions that did not fit. Waits for the stream.
  [[nodiscard]] absl::StatusOr<std::int64_t> Overflowed(Stream& stream) const;

 private:
  Tensor tensor_;
};

}  // namespace dvren::internal
