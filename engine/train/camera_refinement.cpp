#include "train/camera_refinement.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "dvren/core/device.h"
#include "dvren/scene/pixel_ray.h"

namespace dvren {
namespace {

Vec3 Cross(const Vec3& a, const Vec3& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}
double Dot(const Vec3& a, const Vec3& b) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

// R <- exp(omega) R by Rodrigues' formula, made orthonormal again by Gram and Schmidt, so that rounding does not add
// up.
void Rotate(const Vec3& omega, Affine& pose) {
  const double angle = std::sqrt(Dot(omega, omega));
  const double s = angle > 1e-12 ? std::sin(angle) / angle : 1;
  const double k = angle > 1e-12 ? (1 - std::cos(angle)) / (angle * angle) : 0.5;
  std::array<Vec3, 3> columns{};
  for (std::size_t j = 0; j < 3; ++j) {
    const Vec3 c{pose.m[j], pose.m[4 + j], pose.m[8 + j]};
    const Vec3 once = Cross(omega, c), twice = Cross(omega, once);
    for (std::size_t i = 0; i < 3; ++i) columns[j][i] = c[i] + s * once[i] + k * twice[i];
  }
  const auto normalise = [](Vec3& v) {
    const double length = std::sqrt(Dot(v, v));
    for (double& x : v) x /= length;
  };
  normalise(columns[0]);
  const double along = Dot(columns[0], columns[1]);
  for (std::size_t i = 0; i < 3; ++i) columns[1][i] -= along * columns[0][i];
  normalise(columns[1]);
  columns[2] = Cross(columns[0], columns[1]);
  for (std::size_t j = 0; j < 3; ++j) {
    for (std::size_t i = 0; i < 3; ++i) pose.m[4 * i + j] = columns[j][i];
  }
}

io::PhotoCamera Scaled(io::PhotoCamera camera, double log_focal) {
  camera.fx *= std::exp(log_focal);
  camera.fy *= std::exp(log_focal);
  return camera;
}

// Slope of g . direction as a number of the camera moves, by central differences of a closed formula in double.
template <class Move>
double Slope(const Vec3& g, double x, double y, const Move& move) {
  constexpr double kStep = 1e-5;
  const PixelRay above = RayThrough(move(kStep), x, y), below = RayThrough(move(-kStep), x, y);
  double slope = 0;
  for (std::size_t i = 0; i < 3; ++i) slope += g[i] * (above.direction[i] - below.direction[i]);
  return slope / (2 * kStep);
}

}  // namespace

absl::StatusOr<CameraRefinement> CameraRefinement::Make(const CameraRefineSpec& spec, std::size_t photographs) {
  CameraRefinement refinement;
  refinement.spec_ = spec;
  const OptimizerSpec adam;
  DVREN_ASSIGN_OR_RETURN(refinement.optimizer_, MakeOptimizer(adam));
  refinement.steps_.assign(photographs, 0);
  refinement.moments_.assign(photographs * kParameters * 2, 0.0);
  return refinement;
}

bool CameraRefinement::Wanted(std::int64_t step) const {
  return (spec_.poses || spec_.focal || spec_.distortion) && step >= spec_.from_step;
}

std::vector<double> CameraRefinement::Gradient(const TrainingRays& rays, std::span<const float> d_origins,
                                               std::span<const float> d_directions,
                                               const std::vector<io::PhotoCamera>& cameras) const {
  std::vector<double> gradient(cameras.size() * kColumns, 0.0);
  for (std::size_t i = 0; i < rays.photo.size(); ++i) {
    if (rays.weights[i] == 0) continue;
    const std::size_t at = rays.photo[i];
    double* g = &gradient[at * kColumns];
    g[kColumns - 1] += 1;
    Vec3 d_origin{}, d_direction{}, direction{};
    for (std::size_t c = 0; c < 3; ++c) {
      d_origin[c] = d_origins[3 * i + c];
      d_direction[c] = d_directions[3 * i + c];
      direction[c] = rays.directions[3 * i + c];
    }
    const Vec3 turn = Cross(direction, d_direction);  // of omega: g . (omega x d) = omega . (d x g)
    for (std::size_t c = 0; c < 3; ++c) {
      g[c] += turn[c];
      g[3 + c] += d_origin[c];
    }
    const io::PhotoCamera& camera = cameras[at];
    if (spec_.focal) {
      g[6] += Slope(d_direction, rays.x[i], rays.y[i], [&](double h) { return Scaled(camera, h); });
    }
    for (std::size_t k = 0; spec_.distortion && k < 5; ++k) {
      g[7 + k] += Slope(d_direction, rays.x[i], rays.y[i], [&](double h) {
        io::PhotoCamera moved = camera;
        moved.distortion[k] += h;
        return moved;
      });
    }
  }
  return gradient;
}

absl::Status CameraRefinement::Step(Stream& stream, double factor, std::span<const double> gradient,
                                    std::vector<io::PhotoCamera>& cameras) {
  for (std::size_t at = 0; at < cameras.size(); ++at) {
    const double* g = &gradient[at * kColumns];
    if (g[kColumns - 1] == 0) continue;
    ++steps_[at];
    std::array<double, kParameters> move{};  // from 0: the parameters are counted from where the camera is
    const auto update = [&](std::size_t first, std::size_t n, double rate) {
      const hp_update_desc desc = optimizer_->AtRate(steps_[at], rate * factor);
      return FromHp(hp_update_array(stream.hp(), &desc, static_cast<std::int64_t>(n), &move[first], g + first,
                                    &moments_[(at * kParameters + first) * 2]));
    };
    if (spec_.poses) {
      DVREN_RETURN_IF_ERROR(update(0, 3, spec_.rotation_rate));
      DVREN_RETURN_IF_ERROR(update(3, 3, spec_.translation_rate));
    }
    if (spec_.focal) DVREN_RETURN_IF_ERROR(update(6, 1, spec_.focal_rate));
    if (spec_.distortion) {
      const bool fisheye = cameras[at].model == io::PhotoCamera::Model::kFisheye;
      DVREN_RETURN_IF_ERROR(update(7, fisheye ? 4 : 5, spec_.distortion_rate));
    }
    io::PhotoCamera& camera = cameras[at];
    if (spec_.poses) {
      Rotate({move[0], move[1], move[2]}, camera.camera_to_world);
      for (std::size_t c = 0; c < 3; ++c) camera.camera_to_world.m[4 * c + 3] += move[3 + c];
    }
    camera = Scaled(camera, move[6]);
    for (std::size_t k = 0; k < 5; ++k) camera.distortion[k] += move[7 + k];
  }
  return absl::OkStatus();
}

void CameraRefinement::Save(ByteSink& sink) const {
  sink.Put(steps_);
  sink.Put(moments_);
}

absl::Status CameraRefinement::Restore(ByteSource& source) {
  std::vector<std::int64_t> steps;
  std::vector<double> moments;
  DVREN_RETURN_IF_ERROR(source.Get(&steps));
  DVREN_RETURN_IF_ERROR(source.Get(&moments));
  if (steps.size() != steps_.size() || moments.size() != moments_.size()) {
    return absl::FailedPreconditionError("checkpoint: was made with another number of photographs");
  }
  steps_ = std::move(steps);
  moments_ = std::move(moments);
  return absl::OkStatus();
}

}  // namespace dvren
