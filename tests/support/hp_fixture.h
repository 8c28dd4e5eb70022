// The C ABI of the kernels as values, for tests: contexts, fields, plans, rays and images that free themselves.
// A failing call throws HpError with the library's message.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "hotpath/hp.h"

namespace dvren::test {

struct HpError : std::runtime_error {
  HpError(hp_status s, const std::string& message)
      : std::runtime_error(std::string(hp_status_name(s)) + ": " + message), status(s) {}
  hp_status status;
};

inline void HpCheck(hp_status status) {
  if (status != HP_STATUS_OK) throw HpError(status, hp_last_error());
}

// ---- tensors --------------------------------------------------------------------------------------------------------

template <class T>
constexpr hp_dtype DtypeOf();
template <>
constexpr hp_dtype DtypeOf<std::uint8_t>() {
  return HP_DTYPE_U8;
}
template <>
constexpr hp_dtype DtypeOf<float>() {
  return HP_DTYPE_F32;
}
template <>
constexpr hp_dtype DtypeOf<double>() {
  return HP_DTYPE_F64;
}
template <>
constexpr hp_dtype DtypeOf<std::uint16_t>() {  // the bits of a half
  return HP_DTYPE_F16;
}
template <>
constexpr hp_dtype DtypeOf<std::int32_t>() {
  return HP_DTYPE_I32;
}
template <>
constexpr hp_dtype DtypeOf<std::int64_t>() {
  return HP_DTYPE_I64;
}

template <class Real>
constexpr hp_precision PrecisionOf() {
  return sizeof(Real) == 8 ? HP_PRECISION_F64 : HP_PRECISION_F32;
}

inline hp_tensor NoTensor() {
  hp_tensor t = {};
  HP_INIT(t);
  return t;
}

// A contiguous view, C order.
template <class T>
hp_tensor TensorOf(const T* data, std::initializer_list<std::int64_t> shape) {
  hp_tensor t = NoTensor();
  t.dtype = DtypeOf<T>();
  t.data = const_cast<T*>(data);
  t.rank = static_cast<std::int32_t>(shape.size());
  int i = 0;
  for (std::int64_t extent : shape) t.shape[i++] = extent;
  std::int64_t stride = 1;
  for (int j = t.rank - 1; j >= 0; --j) {
    t.strides[j] = stride;
    stride *= t.shape[j];
  }
  return t;
}

inline hp_affine Identity() {
  return {{1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0}};
}

// ---- contexts -------------------------------------------------------------------------------------------------------

// The CUDA device, as one more instruction set: what is to be the same bits on all of them is to be so there. With
// HP_TEST_CUDA (tests/gpu) it is also what AUTO stands for, so that every test runs on it.
inline constexpr hp_isa kCuda = static_cast<hp_isa>(100);
#if defined(HP_TEST_CUDA)
inline constexpr bool kTestCuda = true;
#else
inline constexpr bool kTestCuda = false;
#endif

inline const char* IsaName(hp_isa isa) {
  return isa == HP_ISA_SCALAR   ? "scalar"
         : isa == HP_ISA_AVX2   ? "avx2"
         : isa == HP_ISA_AVX512 ? "avx512"
         : isa == kCuda         ? "cuda"
                                : "auto";
}

// The instruction sets that this machine runs; the scalar one first. With HP_TEST_CUDA that and the device: the CPU's
// others have their own run of these tests.
inline std::vector<hp_isa> AvailableIsas() {
  if (kTestCuda) return {HP_ISA_SCALAR, kCuda};
  std::vector<hp_isa> isas;
  for (hp_isa isa : {HP_ISA_SCALAR, HP_ISA_AVX2, HP_ISA_AVX512}) {
    if (hp_isa_available(isa)) isas.push_back(isa);
  }
  return isas;
}
// Those that have double-precision kernels of their own.
inline std::vector<hp_isa> DoubleIsas() {
  if (kTestCuda) return {HP_ISA_SCALAR, kCuda};
  return {HP_ISA_SCALAR};
}

// A context with one stream.
class HpContext {
 public:
  explicit HpContext(hp_isa isa = HP_ISA_AUTO, int threads = 1)
      : isa_(kTestCuda && isa == HP_ISA_AUTO ? kCuda : isa), threads_(threads) {
    hp_ctx_desc desc = {};
    HP_INIT(desc);
    if (cuda()) {
      desc.device = HP_DEVICE_CUDA;
    } else {
      desc.device = HP_DEVICE_CPU;
      desc.threads = threads;
      desc.isa = isa;
    }
    HpCheck(hp_ctx_create(&desc, &ctx_));
    HpCheck(hp_stream_create(ctx_, &stream_));
  }
  ~HpContext() {
    hp_stream_destroy(stream_);
    hp_ctx_destroy(ctx_);
  }
  HpContext(const HpContext&) = delete;
  HpContext& operator=(const HpContext&) = delete;

