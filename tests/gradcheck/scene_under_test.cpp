#include "gradcheck/scene_under_test.h"

#include <algorithm>
#include <cmath>

#include "support/hp_reference.h"

namespace dvren::test {
namespace {

const double kInf = std::numeric_limits<double>::infinity();

std::uint64_t Mix(std::uint64_t h, std::uint64_t v) {
  h ^= v + 0x9e3779b97f4a7c15ull + (h << 6) + (h >> 2);
  return h * 0xff51afd7ed558ccdull;
}

// Field geometry from what the library tells about it: world space to grid space.
struct Geometry {
  hp_affine world_to_local;
  Vec3 lo, hi;  // of the box
  bool unbounded;
  bool nearest;
  std::array<std::int64_t, 3> size;

  Geometry(const FieldExample& example, const hp_instance& instance) {
    hp_field_info info = {};
    HP_INIT(info);
    HpCheck(hp_field_get_info(instance.field, &info));
    const auto& a = instance.object_to_world.m;
    const auto& b = info.local_to_world.m;
    hp_affine both;
    for (int i = 0; i < 3; ++i) {
      for (int j = 0; j < 4; ++j) {
        both.m[4 * i + j] =
            a[4 * i] * b[j] + a[4 * i + 1] * b[4 + j] + a[4 * i + 2] * b[8 + j] + (j == 3 ? a[4 * i + 3] : 0);
      }
    }
    world_to_local = Inverse(both);
    lo = {info.box_min[0], info.box_min[1], info.box_min[2]};
    hi = {info.box_max[0], info.box_max[1], info.box_max[2]};
    unbounded = info.unbounded != 0;
    nearest = example.nearest;
    size = example.size;
  }
  // Grid coordinates with values at integers (shifted by half for nearest), -1 below the first and n - 1 beyond the
  // last.
  [[nodiscard]] Vec3 ToCells(const Vec3& world) const {
    Vec3 p = Apply(world_to_local, world);
    for (std::size_t i = 0; i < 3 && size[0] > 0; ++i) {
      const auto n = static_cast<double>(size[i]);
      p[i] = (p[i] - lo[i]) / (hi[i] - lo[i]) * n - (nearest ? 0 : 0.5);
      // (One voxel: every place reads it.)
      p[i] = std::clamp(p[i], nearest ? 0.5 : -0.5, nearest ? n - 0.5 : n - 0.5);
    }
    return p;
  }
};

// The faces by which a ray enters and leaves (0: by t_near or t_far), and whether that is a close call.
void Faces(const Geometry& g, const Vec3& o, const Vec3& d, double t_near, double t_far, Signature& s) {
  if (g.unbounded) return;
  const Vec3 p = Apply(g.world_to_local, o), q = Apply(g.world_to_local, o + d);
  double t0 = t_near, t1 = t_far, next0 = -kInf, next1 = kInf;
  std::uint64_t face0 = 0, face1 = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    const double v = q[i] - p[i];
    if (v == 0) continue;
    const double a = (g.lo[i] - p[i]) / v, b = (g.hi[i] - p[i]) / v, enter = std::min(a, b), leave = std::max(a, b);
    if (enter > t0)
      next0 = t0, t0 = enter, face0 = i + 1;
    else
      next0 = std::max(next0, enter);
    if (leave < t1)
      next1 = t1, t1 = leave, face1 = i + 1;
    else
      next1 = std::min(next1, leave);
  }
  s.bits = Mix(s.bits, 4 * face0 + face1);
  const double close = 2e-5 * (1 + std::fabs(t0));
  if (s.samples > 0) s.marginal |= t0 - next0 < close || next1 - t1 < close || t1 - t0 < close;
}

std::vector<Signature> Signatures(const SceneUnderTest& scene, const hp_instance& instance, const HpRays<double>& rays,
                                  const HpSamples<double>& samples, const HpIntegrals<double>& integrals) {
  const Geometry geometry(*scene.example, instance);
  const bool harmonics = scene.example->channels > 4;
  const double dt = scene.desc.dt;
  std::vector<Signature> all(static_cast<std::size_t>(rays.size()));
  for (std::size_t i = 0; i < all.size(); ++i) {
    Signature& s = all[i];
    const Vec3 o = rays.Origin(i), d = rays.Direction(i);
    s.samples = integrals.end[i];
    s.early_stopped = integrals.end[i] < samples.count[i];
    s.bits = Mix(Mix(0, static_cast<std::uint64_t>(samples.count[i])), static_cast<std::uint64_t>(integrals.end[i]));
    if (scene.desc.early_stop > 0) {
      // Transmittance before every sample, against the threshold.
      double through = 1;
      for (std::int32_t n = 0; n < integrals.end[i]; ++n) {
        const auto at = i * static_cast<std::size_t>(samples.capacity) + static_cast<std::size_t>(n);
        through *= std::exp(-samples.sigma[at] * samples.dt[at]);
        s.marginal |= std::fabs(through / scene.desc.early_stop - 1) < 1e-4;
      }
    }
    Faces(geometry, o, d, rays.t_near[i], rays.t_far[i], s);
    for (std::int32_t n = 0; n < integrals.end[i]; ++n) {
      const auto at = i * static_cast<std::size_t>(samples.capacity) + static_cast<std::size_t>(n);
      const Vec3 cells = geometry.ToCells(o + samples.t[at] * d);
      std::uint64_t place = 0;
      for (std::size_t c = 0; c < 3; ++c) {
        const double cell = std::floor(cells[c]), f = cells[c] - cell;
        if (scene.affine) {
          // Only whether it lies between the outermost values: beyond them the field is constant.
          const auto voxels = static_cast<double>(scene.example->size[c]);
          place = 3 * place + (cell < 0 ? 0 : cell < voxels - 1 ? 1 : 2);
          continue;
        }
        place = 4096 * place + static_cast<std::uint64_t>(static_cast<std::int64_t>(cell) + 2048);
        s.marginal |= std::min(f, 1 - f) < 4e-5;
      }
      // The lattice segment, and whether it is cut.
      const bool cut = samples.dt[at] < dt * (1 - 1e-9);
      const double k = (samples.t[at] - rays.t_near[i]) / dt;
      s.bits = Mix(Mix(s.bits, place), 2 * static_cast<std::uint64_t>(k + 1e-9) + (cut ? 1 : 0));
      // An end that falls on the bound of a segment: f32 sees it cut, or not.
      const double close = std::max(1e-4 * dt, 5e-7 * std::fabs(samples.t[at]));
      if (cut) s.marginal |= samples.dt[at] < close || samples.dt[at] > dt - close;
      if (n + 1 == samples.count[i]) {
        s.marginal |= std::fabs(samples.t[at] + 0.5 * dt - rays.t_far[i]) < close;
      }
      if (harmonics) {
        for (std::size_t c = 0; c < 3; ++c) {
          s.bits = Mix(s.bits, samples.rgb[3 * at + c] > 0);
          s.marginal |= samples.rgb[3 * at + c] > 0 && samples.rgb[3 * at + c] < 1e-5;
        }
      }
      if (!scene.knots.empty() && scene.sigma_scale > 0) {
        const double density = samples.sigma[at] / scene.sigma_scale;
        const auto piece = std::upper_bound(scene.knots.begin(), scene.knots.end(), density) - scene.knots.begin();
        s.bits = Mix(s.bits, static_cast<std::uint64_t>(piece));
        for (double knot : scene.knots) s.marginal |= std::fabs(density - knot) < 2e-5;
      }
    }
  }
  return all;
}

}  // namespace

