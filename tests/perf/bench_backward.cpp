// Backward passes and incoherent rays, through the C ABI: dense RGB + sigma f32, no early stop, exact arithmetic.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <variant>
#include <vector>

#include "bench.h"
#include "bench_scatter.h"
#include "hotpath/hp.h"

namespace dvren::bench {

namespace {

void Must(hp_status status) {
  if (status == HP_STATUS_OK) return;
  std::fprintf(stderr, "dvren_bench: %s: %s\n", hp_status_name(status), hp_last_error());
  std::exit(1);
}

template <class T>
hp_tensor TensorOf(hp_dtype dtype, T* data, std::initializer_list<std::int64_t> shape) {
  hp_tensor t = {};
  HP_INIT(t);
  t.dtype = dtype;
  t.data = data;
  t.rank = static_cast<std::int32_t>(shape.size());
  std::copy(shape.begin(), shape.end(), t.shape);
  std::int64_t stride = 1;
  for (int i = t.rank - 1; i >= 0; --i) {
    t.strides[i] = stride;
    stride *= t.shape[i];
  }
  return t;
}
hp_tensor Floats(std::vector<float>& v, std::initializer_list<std::int64_t> shape) {
  return TensorOf(HP_DTYPE_F32, v.data(), shape);
}
hp_tensor Absent() {
  hp_tensor t = {};
  HP_INIT(t);
  return t;
}

// The scene of the dense bench, on the C ABI.
struct Setup {
  hp_ctx* ctx = nullptr;
  hp_stream* stream = nullptr;
  hp_field* field = nullptr;
  hp_plan* plan = nullptr;
  hp_gradient* gradient = nullptr;
  hp_instance instance = {};
  hp_ctx_info info = {};
  int width, samples;
  std::vector<float> rgb, opacity, transmittance, depth, radiance, d_rgb;

  explicit Setup(const Arguments& a) : width(a.width), samples(a.samples) {
    hp_ctx_desc desc = {};
    HP_INIT(desc);
    desc.device = HP_DEVICE_CPU;
    desc.threads = a.threads;
    Must(hp_ctx_create(&desc, &ctx));
    HP_INIT(info);
    Must(hp_ctx_get_info(ctx, &info));
    Must(hp_stream_create(ctx, &stream));
    {
      std::vector<float> values = BlobValues(a.size);
      hp_grid_desc grid = {};
      HP_INIT(grid);
      grid.values = Floats(values, {a.size, a.size, a.size, 4});
      for (double& x : grid.box_max) x = 1;
      grid.local_to_world = {{1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0}};
      grid.interp = HP_INTERP_LINEAR;
      grid.border = HP_BORDER_ZERO;
      Must(hp_field_create_grid_color(stream, &grid, &field));
    }
    const Camera camera = BlobCamera(a.width);
    const auto& lens = std::get<PinholeModel>(camera.model);
    hp_camera c = {};
    HP_INIT(c);
    c.model = HP_CAMERA_PINHOLE;
    c.width = c.height = a.width;
    c.fx = lens.fx, c.fy = lens.fy, c.cx = lens.cx, c.cy = lens.cy;
    c.ortho_scale = 1;
    for (int i = 0; i < 12; ++i) c.camera_to_world.m[i] = camera.camera_to_world().m[i];
    c.t_near = camera.t_near;
    c.t_far = camera.t_far;
    hp_plan_desc p = {};
    HP_INIT(p);
    p.camera = &c;
    p.sampling = HP_SAMPLING_FIXED;
    p.dt = 1.0 / a.samples;
    p.max_steps = 1 << 24;
    p.precision = HP_PRECISION_F32;
    p.skip_empty = 1;
    Must(hp_plan_create(ctx, &p, &plan));
    Must(hp_gradient_create(stream, field, &gradient));
    HP_INIT(instance);
    instance.field = field;
    instance.object_to_world = {{1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0}};
    instance.sigma_scale = 1;
    const auto n = static_cast<std::size_t>(width) * static_cast<std::size_t>(width);
    for (auto* v : {&opacity, &transmittance, &depth}) v->resize(n);
    for (auto* v : {&rgb, &radiance, &d_rgb}) v->resize(3 * n);
    for (std::size_t i = 0; i < d_rgb.size(); ++i) d_rgb[i] = 0.3f + 0.1f * static_cast<float>(i % 7);
  }
  ~Setup() {
    hp_gradient_destroy(gradient);
    hp_plan_destroy(plan);
    hp_field_destroy(field);
    hp_stream_destroy(stream);
    hp_ctx_destroy(ctx);
  }
  Setup(const Setup&) = delete;
  Setup& operator=(const Setup&) = delete;