  [[nodiscard]] hp_ctx* ctx() const { return ctx_; }
  [[nodiscard]] hp_stream* stream() const { return stream_; }
  [[nodiscard]] hp_isa isa() const { return isa_; }
  [[nodiscard]] bool cuda() const { return isa_ == kCuda; }
  [[nodiscard]] int threads() const { return threads_; }
  [[nodiscard]] std::string name() const { return IsaName(isa_) + (" x" + std::to_string(threads_)); }

 private:
  hp_isa isa_;
  int threads_;
  hp_ctx* ctx_ = nullptr;
  hp_stream* stream_ = nullptr;
};

// ---- fields ---------------------------------------------------------------------------------------------------------

using HpField = std::unique_ptr<hp_field, void (*)(hp_field*)>;
using HpPlan = std::unique_ptr<hp_plan, void (*)(hp_plan*)>;

// A dense grid as a test writes it down. `halves` instead of `values` stores f16.
struct DenseGrid {
  std::int64_t nz = 1, ny = 1, nx = 1, channels = 1;
  std::vector<float> values;
  std::vector<std::uint16_t> halves;
  std::array<double, 3> box_min{0, 0, 0}, box_max{1, 1, 1};
  hp_affine local_to_world = Identity();
  hp_interp interp = HP_INTERP_LINEAR;
  hp_border border = HP_BORDER_ZERO;
  hp_activation activation = HP_ACTIVATION_IDENTITY;

  [[nodiscard]] hp_grid_desc Desc() const {
    hp_grid_desc desc = {};
    HP_INIT(desc);
    desc.values = halves.empty() ? TensorOf(values.data(), {nz, ny, nx, channels})
                                 : TensorOf(halves.data(), {nz, ny, nx, channels});
    for (std::size_t i = 0; i < 3; ++i) {
      desc.box_min[i] = box_min[i];
      desc.box_max[i] = box_max[i];
    }
    desc.local_to_world = local_to_world;
    desc.interp = interp;
    desc.border = border;
    desc.activation = activation;
    return desc;
  }
};

inline HpField MakeField(const HpContext& context, const DenseGrid& grid) {
  const hp_grid_desc desc = grid.Desc();
  hp_field* field = nullptr;
  HpCheck(grid.channels == 1 ? hp_field_create_grid_sigma(context.stream(), &desc, &field)
                             : hp_field_create_grid_color(context.stream(), &desc, &field));
  return {field, hp_field_destroy};
}

// A scalar grid of one value.
inline DenseGrid UniformGrid(float sigma, std::array<double, 3> box_min = {0, 0, 0},
                             std::array<double, 3> box_max = {1, 1, 1}) {
  DenseGrid grid;
  grid.values = {sigma};
  grid.box_min = box_min;
  grid.box_max = box_max;
  return grid;
}

inline hp_instance InstanceOf(const hp_field* field) {
  hp_instance instance = {};
  HP_INIT(instance);
  instance.field = field;
  instance.object_to_world = Identity();
  instance.sigma_scale = 1;
  for (double& c : instance.color) c = 1;
  return instance;
}
inline hp_instance InstanceOf(const HpField& field) {
  return InstanceOf(field.get());
}

// ---- cameras and plans ----------------------------------------------------------------------------------------------

using Vec3 = std::array<double, 3>;
inline Vec3 operator+(const Vec3& a, const Vec3& b) {
  return {a[0] + b[0], a[1] + b[1], a[2] + b[2]};
}
inline Vec3 operator-(const Vec3& a, const Vec3& b) {
  return {a[0] - b[0], a[1] - b[1], a[2] - b[2]};
}
inline Vec3 operator*(double s, const Vec3& a) {
  return {s * a[0], s * a[1], s * a[2]};
}
inline double Dot(const Vec3& a, const Vec3& b) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}
inline Vec3 Cross(const Vec3& a, const Vec3& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}
inline Vec3 Normalised(const Vec3& a) {
  return (1 / std::sqrt(Dot(a, a))) * a;
}
inline Vec3 Apply(const hp_affine& a, const Vec3& p) {
  Vec3 r;
  for (std::size_t i = 0; i < 3; ++i) {
    r[i] = a.m[4 * i] * p[0] + a.m[4 * i + 1] * p[1] + a.m[4 * i + 2] * p[2] + a.m[4 * i + 3];
  }
  return r;
}

