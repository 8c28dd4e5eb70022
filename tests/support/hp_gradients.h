// Gradients of the C ABI as values, for tests: gradients of fields that free themselves, dL/d(image), the sums of few
// parameters, gradients of rays; and the backward passes, fused and staged.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "support/hp_fixture.h"

namespace dvren::test {

// Fine enough that rounding to it is far below every bound of the tests, and wide enough for contributions up to 2^6.
inline constexpr std::int32_t kFineExponent = -44;

// ---- gradients of field values --------------------------------------------------------------------------------------

class HpGradient {
 public:
  HpGradient(const HpContext& context, const HpField& field, std::int32_t exponent = kFineExponent)
      : HpGradient(context, field.get(), exponent) {}
  HpGradient(const HpContext& context, const hp_field* field, std::int32_t exponent = kFineExponent)
      : stream_(context.stream()) {
    HpCheck(hp_gradient_create(stream_, field, &gradient_));
    Zero(exponent);
  }
  ~HpGradient() { hp_gradient_destroy(gradient_); }
  HpGradient(const HpGradient&) = delete;
  HpGradient& operator=(const HpGradient&) = delete;

  [[nodiscard]] hp_gradient* get() const { return gradient_; }
  void Zero(std::int32_t exponent) { HpCheck(hp_gradient_zero(stream_, gradient_, exponent)); }
  [[nodiscard]] hp_gradient_info Info() const {
    hp_gradient_info info = {};
    HP_INIT(info);
    HpCheck(hp_gradient_get_info(gradient_, &info));
    return info;
  }
  // Values in the order of hp_gradient_read.
  template <class T = double>
  [[nodiscard]] std::vector<T> Read() const {
    const hp_gradient_info info = Info();
    std::size_t size = 1;
    for (int i = 0; i < info.rank; ++i) size *= static_cast<std::size_t>(info.shape[i]);
    std::vector<T> values(size, std::numeric_limits<T>::quiet_NaN());
    const hp_tensor t = TensorOf(values.data(), {info.shape[0], info.shape[1], info.shape[2], info.shape[3]});
    HpCheck(hp_gradient_read(stream_, gradient_, &t, nullptr));
    return values;
  }
  // Corners of the leaves of a sparse field.
  [[nodiscard]] std::vector<std::array<int, 3>> Origins() const {
    const hp_gradient_info info = Info();
    std::vector<float> values(static_cast<std::size_t>(info.shape[0] * 512));
    std::vector<std::int32_t> flat(static_cast<std::size_t>(3 * info.shape[0]), -12345);
    const hp_tensor t = TensorOf(values.data(), {info.shape[0], 8, 8, 8}),
                    o = TensorOf(flat.data(), {info.shape[0], 3});
    HpCheck(hp_gradient_read(stream_, gradient_, &t, &o));
    std::vector<std::array<int, 3>> origins;
    for (std::size_t i = 0; i < flat.size(); i += 3) origins.push_back({flat[i], flat[i + 1], flat[i + 2]});
    return origins;
  }

 private:
  hp_stream* stream_;
  hp_gradient* gradient_ = nullptr;
};

// ---- sums of few parameters -----------------------------------------------------------------------------------------

struct HpSums {
  std::vector<std::int64_t> bits = std::vector<std::int64_t>(std::size_t{2} * HP_SUM_COUNT, 0);
  [[nodiscard]] double operator[](int sum) const { return hp_sum_value(bits.data() + std::ptrdiff_t{2} * sum); }
  hp_tensor Tensor() { return TensorOf(bits.data(), {HP_SUM_COUNT, 2}); }
  [[nodiscard]] std::vector<double> Range(int first, int count) const {
    std::vector<double> values;
    for (int i = 0; i < count; ++i) values.push_back((*this)[first + i]);
    return values;
  }
};

// ---- dL/d(image) ----------------------------------------------------------------------------------------------------

enum AdjointInput : unsigned {
  kOfRgb = 1,
  kOfOpacity = 2,
  kOfTransmittance = 4,
  kOfDepth = 8,
  kOfDistortion = 16,
  kOfAll = 31,
  kOfAllButDistortion = 15,  // which kernels of their own compute
};

template <class Real>
struct HpAdjoint {
  int height = 0, width = 0;
  unsigned inputs = kOfAll;  // AdjointInput; what is not in here is left out of the call
  std::vector<Real> rgb, opacity, transmittance, depth, distortion;

