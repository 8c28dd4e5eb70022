// CameraRefinement: the cameras of photographs, moved with the field that is learned from them. Each photograph has a
// rotation and a translation of its own, and where asked a focal length and a distortion.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "dvren/core/stream.h"
#include "dvren/diff/optimizer.h"
#include "dvren/io/dataset.h"
#include "dvren/train/byte_codec.h"
#include "train/ray_source.h"

namespace dvren {

class CameraRefinement {
 public:
  [[nodiscard]] static absl::StatusOr<CameraRefinement> Make(const CameraRefineSpec& spec, std::size_t photographs);

  [[nodiscard]] bool Wanted(std::int64_t step) const;
  // Columns of a gradient: omega, v, log focal, distortion (5), and the number of rays that came from the photograph.
  static constexpr std::size_t kColumns = 13;
  // Gradient of the cameras, (photographs, kColumns), from dL/d(origins) and dL/d(directions), (N, 3).
  [[nodiscard]] std::vector<double> Gradient(const TrainingRays& rays, std::span<const float> d_origins,
                                             std::span<const float> d_directions,
                                             const std::vector<io::PhotoCamera>& cameras) const;
  // Moves the cameras of the photographs that rays came from.
  [[nodiscard]] absl::Status Step(Stream& stream, double factor, std::span<const double> gradient,
                                  std::vector<io::PhotoCamera>& cameras);

  // What it remembers, for checkpoints.
  void Save(ByteSink& sink) const;
  [[nodiscard]] absl::Status Restore(ByteSource& source);

 private:
  CameraRefinement() = default;
  static constexpr std::size_t kParameters = 12;  // omega, v, log focal, distortion
  CameraRefineSpec spec_;
  std::unique_ptr<Optimizer> optimizer_;
  std::vector<std::int64_t> steps_;  // per photograph
  std::vector<double> moments_;      // (photographs, kParameters, 2)
};

}  // namespace dvren