// OpenCV axes: the camera at `eye` looks at `target`; image y points away from `up`.
inline hp_affine LookAt(const Vec3& eye, const Vec3& target, const Vec3& up = {0, -1, 0}) {
  const Vec3 z = Normalised(target - eye), x = Normalised(Cross(z, up)), y = Cross(z, x);
  return {{x[0], y[0], z[0], eye[0], x[1], y[1], z[1], eye[1], x[2], y[2], z[2], eye[2]}};
}

inline hp_camera PinholeCamera(int width, int height, double focal, const hp_affine& camera_to_world = Identity()) {
  hp_camera camera = {};
  HP_INIT(camera);
  camera.model = HP_CAMERA_PINHOLE;
  camera.width = width;
  camera.height = height;
  camera.fx = camera.fy = focal;
  camera.cx = 0.5 * width;
  camera.cy = 0.5 * height;
  camera.ortho_scale = 1;
  camera.camera_to_world = camera_to_world;
  camera.t_far = std::numeric_limits<double>::infinity();
  return camera;
}

inline hp_camera OrthographicCamera(int width, int height, double scale,
                                    const hp_affine& camera_to_world = Identity()) {
  hp_camera camera = PinholeCamera(width, height, 1, camera_to_world);
  camera.model = HP_CAMERA_ORTHOGRAPHIC;
  camera.ortho_scale = scale;
  return camera;
}

// No early stop, no background, f32. `camera` may be null and must outlive the call that makes the plan.
inline hp_plan_desc PlanDesc(const hp_camera* camera, double dt) {
  hp_plan_desc desc = {};
  HP_INIT(desc);
  desc.camera = camera;
  desc.sampling = HP_SAMPLING_FIXED;
  desc.dt = dt;
  desc.max_steps = 1 << 24;
  desc.precision = HP_PRECISION_F32;
  desc.skip_empty = 1;
  return desc;
}

inline HpPlan MakePlan(const HpContext& context, const hp_plan_desc& desc) {
  hp_plan* plan = nullptr;
  HpCheck(hp_plan_create(context.ctx(), &desc, &plan));
  return {plan, hp_plan_destroy};
}

// ---- rays, images, samples ------------------------------------------------------------------------------------------

using HpCounters = std::array<std::int64_t, HP_COUNTER_COUNT>;

template <class Real>
struct HpRays {
  std::vector<Real> origins, directions, t_near, t_far;
  std::vector<std::int64_t> ids;  // empty: the index

  HpRays() = default;
  explicit HpRays(std::size_t n) : origins(3 * n), directions(3 * n), t_near(n), t_far(n), ids(n) {}
  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(t_near.size()); }
  void Add(const Vec3& o, const Vec3& d, double from = 0, double to = std::numeric_limits<double>::infinity()) {
    for (std::size_t c = 0; c < 3; ++c) {
      origins.push_back(static_cast<Real>(o[c]));
      directions.push_back(static_cast<Real>(d[c]));
    }
    t_near.push_back(static_cast<Real>(from));
    t_far.push_back(static_cast<Real>(to));
  }
  // Rays [first, first + count).
  [[nodiscard]] hp_rays_t View(std::int64_t first, std::int64_t count) const {
    hp_rays_t r = {};
    HP_INIT(r);
    r.origins = TensorOf(origins.data() + 3 * first, {count, 3});
    r.directions = TensorOf(directions.data() + 3 * first, {count, 3});
    r.t_near = TensorOf(t_near.data() + first, {count});
    r.t_far = TensorOf(t_far.data() + first, {count});
    r.ids = ids.empty() ? NoTensor() : TensorOf(ids.data() + first, {count});
    return r;
  }
  [[nodiscard]] hp_rays_t View() const { return View(0, size()); }
  [[nodiscard]] Vec3 Origin(std::size_t i) const { return {origins[3 * i], origins[3 * i + 1], origins[3 * i + 2]}; }
  [[nodiscard]] Vec3 Direction(std::size_t i) const {
    return {directions[3 * i], directions[3 * i + 1], directions[3 * i + 2]};
  }
};