  HpAdjoint() = default;
  HpAdjoint(int h, int w, unsigned of, double value = 0) : height(h), width(w), inputs(of) {
    const std::size_t n = static_cast<std::size_t>(h) * static_cast<std::size_t>(w);
    rgb.assign(3 * n, static_cast<Real>(value));
    for (auto* v : {&opacity, &transmittance, &depth, &distortion}) v->assign(n, static_cast<Real>(value));
  }
  // Numbers that f32 holds exactly, so that both precisions get the same.
  static HpAdjoint Random(int h, int w, unsigned of, std::uint64_t seed) {
    HpAdjoint a(h, w, of);
    TestRandom random(seed);
    for (auto* v : {&a.rgb, &a.opacity, &a.transmittance, &a.depth, &a.distortion}) {
      for (Real& x : *v) x = static_cast<Real>((random.Below(2048) - 1024) * 0x1p-10);
    }
    return a;
  }
  [[nodiscard]] std::size_t size() const { return opacity.size(); }
  // Silences one pixel.
  void Mute(std::size_t pixel) {
    for (std::size_t c = 0; c < 3; ++c) rgb[3 * pixel + c] = 0;
    opacity[pixel] = transmittance[pixel] = depth[pixel] = distortion[pixel] = 0;
  }
  // The adjoint image's tensors in `g`, of the window of h x w pixels at (x, y).
  void Fill(hp_grads_t& g, int x, int y, int h, int w) const {
    const std::size_t at = static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x);
    auto plane = [&](const std::vector<Real>& v, unsigned which) {
      if (!(inputs & which)) return NoTensor();
      hp_tensor t = TensorOf(v.data() + at, {h, w});
      t.strides[0] = width;
      return t;
    };
    g.d_rgb = NoTensor();
    if (inputs & kOfRgb) {
      g.d_rgb = TensorOf(rgb.data() + 3 * at, {h, w, 3});
      g.d_rgb.strides[0] = std::int64_t{3} * width;
    }
    g.d_opacity = plane(opacity, kOfOpacity);
    g.d_transmittance = plane(transmittance, kOfTransmittance);
    g.d_depth = plane(depth, kOfDepth);
    g.d_distortion = plane(distortion, kOfDistortion);
  }
  void Fill(hp_grads_t& g) const { Fill(g, 0, 0, height, width); }
  // As one row of pixels, for rays.
  [[nodiscard]] HpAdjoint Row() const {
    HpAdjoint row = *this;
    row.width = height * width;
    row.height = 1;
    return row;
  }
  // The loss of every pixel, linear in the image.
  template <class Other>
  [[nodiscard]] std::vector<double> Losses(const HpImage<Other>& image) const {
    std::vector<double> losses(size(), 0);
    for (std::size_t i = 0; i < size(); ++i) {
      auto add = [&](Real g, Other x) { losses[i] += static_cast<double>(g) * static_cast<double>(x); };
      for (std::size_t c = 0; c < 3 && (inputs & kOfRgb); ++c) add(rgb[3 * i + c], image.rgb[3 * i + c]);
      if (inputs & kOfOpacity) add(opacity[i], image.opacity[i]);
      if (inputs & kOfTransmittance) add(transmittance[i], image.transmittance[i]);
      if (inputs & kOfDepth) add(depth[i], image.depth[i]);
      if (inputs & kOfDistortion) add(distortion[i], image.distortion[i]);
    }
    return losses;
  }
  template <class Other>
  [[nodiscard]] HpAdjoint<Other> As() const {
    HpAdjoint<Other> a(height, width, inputs);
    a.rgb.assign(rgb.begin(), rgb.end());
    a.opacity.assign(opacity.begin(), opacity.end());
    a.transmittance.assign(transmittance.begin(), transmittance.end());
    a.depth.assign(depth.begin(), depth.end());
    a.distortion.assign(distortion.begin(), distortion.end());
    return a;
  }
};

// ---- gradients of rays ----------------------------------------------------------------------------------------------

template <class Real>
struct HpRayGrads {
  std::vector<Real> origins, directions, t_near, t_far;
  explicit HpRayGrads(std::int64_t n = 0) {
    const Real unset = std::numeric_limits<Real>::quiet_NaN();
    origins.assign(static_cast<std::size_t>(3 * n), unset);
    directions = origins;
    t_near.assign(static_cast<std::size_t>(n), unset);
    t_far = t_near;
  }
  void Fill(hp_grads_t& g, std::int64_t first, std::int64_t count) {
    g.d_origins = TensorOf(origins.data() + 3 * first, {count, 3});
    g.d_directions = TensorOf(directions.data() + 3 * first, {count, 3});
    g.d_t_near = TensorOf(t_near.data() + first, {count});
    g.d_t_far = TensorOf(t_far.data() + first, {count});
  }
};