  [[nodiscard]] hp_roi Whole() const { return {0, 0, width, width}; }
  [[nodiscard]] hp_img_t Image(hp_roi roi) {
    hp_img_t img = {};
    HP_INIT(img);
    img.rgb = Floats(rgb, {roi.height, roi.width, 3});
    img.opacity = Floats(opacity, {roi.height, roi.width});
    img.transmittance = Floats(transmittance, {roi.height, roi.width});
    img.depth = Floats(depth, {roi.height, roi.width});
    img.hit = Absent();
    img.radiance = Floats(radiance, {roi.height, roi.width, 3});
    return img;
  }
  void Forward(hp_roi roi) {
    const hp_img_t img = Image(roi);
    Must(hp_samp_int_fused(stream, plan, &instance, 1, nullptr, roi, &img, Absent(), {nullptr, 0}));
  }
  void Zero() {
    Must(hp_gradient_zero(stream, gradient, hp_gradient_default_exponent(0.9, 1.0 / samples, HP_PRECISION_F32)));
  }
  void Backward(hp_roi roi) {
    const hp_img_t img = Image(roi);
    hp_grads_t g = {};
    HP_INIT(g);
    for (hp_tensor* t : {&g.d_opacity, &g.d_transmittance, &g.d_depth, &g.sums, &g.d_origins, &g.d_directions,
                         &g.d_t_near, &g.d_t_far}) {
      *t = Absent();
    }
    g.d_rgb = Floats(d_rgb, {roi.height, roi.width, 3});
    g.values = gradient;
    Must(hp_samp_int_fused_backward(stream, plan, &instance, 1, nullptr, roi, &img, &g, Absent(), {nullptr, 0}));
  }
  [[nodiscard]] std::string Extra(std::int64_t rays) const {
    return "\"isa\": " + std::to_string(static_cast<int>(info.isa)) +
           ", \"samples\": " + std::to_string(rays * samples);
  }
};

}  // namespace

// The backward pass alone, its gradient zeroed within the clock; then forward and backward; then the same of the middle
// 64 x 64 pixels with the dense gradient read out, which is what a step of a framework hands on.
int Backward(const Arguments& a) {
  Setup s(a);
  const std::int64_t rays = std::int64_t{a.width} * a.width;
  s.Forward(s.Whole());
  Measure("backward", a.repetitions, s.Extra(rays), [&] {
    s.Zero();
    s.Backward(s.Whole());
  });
  Measure("forward_backward", a.repetitions, s.Extra(rays), [&] {
    s.Zero();
    s.Forward(s.Whole());
    s.Backward(s.Whole());
  });
  const int edge = std::min(64, a.width);
  const hp_roi middle = {(a.width - edge) / 2, (a.width - edge) / 2, edge, edge};
  Measure("small_step", a.repetitions, s.Extra(edge * edge), [&] {
    s.Zero();
    s.Forward(middle);
    s.Backward(middle);
  });
  std::vector<float> dense(static_cast<std::size_t>(a.size) * a.size * a.size * 4);
  const hp_tensor out = Floats(dense, {a.size, a.size, a.size, 4});
  Measure("small_step_read", a.repetitions, s.Extra(edge * edge), [&] {
    s.Zero();
    s.Forward(middle);
    s.Backward(middle);
    Must(hp_gradient_read(s.stream, s.gradient, &out, nullptr));
  });
  return 0;
}

// Peak memory of a process that renders and goes back: it must not grow with the samples per ray.
int BackwardMemory(const Arguments& a) {
  Setup s(a);
  s.Forward(s.Whole());
  s.Zero();
  s.Backward(s.Whole());
  std::printf("{\"bench\": \"backward_memory\", \"samples_per_ray\": %d, \"peak_mib\": %.2f}\n", a.samples,
              PeakMemoryMiB());
  return 0;
}

// The image's rays in batches of given rays: in their order, and shuffled over the whole image.
int Rays(const Arguments& a) {
  Setup s(a);
  const std::int64_t n = std::int64_t{a.width} * a.width, batch = 32768;
  std::vector<float> origins(3 * static_cast<std::size_t>(n)), directions(origins.size()),
      t_near(static_cast<std::size_t>(n)), t_far(t_near.size());
  hp_rays_t all = {};
  HP_INIT(all);
  all.origins = Floats(origins, {n, 3});
  all.directions = Floats(directions, {n, 3});
  all.t_near = Floats(t_near, {n});
  all.t_far = Floats(t_far, {n});
  all.ids = Absent();
  Must(hp_ray(s.stream, s.plan, s.Whole(), &all, Absent(), {nullptr, 0}));
  auto run = [&] {
    for (std::int64_t first = 0; first < n; first += batch) {
      const std::int64_t count = std::min(batch, n - first);
      hp_rays_t given = all;
      auto part = [&](hp_tensor& t, std::vector<float>& v, std::int64_t width) {
        t.data = v.data() + first * width;
        t.shape[0] = count;
      };
      part(given.origins, origins, 3);
      part(given.directions, directions, 3);
      part(given.t_near, t_near, 1);
      part(given.t_far, t_far, 1);
      hp_img_t img = {};
      HP_INIT(img);
      img.rgb = TensorOf(HP_DTYPE_F32, s.rgb.data() + 3 * first, {1, count, 3});
      img.opacity = TensorOf(HP_DTYPE_F32, s.opacity.data() + first, {1, count});
      img.depth = TensorOf(HP_DTYPE_F32, s.depth.data() + first, {1, count});
      img.transmittance = img.hit = img.radiance = Absent();
      Must(hp_samp_int_fused(s.stream, s.plan, &s.instance, 1, &given, hp_roi{}, &img, Absent(), {nullptr, 0}));
    }
  };
  Measure("rays_in_order", a.repetitions, s.Extra(n), run);
  std::vector<std::size_t> order(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::shuffle(order.begin(), order.end(), std::mt19937(1));
  auto shuffled = [&](const std::vector<float>& v, std::size_t width) {
    std::vector<float> r(v.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
      for (std::size_t c = 0; c < width; ++c) r[width * i + c] = v[width * order[i] + c];
    }
    return r;
  };
  origins = shuffled(origins, 3);
  directions = shuffled(directions, 3);
  t_near = shuffled(t_near, 1);
  t_far = shuffled(t_far, 1);
  Measure("rays_shuffled", a.repetitions, s.Extra(n), run);
  return 0;
}

// The scatter alone, exact beside float. Says so where it cannot run.
int Scatter(const Arguments& a) {
#if defined(DVREN_BENCH_SCATTER)
  if (hp_isa_available(HP_ISA_AVX512)) {
    volatile double keep = 0;
    Measure("scatter_exact", a.repetitions, "", [&] { keep = ScatterExact(a.width, a.samples); });
    Measure("scatter_float", a.repetitions, "", [&] { keep = ScatterFloat(a.width, a.samples); });
    return 0;
  }
#endif
  std::printf("{\"bench\": \"scatter_absent\", \"reason\": \"needs AVX-512\"}\n");
  return 0;
}

}  // namespace dvren::bench