// Every output starts as NaN, so that a pixel nobody wrote shows.
template <class Real>
struct HpImage {
  int height = 0, width = 0;
  std::vector<Real> rgb, opacity, transmittance, depth, distortion, hit, radiance;
  std::vector<std::int32_t> counts;  // of fused renders: (h, w, 2)
  HpCounters counters{};

  HpImage() = default;
  HpImage(int h, int w) : height(h), width(w) {
    const std::size_t n = static_cast<std::size_t>(h) * static_cast<std::size_t>(w);
    const Real unset = std::numeric_limits<Real>::quiet_NaN();
    for (auto* v : {&rgb, &radiance}) v->assign(3 * n, unset);
    for (auto* v : {&opacity, &transmittance, &depth, &distortion, &hit}) v->assign(n, unset);
  }
  [[nodiscard]] std::size_t size() const { return opacity.size(); }
  [[nodiscard]] std::size_t At(int x, int y) const {
    return static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x);
  }
  hp_img_t View() { return View(0, 0, height, width); }
  // The window of `h` x `w` pixels at (x, y): strided.
  hp_img_t View(int x, int y, int h, int w) {
    hp_img_t img = {};
    HP_INIT(img);
    auto plane = [&](std::vector<Real>& v) {
      hp_tensor t = TensorOf(v.data() + At(x, y), {h, w});
      t.strides[0] = width;
      return t;
    };
    auto colors = [&](std::vector<Real>& v) {
      hp_tensor t = TensorOf(v.data() + 3 * At(x, y), {h, w, 3});
      t.strides[0] = std::int64_t{3} * width;
      return t;
    };
    img.rgb = colors(rgb);
    img.radiance = colors(radiance);
    img.opacity = plane(opacity);
    img.transmittance = plane(transmittance);
    img.depth = plane(depth);
    img.distortion = plane(distortion);
    img.hit = plane(hit);
    return img;
  }
  // The same with the counts of each ray, which the fused op alone knows.
  hp_img_t CountingView(int x, int y, int h, int w) {
    counts.resize(2 * size(), -1);
    hp_img_t img = View(x, y, h, w);
    img.counts = TensorOf(counts.data() + 2 * At(x, y), {h, w, 2});
    img.counts.strides[0] = std::int64_t{2} * width;
    return img;
  }
  // Whether the counts of all rays together are the counters, which must have been 0 before.
  [[nodiscard]] bool CountsAddUp() const {
    HpCounters sums{};
    for (std::size_t i = 0; i < counts.size(); i += 2) {
      sums[HP_COUNTER_RAYS] += 1;
      sums[HP_COUNTER_SAMPLES] += counts[i];
      sums[HP_COUNTER_EARLY_STOPPED] += counts[i + 1] == HP_RAY_STOPPED ? 1 : 0;
      sums[HP_COUNTER_TRUNCATED] += counts[i + 1] == HP_RAY_TRUNCATED ? 1 : 0;
    }
    for (const int which : {HP_COUNTER_RAYS, HP_COUNTER_SAMPLES, HP_COUNTER_EARLY_STOPPED, HP_COUNTER_TRUNCATED}) {
      if (sums[static_cast<std::size_t>(which)] != counters[static_cast<std::size_t>(which)]) return false;
    }
    return true;
  }
  hp_tensor CounterTensor() { return TensorOf(counters.data(), {HP_COUNTER_COUNT}); }
};

// "" when all outputs are the same bits, else where they first differ.
template <class Real>
std::string Difference(const HpImage<Real>& a, const HpImage<Real>& b) {
  auto compare = [](const char* name, const std::vector<Real>& x, const std::vector<Real>& y) -> std::string {
    if (x.size() != y.size()) return std::string(name) + ": sizes differ";
    if (std::memcmp(x.data(), y.data(), x.size() * sizeof(Real)) == 0) return "";
    std::size_t first = x.size(), count = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (std::memcmp(&x[i], &y[i], sizeof(Real)) == 0) continue;
      if (count++ == 0) first = i;
    }
    char text[160];
    std::snprintf(text, sizeof text, "%s: %zu of %zu values differ, first [%zu]: %.17g, %.17g", name, count, x.size(),
                  first, static_cast<double>(x[first]), static_cast<double>(y[first]));
    return text;
  };
  for (const std::string& text : {compare("rgb", a.rgb, b.rgb), compare("opacity", a.opacity, b.opacity),
                                  compare("transmittance", a.transmittance, b.transmittance),
                                  compare("depth", a.depth, b.depth), compare("distortion", a.distortion, b.distortion),
                                  compare("hit", a.hit, b.hit), compare("radiance", a.radiance, b.radiance)}) {
    if (!text.empty()) return text;
  }
  return "";
}

