#include "dvren/render/tape.h"

#include <utility>

#include "render/staged_path.h"

namespace dvren {
namespace {

constexpr std::uint64_t kValuesPerRay = 5;       // radiance, transmittance, depth
constexpr std::uint64_t kValuesPerGivenRay = 8;  // origin, direction, t_near, t_far; and an id

}  // namespace

Tape::Tape() = default;
Tape::~Tape() = default;
Tape::Tape(Tape&&) noexcept = default;
Tape& Tape::operator=(Tape&&) noexcept = default;

bool Tape::stale() const {
  return scene_.instances.front().field->version() != field_version_;
}

std::uint64_t Tape::bytes() const {
  return BytesFor(plan_->spec(), height_ * width_);
}

std::uint64_t Tape::BytesFor(const PlanSpec& spec, std::int64_t rays) {
  const std::uint64_t value = spec.precision == Precision::kF64 ? sizeof(double) : sizeof(float);
  std::uint64_t per_ray = kValuesPerRay * value;
  if ((spec.aovs & kAovDistortion) != 0) per_ray += value;
  if (!spec.camera.has_value()) per_ray += kValuesPerGivenRay * value + sizeof(std::int64_t);
  return static_cast<std::uint64_t>(rays) * per_ray;
}

}  // namespace dvren
