#include "support/render_fixture.h"

#include <cmath>
#include <stdexcept>

namespace dvren::test {

void Fail(const absl::Status& status) {
  throw std::runtime_error(status.ToString());
}

void Check(const absl::Status& status) {
  if (!status.ok()) Fail(status);
}

const std::shared_ptr<Device>& Cpu() {
  static const std::shared_ptr<Device> device = Get(Device::Create({.id = "cpu", .threads = 3}));
  return device;
}

io::DenseVolume Dense(std::array<std::int64_t, 4> shape, const Box& box, const VoxelFunction& value) {
  io::DenseVolume volume;
  volume.shape = shape;
  volume.box = box;
  volume.values = io::Blob(static_cast<std::size_t>(shape[0] * shape[1] * shape[2] * shape[3]) * sizeof(float));
  auto* out = reinterpret_cast<float*>(volume.values.data());
  const auto centre = [&](int axis, std::int64_t i, std::int64_t n) {
    return box.min[axis] + (box.max[axis] - box.min[axis]) * (static_cast<double>(i) + 0.5) / static_cast<double>(n);
  };
  for (std::int64_t z = 0; z < shape[0]; ++z) {
    for (std::int64_t y = 0; y < shape[1]; ++y) {
      for (std::int64_t x = 0; x < shape[2]; ++x) {
        for (int c = 0; c < shape[3]; ++c) {
          *out++ = static_cast<float>(value(centre(0, x, shape[2]), centre(1, y, shape[1]), centre(2, z, shape[0]), c));
        }
      }
    }
  }
  return volume;
}

io::DenseVolume Constant(double sigma, const Box& box) {
  return Dense({1, 1, 1, 1}, box, [=](double, double, double, int) { return sigma; });
}

io::DenseVolume Blobs(int n) {
  return Dense({n, n, n, 4}, Box{{-1, -1, -1}, {1, 1, 1}}, [](double x, double y, double z, int channel) {
    if (channel == 0) return 0.5 + 0.5 * std::sin(5 * x);
    if (channel == 1) return 0.5 + 0.5 * std::cos(4 * y + z);
    if (channel == 2) return 0.5 + 0.4 * std::sin(3 * z - x);
    const double wave = std::sin(4.7 * x + 0.3) * std::sin(5.1 * y) * std::cos(4.3 * z);
    return wave > 0.1 ? 12 * (wave - 0.1) : 0.0;
  });
}

Scene SceneOf(Stream& stream, const io::Volume& volume) {
  Scene scene;
  scene.instances.resize(1);
  scene.instances[0].field = Get(CreateField(stream, volume));
  return scene;
}

std::vector<double> Values(Stream& stream, const Tensor& tensor) {
  if (!tensor.defined()) throw std::runtime_error("the frame lacks an image that the test reads");
  std::vector<double> out(static_cast<std::size_t>(tensor.size()));
  if (tensor.dtype() == DType::kF64) {
    Check(tensor.CopyToHost(stream, out.data()));
  } else {
    std::vector<float> host(out.size());
    Check(tensor.CopyToHost(stream, host.data()));
    out.assign(host.begin(), host.end());
  }
  return out;
}

std::vector<std::uint8_t> Bits(Stream& stream, const Frame& frame) {
  std::vector<std::uint8_t> bits;
  for (const Tensor* image :
       {&frame.rgb, &frame.opacity, &frame.transmittance, &frame.depth, &frame.distortion, &frame.hit}) {
    if (!image->defined()) continue;
    const std::size_t begin = bits.size();
    bits.resize(begin + image->bytes());
    Check(image->CopyToHost(stream, bits.data() + begin));
  }
  return bits;
}

void Rays::Add(const Vec3& origin, const Vec3& direction, double t_near, double t_far) {
  origins_.insert(origins_.end(), origin.begin(), origin.end());
  directions_.insert(directions_.end(), direction.begin(), direction.end());
  t_near_.push_back(t_near);
  t_far_.push_back(t_far);
}

Frame Rays::Render(Stream& stream, const Scene& scene, PlanSpec spec, RenderPath path) const {
  spec.camera.reset();
  const auto plan = Get(stream.device()->plans().Get(stream.device(), spec));
  const auto render = [&](const auto& origins, const auto& directions, const auto& t_near, const auto& t_far) {
    RayBatch batch;
    batch.count = count();
    batch.origins = origins.data();
    batch.directions = directions.data();
    batch.t_near = t_near.data();
    batch.t_far = t_far.data();
    return Get(Renderer(path).RenderRays(stream, *plan, scene, batch));
  };
  if (spec.precision == Precision::kF64) return render(origins_, directions_, t_near_, t_far_);
  const auto narrow = [](const std::vector<double>& v) { return std::vector<float>(v.begin(), v.end()); };
  return render(narrow(origins_), narrow(directions_), narrow(t_near_), narrow(t_far_));
}

}  // namespace dvren::test