// "" when the same bits, else what differs first.
template <class T>
std::string FirstDifference(const std::string& name, const std::vector<T>& a, const std::vector<T>& b) {
  if (a.size() != b.size()) return name + ": sizes differ;";
  if (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0) return "";
  std::size_t first = a.size(), count = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::memcmp(&a[i], &b[i], sizeof(T)) != 0 && count++ == 0) first = i;
  }
  char text[200];
  std::snprintf(text, sizeof text, "%s: %zu of %zu differ, first [%zu]: %.17g, %.17g;", name.c_str(), count, a.size(),
                first, static_cast<double>(a[first]), static_cast<double>(b[first]));
  return text;
}

// ---- passes ---------------------------------------------------------------------------------------------------------

// Everything a backward pass gives.
template <class Real>
struct HpBackward {
  std::vector<double> values;  // of the field; empty when it has no parameters, or none are asked for
  HpSums sums;
  HpRayGrads<Real> rays;  // of given rays
  HpCounters counters{};
};

template <class Real>
std::string Difference(const HpBackward<Real>& a, const HpBackward<Real>& b) {
  return FirstDifference("values", a.values, b.values) + FirstDifference("sums", a.sums.bits, b.sums.bits) +
         FirstDifference("d_origins", a.rays.origins, b.rays.origins) +
         FirstDifference("d_directions", a.rays.directions, b.rays.directions) +
         FirstDifference("d_t_near", a.rays.t_near, b.rays.t_near) +
         FirstDifference("d_t_far", a.rays.t_far, b.rays.t_far);
}

inline hp_grads_t NoGradients() {
  hp_grads_t g = {};
  HP_INIT(g);
  for (hp_tensor* t : {&g.d_rgb, &g.d_opacity, &g.d_transmittance, &g.d_depth, &g.d_distortion, &g.sums, &g.d_origins,
                       &g.d_directions, &g.d_t_near, &g.d_t_far}) {
    *t = NoTensor();
  }
  return g;
}

inline constexpr std::uint32_t kWantScene = HP_WANT_SCENE, kWantStep = HP_WANT_STEP, kWantCamera = HP_WANT_CAMERA;

// Adds the gradients of a window of the camera's image. `forward` and `adjoint` are of the whole image.
template <class Real>
void AddBackwardFused(const HpContext& context, const HpPlan& plan, const hp_instance& instance, hp_roi roi,
                      HpImage<Real>& forward, const HpAdjoint<Real>& adjoint, std::uint32_t wanted, hp_gradient* values,
                      HpSums& sums, HpCounters& counters) {
  const hp_img_t made = forward.View(roi.x, roi.y, roi.height, roi.width);
  hp_grads_t g = NoGradients();
  adjoint.Fill(g, roi.x, roi.y, roi.height, roi.width);
  g.wanted = wanted;
  if (wanted) g.sums = sums.Tensor();
  g.values = values;
  HpCheck(hp_samp_int_fused_backward(context.stream(), plan.get(), &instance, 1, nullptr, roi, &made, &g,
                                     TensorOf(counters.data(), {HP_COUNTER_COUNT}), NoWorkspace()));
}

// The whole image of a camera, fused: forward, then backward with all that can be asked for.
template <class Real>
HpBackward<Real> BackwardFused(const HpContext& context, const HpPlan& plan, const hp_instance& instance, hp_roi roi,
                               const HpAdjoint<Real>& adjoint, std::int32_t exponent = kFineExponent,
                               bool with_values = true) {
  HpBackward<Real> result;
  HpImage<Real> forward = RenderFused<Real>(context, plan, instance, roi);
  std::unique_ptr<HpGradient> values;
  if (with_values) values = std::make_unique<HpGradient>(context, instance.field, exponent);
  const hp_img_t made = forward.View();
  hp_grads_t g = NoGradients();
  adjoint.Fill(g);
  g.wanted = kWantScene | kWantCamera | kWantStep;
  g.sums = result.sums.Tensor();
  g.values = values ? values->get() : nullptr;
  HpCheck(hp_samp_int_fused_backward(context.stream(), plan.get(), &instance, 1, nullptr, roi, &made, &g,
                                     TensorOf(result.counters.data(), {HP_COUNTER_COUNT}), NoWorkspace()));
  if (values) result.values = values->Read();
  return result;
}