inline hp_workspace NoWorkspace() {
  return {nullptr, 0};
}

// A view of rays that an op writes.
template <class Real>
HpRays<Real> CameraRays(const HpContext& context, const HpPlan& plan, hp_roi roi, HpCounters* counters = nullptr) {
  HpRays<Real> rays(static_cast<std::size_t>(roi.width) * static_cast<std::size_t>(roi.height));
  const hp_rays_t view = rays.View();
  HpCheck(hp_ray(context.stream(), plan.get(), roi, &view,
                 counters ? TensorOf(counters->data(), {HP_COUNTER_COUNT}) : NoTensor(), NoWorkspace()));
  return rays;
}

// Fused render of a camera's pixels in `roi`.
template <class Real>
HpImage<Real> RenderFused(const HpContext& context, const HpPlan& plan, const hp_instance& instance, hp_roi roi) {
  HpImage<Real> image(roi.height, roi.width);
  const hp_img_t view = image.CountingView(0, 0, roi.height, roi.width);
  HpCheck(hp_samp_int_fused(context.stream(), plan.get(), &instance, 1, nullptr, roi, &view, image.CounterTensor(),
                            NoWorkspace()));
  if (!image.CountsAddUp()) throw std::runtime_error("the counts of the rays are not the counters");
  return image;
}

// Fused render of given rays, `batch` at a time (0: all at once), as one row of pixels.
template <class Real>
HpImage<Real> RenderRays(const HpContext& context, const HpPlan& plan, const hp_instance& instance,
                         const HpRays<Real>& rays, std::int64_t batch = 0) {
  HpImage<Real> image(1, static_cast<int>(rays.size()));
  if (batch == 0) batch = rays.size();
  for (std::int64_t first = 0; first < rays.size(); first += batch) {
    const std::int64_t count = std::min(batch, rays.size() - first);
    const hp_rays_t given = rays.View(first, count);
    const hp_img_t view = image.CountingView(static_cast<int>(first), 0, 1, static_cast<int>(count));
    HpCheck(hp_samp_int_fused(context.stream(), plan.get(), &instance, 1, &given, hp_roi{}, &view,
                              image.CounterTensor(), NoWorkspace()));
  }
  if (!image.CountsAddUp()) throw std::runtime_error("the counts of the rays are not the counters");
  return image;
}

// Stored samples of rays.
template <class Real>
struct HpSamples {
  std::int64_t rays = 0, capacity = 0;
  std::vector<Real> t, dt, sigma, rgb;
  std::vector<std::int32_t> count;
  HpSamples(std::int64_t n, std::int64_t s) : rays(n), capacity(s) {
    const auto size = static_cast<std::size_t>(n * s);
    const Real unset = std::numeric_limits<Real>::quiet_NaN();
    for (auto* v : {&t, &dt, &sigma}) v->assign(size, unset);
    rgb.assign(3 * size, unset);
    count.assign(static_cast<std::size_t>(n), -1);
  }
  [[nodiscard]] hp_samp_t View() const {
    hp_samp_t s = {};
    HP_INIT(s);
    s.t = TensorOf(t.data(), {rays, capacity});
    s.dt = TensorOf(dt.data(), {rays, capacity});
    s.sigma = TensorOf(sigma.data(), {rays, capacity});
    s.rgb = TensorOf(rgb.data(), {rays, capacity, 3});
    s.count = TensorOf(count.data(), {rays});
    return s;
  }
};