hp_plan_desc SceneUnderTest::Desc(hp_precision precision) const {
  hp_plan_desc d = desc;
  d.camera = camera.struct_size ? &camera : nullptr;  // without one: given rays
  d.precision = precision;
  return d;
}

hp_instance SceneUnderTest::Place(const HpField& field) const {
  hp_instance instance = example->Place(field);
  instance.sigma_scale = sigma_scale;
  for (std::size_t c = 0; c < 3; ++c) instance.color[c] = color[c];
  instance.knot_count = static_cast<std::int32_t>(knots.size());
  instance.knot_density = knots.empty() ? nullptr : knots.data();
  instance.knot_rgb = knots.empty() ? nullptr : knot_rgb.data();
  return instance;
}

HpField SceneUnderTest::Field(const HpContext& context) const {
  return values_moved ? example->with_values(context, values) : example->make(context);
}

SceneUnderTest MakeScene(const FieldExample& example) {
  SceneUnderTest scene;
  scene.example = &example;
  scene.values = example.values;
  scene.sigma_scale = example.look.sigma_scale;
  scene.color = {example.look.color[0], example.look.color[1], example.look.color[2]};
  scene.knots.assign(example.look.knot_density, example.look.knot_density + example.look.knot_count);
  scene.knot_rgb.assign(example.look.knot_rgb, example.look.knot_rgb + 3 * example.look.knot_count);
  scene.desc = PlanDesc(nullptr, std::max(0.61 * example.voxel, example.radius / 40));
  scene.desc.seed = 77;
  scene.desc.background[0] = 0.2, scene.desc.background[1] = -0.6, scene.desc.background[2] = 0.9;
  return scene;
}