// Given rays, fused, `batch` at a time (0: all at once).
template <class Real>
HpBackward<Real> BackwardRays(const HpContext& context, const HpPlan& plan, const hp_instance& instance,
                              const HpRays<Real>& rays, const HpAdjoint<Real>& adjoint,
                              std::int32_t exponent = kFineExponent, bool with_values = true, std::int64_t batch = 0) {
  HpBackward<Real> result;
  HpImage<Real> forward = RenderRays<Real>(context, plan, instance, rays);
  const HpAdjoint<Real> row = adjoint.Row();
  result.rays = HpRayGrads<Real>(rays.size());
  std::unique_ptr<HpGradient> values;
  if (with_values) values = std::make_unique<HpGradient>(context, instance.field, exponent);
  if (batch == 0) batch = rays.size();
  for (std::int64_t first = 0; first < rays.size(); first += batch) {
    const std::int64_t count = std::min(batch, rays.size() - first);
    const hp_rays_t given = rays.View(first, count);
    const hp_img_t made = forward.View(static_cast<int>(first), 0, 1, static_cast<int>(count));
    hp_grads_t g = NoGradients();
    row.Fill(g, static_cast<int>(first), 0, 1, static_cast<int>(count));
    g.wanted = kWantScene | kWantStep;
    g.sums = result.sums.Tensor();
    g.values = values ? values->get() : nullptr;
    result.rays.Fill(g, first, count);
    HpCheck(hp_samp_int_fused_backward(context.stream(), plan.get(), &instance, 1, &given, hp_roi{}, &made, &g,
                                       TensorOf(result.counters.data(), {HP_COUNTER_COUNT}), NoWorkspace()));
  }
  if (values) result.values = values->Read();
  return result;
}

// dL/d(samples), unset until written.
template <class Real>
struct HpSampleGrads {
  std::int64_t rays, capacity;
  std::vector<Real> t, dt, sigma, rgb;
  HpSampleGrads(std::int64_t n, std::int64_t s) : rays(n), capacity(s) {
    const Real unset = std::numeric_limits<Real>::quiet_NaN();
    for (auto* v : {&t, &dt, &sigma}) v->assign(static_cast<std::size_t>(n * s), unset);
    rgb.assign(static_cast<std::size_t>(3 * n * s), unset);
  }
  [[nodiscard]] hp_samp_grads_t View() const {
    hp_samp_grads_t s = {};
    HP_INIT(s);
    s.t = TensorOf(t.data(), {rays, capacity});
    s.dt = TensorOf(dt.data(), {rays, capacity});
    s.sigma = TensorOf(sigma.data(), {rays, capacity});
    s.rgb = TensorOf(rgb.data(), {rays, capacity, 3});
    return s;
  }
};

// Given rays, staged: hp_samp, hp_int, hp_diff, hp_samp_backward; with `camera_roi`, hp_ray_backward too.
template <class Real>
HpBackward<Real> BackwardStaged(const HpContext& context, const HpPlan& plan, const hp_instance& instance,
                                const HpRays<Real>& rays, const HpAdjoint<Real>& adjoint,
                                std::int32_t exponent = kFineExponent, bool with_values = true,
                                const hp_roi* camera_roi = nullptr, HpSampleGrads<Real>* d_samples_out = nullptr) {
  HpBackward<Real> result;
  const HpSamples<Real> samples = SampleRays(context, plan, instance, rays);
  const HpIntegrals<Real> integrals(rays.size());
  const hp_samp_t stored = samples.View();
  const hp_intl_t made = integrals.View();
  HpCheck(hp_int(context.stream(), plan.get(), &stored, &made, NoTensor(), NoWorkspace()));
  const HpSampleGrads<Real> d_samples(samples.rays, samples.capacity);
  const hp_samp_grads_t d = d_samples.View();
  const hp_tensor counters = TensorOf(result.counters.data(), {HP_COUNTER_COUNT});
  hp_grads_t g = NoGradients();
  adjoint.Fill(g);
  g.wanted = kWantScene;
  g.sums = result.sums.Tensor();
  HpCheck(hp_diff(context.stream(), plan.get(), &stored, &made, &g, &d, counters, NoWorkspace()));
  result.rays = HpRayGrads<Real>(rays.size());
  std::unique_ptr<HpGradient> values;
  if (with_values) values = std::make_unique<HpGradient>(context, instance.field, exponent);
  g = NoGradients();
  g.wanted = kWantScene | kWantStep;
  g.sums = result.sums.Tensor();
  g.values = values ? values->get() : nullptr;
  result.rays.Fill(g, 0, rays.size());
  const hp_rays_t given = rays.View();
  HpCheck(hp_samp_backward(context.stream(), plan.get(), &instance, 1, &given, &d, &g, counters, NoWorkspace()));
  if (camera_roi) {
    g.wanted = kWantCamera;
    g.values = nullptr;
    HpCheck(hp_ray_backward(context.stream(), plan.get(), *camera_roi, &g, counters, NoWorkspace()));
  }
  if (values) result.values = values->Read();
  if (d_samples_out) *d_samples_out = d_samples;
  return result;
}

}  // namespace dvren::test