template <class Real>
struct HpIntegrals {
  std::vector<Real> rgb, transmittance, opacity, depth, distortion;
  std::vector<std::int32_t> end;
  explicit HpIntegrals(std::int64_t n) {
    const auto size = static_cast<std::size_t>(n);
    const Real unset = std::numeric_limits<Real>::quiet_NaN();
    for (auto* v : {&transmittance, &opacity, &depth, &distortion}) v->assign(size, unset);
    rgb.assign(3 * size, unset);
    end.assign(size, -1);
  }
  [[nodiscard]] hp_intl_t View() const {
    const auto n = static_cast<std::int64_t>(depth.size());
    hp_intl_t s = {};
    HP_INIT(s);
    s.rgb = TensorOf(rgb.data(), {n, 3});
    s.transmittance = TensorOf(transmittance.data(), {n});
    s.opacity = TensorOf(opacity.data(), {n});
    s.depth = TensorOf(depth.data(), {n});
    s.distortion = TensorOf(distortion.data(), {n});
    s.end = TensorOf(end.data(), {n});
    return s;
  }
};

template <class Real>
HpSamples<Real> SampleRays(const HpContext& context, const HpPlan& plan, const hp_instance& instance,
                           const HpRays<Real>& rays, HpCounters* counters = nullptr) {
  const hp_rays_t given = rays.View();
  std::int64_t most = 0;
  HpCheck(hp_samp_max_count(context.stream(), plan.get(), &instance, 1, &given, &most));
  HpSamples<Real> samples(rays.size(), most > 0 ? most : 1);
  const hp_samp_t view = samples.View();
  HpCheck(hp_samp(context.stream(), plan.get(), &instance, 1, &given, &view,
                  counters ? TensorOf(counters->data(), {HP_COUNTER_COUNT}) : NoTensor(), NoWorkspace()));
  return samples;
}

// Staged render of rays as an image of `height` x `width` pixels.
template <class Real>
HpImage<Real> RenderStaged(const HpContext& context, const HpPlan& plan, const hp_instance& instance,
                           const HpRays<Real>& rays, int height, int width) {
  HpImage<Real> image(height, width);
  const HpSamples<Real> samples = SampleRays(context, plan, instance, rays, &image.counters);
  const HpIntegrals<Real> integrals(rays.size());
  const hp_samp_t stored = samples.View();
  const hp_intl_t sums = integrals.View();
  HpCheck(hp_int(context.stream(), plan.get(), &stored, &sums, image.CounterTensor(), NoWorkspace()));
  const hp_img_t view = image.View();
  HpCheck(hp_img(context.stream(), plan.get(), &sums, &view, NoWorkspace()));
  return image;
}

// The whole image of the camera, staged.
template <class Real>
HpImage<Real> RenderStaged(const HpContext& context, const HpPlan& plan, const hp_instance& instance,
                           const hp_camera& camera) {
  const hp_roi whole = {0, 0, camera.width, camera.height};
  return RenderStaged<Real>(context, plan, instance, CameraRays<Real>(context, plan, whole), camera.height,
                            camera.width);
}

// One ray through a field, all at its defaults.
template <class Real = float>
HpImage<Real> RenderRay(const HpContext& context, const hp_plan_desc& desc, const hp_instance& instance, const Vec3& o,
                        const Vec3& d, double from = 0, double to = std::numeric_limits<double>::infinity()) {
  hp_plan_desc in_precision = desc;
  in_precision.precision = PrecisionOf<Real>();
  HpRays<Real> rays;
  rays.Add(o, d, from, to);
  return RenderRays<Real>(context, MakePlan(context, in_precision), instance, rays);
}

// ---- deterministic randomness ---------------------------------------------------------------------------------------

// SplitMix64 (Steele, Lea, Flood 2014): a test's numbers do not depend on the standard library.
class TestRandom {
 public:
  explicit TestRandom(std::uint64_t seed) : state_(seed) {}
  std::uint64_t Bits() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  }
  double Uniform() { return static_cast<double>(Bits() >> 11) * 0x1p-53; }  // [0, 1)
  double Uniform(double lo, double hi) { return lo + (hi - lo) * Uniform(); }
  int Below(int n) { return static_cast<int>(Bits() % static_cast<std::uint64_t>(n)); }
  double LogUniform(double lo, double hi) { return std::exp(Uniform(std::log(lo), std::log(hi))); }
  Vec3 Direction() {
    const double z = Uniform(-1, 1), a = Uniform(0, 6.283185307179586), r = std::sqrt(1 - z * z);
    return {r * std::cos(a), r * std::sin(a), z};
  }
  Vec3 In(const Vec3& lo, const Vec3& hi) {
    return {Uniform(lo[0], hi[0]), Uniform(lo[1], hi[1]), Uniform(lo[2], hi[2])};
  }

 private:
  std::uint64_t state_;
};

}  // namespace dvren::test