const HpField& Evaluator::FieldOf(const SceneUnderTest& scene) {
  if (scene.values_moved) {
    moved_ = scene.Field(context_);
    return moved_;
  }
  if (!kept_ || kept_for_ != scene.example->name) {
    kept_ = scene.example->make(context_);
    kept_for_ = scene.example->name;
  }
  return kept_;
}

Evaluation Evaluator::Camera(const SceneUnderTest& scene) {
  const HpPlan plan = MakePlan(context_, scene.Desc(HP_PRECISION_F64));
  Evaluation e = Rays(scene, CameraRays<double>(context_, plan, scene.Whole()));
  e.image.height = scene.camera.height;
  e.image.width = scene.camera.width;
  return e;
}

Evaluation Evaluator::Rays(const SceneUnderTest& scene, const HpRays<double>& rays) {
  const HpPlan plan = MakePlan(context_, scene.Desc(HP_PRECISION_F64));
  const hp_instance instance = scene.Place(FieldOf(scene));
  const HpSamples<double> samples = SampleRays(context_, plan, instance, rays);
  const HpIntegrals<double> integrals(rays.size());
  const hp_samp_t stored = samples.View();
  const hp_intl_t sums = integrals.View();
  HpCheck(hp_int(context_.stream(), plan.get(), &stored, &sums, NoTensor(), NoWorkspace()));
  Evaluation e{HpImage<double>(1, static_cast<int>(rays.size())), {}};
  const hp_img_t view = e.image.View();
  HpCheck(hp_img(context_.stream(), plan.get(), &sums, &view, NoWorkspace()));
  e.rays = Signatures(scene, instance, rays, samples, integrals);
  return e;
}

std::vector<FieldExample> GradientExamples() {
  std::vector<FieldExample> all = FieldExamples(), some;
  for (auto& example : all) {
    // Hundreds of voxels from end to end with a few small things in them, which the few rays here would miss: they are
    // examples of skipping, and their gradients are compared bit for bit (conformance).
    if (example.name == "nanovdb: far apart" || example.name == "nanovdb: sparse, transfer function") continue;
    some.push_back(std::move(example));
  }
  return some;
}

