// RaySource: the rays of a training step, and what the photographs say of them. Which pixels are drawn depends on the
// seed, the step, the place in the batch and the error map alone.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "dvren/core/status.h"
#include "dvren/io/dataset.h"
#include "dvren/train/training_spec.h"
#include "train/error_map.h"

namespace dvren {

struct TrainingRays {
  std::vector<float> origins, directions;  // (N, 3)
  std::vector<float> target;               // (N, 3), over the ray's background
  std::vector<float> background;           // (N, 3)
  std::vector<std::int64_t> ids;           // (N), never the same twice in a run
  std::vector<std::uint32_t> photo;        // (N)
  std::vector<double> x, y;                // (N) place in the photograph, pixels
  std::vector<float> weights;              // (N) 0 for pixels beyond what the lens maps, else 1
  std::vector<float> t_near, t_far;        // (N) of rays that are the caller's own; empty: 0 and infinity
};

// Of all ranks of a step together: RayIdOf is unique below.
inline constexpr std::int64_t kMaxStepRays = std::int64_t{1} << 24;
// Of ray `index` of a step: keys of stratified sampling.
[[nodiscard]] constexpr std::int64_t RayIdOf(std::int64_t step, std::int64_t index) {
  return static_cast<std::int64_t>((static_cast<std::uint64_t>(step) << 24) + static_cast<std::uint64_t>(index));
}

class RaySource {
 public:
  [[nodiscard]] static absl::StatusOr<RaySource> Make(std::shared_ptr<const io::PhotoSet> photos, const RaySpec& spec,
                                                      std::uint64_t seed);
  // Rays [first, first + count) of a step, into `rays`, whose memory is used again. `cameras`: of the photographs, as
  // they are thought to be.
  void Draw(std::int64_t step, std::int64_t first, std::int64_t count, const std::vector<io::PhotoCamera>& cameras,
            TrainingRays& rays) const;

  // Where it should draw more; null unless the spec asks for it.
  [[nodiscard]] ErrorMap* errors() { return errors_ ? &*errors_ : nullptr; }

 private:
  RaySource(std::shared_ptr<const io::PhotoSet> photos, const RaySpec& spec, std::uint64_t seed);
  enum class Background { kWhite, kBlack, kRandom, kRandomOnTransparent };
  [[nodiscard]] std::size_t PhotoOf(std::uint64_t pixel) const;

  std::shared_ptr<const io::PhotoSet> photos_;
  RaySpec spec_;
  std::uint64_t seed_;
  Background background_ = Background::kWhite;
  std::optional<ErrorMap> errors_;
  std::vector<std::uint64_t> first_pixel_;  // of each photograph, and their sum
  std::vector<std::uint32_t> foreground_;   // pixels near something, over all photographs; empty: all are
};

}  // namespace dvren
