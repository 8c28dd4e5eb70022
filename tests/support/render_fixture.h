// What tests of renders share: a CPU device, fields from functions, images as numbers.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dvren/render/renderer.h"

namespace dvren::test {

// The value, or an exception with the status, which fails the test case.
[[noreturn]] void Fail(const absl::Status& status);
template <class T>
[[nodiscard]] T Get(absl::StatusOr<T> value) {
  if (!value.ok()) Fail(value.status());
  return std::move(value).value();
}
void Check(const absl::Status& status);

// One CPU device for all tests of a process.
[[nodiscard]] const std::shared_ptr<Device>& Cpu();

// f32, (nz, ny, nx, channels) with `value(x, y, z, channel)` at the voxel centre (x, y, z) in local space.
using VoxelFunction = std::function<double(double x, double y, double z, int channel)>;
[[nodiscard]] io::DenseVolume Dense(std::array<std::int64_t, 4> shape, const Box& box, const VoxelFunction& value);
// One voxel: constant sigma in the whole box.
[[nodiscard]] io::DenseVolume Constant(double sigma, const Box& box);
// (n, n, n, 4) coloured blobs with space between them that is exactly empty.
[[nodiscard]] io::DenseVolume Blobs(int n);

[[nodiscard]] Scene SceneOf(Stream& stream, const io::Volume& volume);

// Images as doubles, C order.
[[nodiscard]] std::vector<double> Values(Stream& stream, const Tensor& tensor);
// The exact bytes of all images, for comparisons bit by bit.
[[nodiscard]] std::vector<std::uint8_t> Bits(Stream& stream, const Frame& frame);

inline constexpr std::uint32_t kEveryAov =
    kAovRgb | kAovOpacity | kAovTransmittance | kAovDepth | kAovHit | kAovDistortion;

// Rays of either precision, from doubles.
class Rays {
 public:
  // Unit direction expected; the renderer checks.
  void Add(const Vec3& origin, const Vec3& direction, double t_near = 0, double t_far = kInfinity);
  [[nodiscard]] std::int64_t count() const { return static_cast<std::int64_t>(t_near_.size()); }
  [[nodiscard]] Frame Render(Stream& stream, const Scene& scene, PlanSpec spec,
                             RenderPath path = RenderPath::kFused) const;

 private:
  static constexpr double kInfinity = std::numeric_limits<double>::infinity();
  std::vector<double> origins_, directions_, t_near_, t_far_;
};

}  // namespace dvren::test