std::vector<SceneUnderTest> PairwiseScenes(const std::vector<FieldExample>& examples) {
  const unsigned inputs[] = {kOfAll, kOfRgb, kOfOpacity, kOfDepth, kOfTransmittance};
  std::vector<SceneUnderTest> scenes;
  const auto samplers = Samplers();
  for (std::size_t i = 0; i < examples.size(); ++i) {
    const FieldExample& example = examples[i];
    const Vec3 c = example.centre;
    const double r = example.radius;
    auto from = [&](const Vec3& direction, double distance) {
      return LookAt(c + distance * Normalised(direction), c + 0.05 * r * Vec3{0.3, -0.7, 0.2}, {0.1, -1, 0.3});
    };
    for (std::size_t j = 0; j < 5; ++j) {
      SceneUnderTest scene = MakeScene(example);
      hp_camera& camera = scene.camera;
      const char* model = "";
      switch (j) {
        case 0:
          model = "pinhole";
          camera = PinholeCamera(9, 7, 11, from({1, 0.6, -1.4}, 2.2 * r));
          break;
        case 1: {
          model = "pinhole, Brown-Conrady";
          camera = PinholeCamera(8, 8, 8, from({-1, 0.1, 0.2}, 1.9 * r));
          camera.cx = 3.7, camera.fy = 9;
          const double brown[5] = {-0.25, 0.06, 0.013, -0.012, 0.02};
          std::copy(std::begin(brown), std::end(brown), camera.distortion);
          break;
        }
        case 2: {
          model = "fisheye";
          camera = PinholeCamera(7, 9, 5, from({0.2, -1, 0.3}, 1.3 * r));
          camera.model = HP_CAMERA_FISHEYE;
          const double kannala[4] = {-0.02, 0.014, 0.003, -0.002};
          std::copy(std::begin(kannala), std::end(kannala), camera.distortion);
          break;
        }
        case 3:
          model = "orthographic";
          camera = OrthographicCamera(8, 7, 1.3 * r, from({0.7, 0.9, 1.1}, 2 * r));
          break;
        default:  // starts and ends inside
          model = "inside, near and far";
          camera = PinholeCamera(8, 7, 6, from({0.3, 0.2, 1}, 0.3 * r));
          camera.t_near = 0.043 * r;
          camera.t_far = 0.52 * r;
          break;
      }
      if (camera.t_near == 0) camera.t_near = 0.021 * r;  // so that it can be moved both ways
      if (example.unbounded && !(camera.t_far < kInf)) camera.t_far = 3.1 * r;
      scene.inputs = inputs[(i + 2 * j) % 5];
      scene.desc.sampling = samplers[(i + j) % samplers.size()].sampling;
      scene.desc.early_stop = (i / 2 + j) % 3 == 0 ? 0.05 : 0;
      auto add = [&](SceneUnderTest of) {
        of.name = example.name + " | " + model + " | sampler " + samplers[(i + j) % samplers.size()].name +
                  ", inputs " + std::to_string(of.inputs) + ", early stop " + std::to_string(of.desc.early_stop);
        scenes.push_back(std::move(of));
      };
      add(scene);
      // Kernels of their own.
      if ((i + j) % 2 == 0) {
        scene.inputs = kOfDistortion;
        add(scene);
      }
    }
  }
  return scenes;
}

double Norm(const std::vector<double>& v) {
  double sum = 0;
  for (double x : v) sum += x * x;
  return std::sqrt(sum);
}

double RelativeDistance(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> d(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) d[i] = a[i] - b[i];
  const double distance = Norm(d);
  return distance == 0 ? 0 : distance / Norm(b);
}

std::vector<SumGroup> GroupsOf(const SceneUnderTest& scene) {
  const int knots = static_cast<int>(scene.knots.size());
  return {{"background", HP_SUM_BACKGROUND, 3},
          {"sigma scale", HP_SUM_SIGMA_SCALE, 1},
          {"colour", HP_SUM_COLOR, 3},
          {"dt", HP_SUM_DT, 1},
          {"pose", HP_SUM_CAMERA_TO_WORLD, 12},
          {"intrinsics", HP_SUM_INTRINSICS, 4},
          {"distortion", HP_SUM_DISTORTION, 5},
          {"ortho scale", HP_SUM_ORTHO_SCALE, 1},
          {"t_near", HP_SUM_T_NEAR, 1},
          {"t_far", HP_SUM_T_FAR, 1},
          {"knot densities", HP_SUM_KNOT_DENSITY, knots},
          {"knot colours", HP_SUM_KNOT_RGB, 3 * knots}};
}

}  // namespace dvren::test
