// Skipping empty space changes no bit of any picture: thousands of rays of every awkward kind, through volumes whose
// voxels sit where blocks end, with steps from a hundredth of a voxel to twenty.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "support/hp_fixture.h"
#include "support/hp_nanovdb.h"

namespace dvren::test {
namespace {

const double kInf = std::numeric_limits<double>::infinity();

// Voxels on, before and behind bounds of 8^3 blocks and 128^3 nodes, and much emptiness between.
SparseVolume EdgyVolume(TestRandom& random, int voxels, int extent) {
  SparseVolume volume;
  for (int n = 0; n < voxels; ++n) {
    Index3 p;
    for (auto& x : p) {
      const int block = random.Below(3) == 0 ? 128 : 8;
      x = block * (random.Below(2 * extent / block + 1) - extent / block) + random.Below(4) - 2;
    }
    volume.voxels[p] =
        static_cast<float>(random.Below(4) == 0 ? random.LogUniform(1e-6, 1e3) : random.Uniform(0.01, 2));
  }
  return volume;
}

struct Box {
  hp_affine to_world;
  Vec3 lo, hi;
  double voxel;
};

Box BoxOf(const HpField& field, const hp_instance& instance) {
  hp_field_info info = {};
  HP_INIT(info);
  HpCheck(hp_field_get_info(field.get(), &info));
  Box box;
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 4; ++j) {
      double s = j == 3 ? instance.object_to_world.m[4 * i + 3] : 0;
      for (int k = 0; k < 3; ++k) s += instance.object_to_world.m[4 * i + k] * info.local_to_world.m[4 * k + j];
      box.to_world.m[4 * i + j] = s;
    }
  }
  box.lo = {info.box_min[0], info.box_min[1], info.box_min[2]};
  box.hi = {info.box_max[0], info.box_max[1], info.box_max[2]};
  box.voxel = info.min_voxel_world;
  return box;
}

Vec3 Turned(const hp_affine& a, const Vec3& d) {
  return Apply(a, d) - Apply(a, {0, 0, 0});
}

// One ray of some awkward kind, in index space first: parallel to axes, on voxel and block planes, through block edges
// and corners, grazing at tiny angles, with components that are denormal, from 10^4 voxels away, from inside.
template <class Real>
void AddAwkwardRay(TestRandom& random, const Box& box, bool negative_near, HpRays<Real>& rays) {
  Vec3 target = random.In(box.lo, box.hi), d = random.Direction();
  const int kind = random.Below(8);
  auto snap = [&](double x) {
    const double unit = std::vector<double>{0.5, 1, 8, 8, 128}[static_cast<std::size_t>(random.Below(5))];
    double y = std::round(x / unit) * unit;
    if (random.Below(3) == 0) y = std::nextafter(y, random.Below(2) ? kInf : -kInf);
    if (random.Below(4) == 0) y += random.Uniform(-1e-4, 1e-4);
    return y;
  };
  if (kind >= 2) {
    for (auto& x : target) {
      if (random.Below(3)) x = snap(x);
    }
  }
  const auto axis = static_cast<std::size_t>(random.Below(3));
  if (kind == 3) {  // parallel to an axis
    d = {0, 0, 0};
    d[axis] = random.Below(2) ? 1 : -1;
  } else if (kind == 4) {  // in a plane of the grid, with a zero of either sign
    d[axis] = random.Below(2) ? 0.0 : -0.0;
  } else if (kind == 5) {  // grazing
    d[axis] = random.LogUniform(1e-44, 1e-2) * (random.Below(2) ? 1 : -1);
  } else if (kind == 6) {  // nearly parallel to an axis
    d[axis] = 0;
    d = random.LogUniform(1e-12, 1e-2) * d;
    d[axis] = random.Below(2) ? 1 : -1;
  } else if (kind == 7) {  // diagonal through corners
    for (auto& x : d) x = random.Below(2) ? 1 : -1;
  }
  const double size = std::sqrt(Dot(box.hi - box.lo, box.hi - box.lo));
  const double back = random.Below(6) == 0 ? 1e4 : random.Below(3) == 0 ? 0 : random.Uniform(0, 1.5) * size;
  d = Normalised(d);
  const Vec3 o = Apply(box.to_world, target - back * d);
  Vec3 world = Turned(box.to_world, d);
  const double stretch = std::sqrt(Dot(world, world));
  world = (1 / stretch) * world;
  double t_near = random.Below(2) ? 0 : random.Uniform(0, back * stretch * 1.1);
  if (negative_near) t_near = -random.LogUniform(1e-3, 1e3) * size * stretch;
  const double t_far = random.Below(3) ? kInf : back * stretch + random.Uniform(-0.5, 1) * size * stretch;
  rays.Add(o, world, t_near, t_far);
}

struct Found {
  std::int64_t rays = 0, different = 0, lit = 0, skipped = 0;
  std::string first;
};

// Renders rays with and without skipping and notes where they differ.
template <class Real>
void Compare(const HpContext& context, const hp_instance& instance, hp_plan_desc desc, const HpRays<Real>& rays,
             Found& found) {
  desc.precision = PrecisionOf<Real>();
  desc.skip_empty = 0;
  const auto all = RenderRays<Real>(context, MakePlan(context, desc), instance, rays);
  desc.skip_empty = 1;
  const auto skipping = RenderRays<Real>(context, MakePlan(context, desc), instance, rays);
  found.rays += rays.size();
  found.skipped += all.counters[HP_COUNTER_SAMPLES] - skipping.counters[HP_COUNTER_SAMPLES];
  for (std::size_t i = 0; i < all.size(); ++i) {
    found.lit += all.opacity[i] > 0;
    bool same = std::memcmp(&all.rgb[3 * i], &skipping.rgb[3 * i], 3 * sizeof(Real)) == 0;
    for (auto member :
         {&HpImage<Real>::opacity, &HpImage<Real>::transmittance, &HpImage<Real>::depth, &HpImage<Real>::hit}) {
      same &= std::memcmp(&(all.*member)[i], &(skipping.*member)[i], sizeof(Real)) == 0;
    }
    if (same) continue;
    if (found.different++ == 0) {
      char text[512];
      const Vec3 o = rays.Origin(i), d = rays.Direction(i);
      std::snprintf(text, sizeof text,
                    "%s: ray o = (%.9g, %.9g, %.9g), d = (%.9g, %.9g, %.9g), t = [%.9g, %.9g], dt = %.9g, sampling %d: "
                    "opacity %.9g, skipping %.9g",
                    context.name().c_str(), o[0], o[1], o[2], d[0], d[1], d[2], static_cast<double>(rays.t_near[i]),
                    static_cast<double>(rays.t_far[i]), desc.dt, desc.sampling, static_cast<double>(all.opacity[i]),
                    static_cast<double>(skipping.opacity[i]));
      found.first = text;
    }
  }
}

hp_affine RandomTransform(TestRandom& random) {
  hp_affine a = Identity();
  switch (random.Below(5)) {
    case 0:
      break;
    case 1:  // small voxels, far from the origin
      for (int i = 0; i < 3; ++i) {
        a.m[5 * i] = 0.01;
        a.m[4 * i + 3] = random.Uniform(-50, 50);
      }
      break;
    case 2:  // voxels that are not cubes
      for (int i = 0; i < 3; ++i) a.m[5 * i] = random.LogUniform(0.1, 10);
      break;
    default:  // anything
      for (double& x : a.m) x = random.Uniform(-1, 1);
      for (int i = 0; i < 3; ++i) a.m[5 * i] += a.m[5 * i] < 0 ? -1 : 1;
  }
  return a;
}

template <class Real>
Found Hunt(std::uint64_t seed, int rounds, int rays_per_round, bool negative_near, const std::vector<hp_isa>& isas) {
  TestRandom random(seed);
  Found found;
  std::vector<std::unique_ptr<HpContext>> contexts;
  for (hp_isa isa : isas) contexts.push_back(std::make_unique<HpContext>(isa, 2));
  for (int round = 0; round < rounds; ++round) {
    const HpContext& context = *contexts[static_cast<std::size_t>(round) % contexts.size()];
    const int extents[] = {12, 40, 140, 500};
    SparseVolume volume = EdgyVolume(random, 5 + random.Below(120), extents[random.Below(4)]);
    volume.index_to_world = RandomTransform(random);
    const HpField field = MakeField(context, volume);
    hp_instance instance = InstanceOf(field);
    if (random.Below(3) == 0) instance.object_to_world = RandomTransform(random);
    instance.sigma_scale = random.LogUniform(0.05, 20);
    const double knots[] = {0.1, 0.5}, rgb[] = {1, 0, -1, 0, 2, 5};  // the colour of nothing is not black
    if (random.Below(2)) {
      instance.knot_count = 2;
      instance.knot_density = knots;
      instance.knot_rgb = rgb;
    }
    const Box box = BoxOf(field, instance);
    hp_plan_desc desc = PlanDesc(nullptr, random.LogUniform(0.01, 20) * box.voxel);
    desc.sampling = random.Below(2) ? HP_SAMPLING_STRATIFIED : HP_SAMPLING_FIXED;
    desc.seed = random.Bits();
    desc.early_stop = random.Below(3) ? 0 : random.LogUniform(1e-4, 0.9);
    desc.max_steps = random.Below(4) ? 1 << 24 : 1 + random.Below(400);
    // Fewer rays where each has many segments.
    const double segments = std::sqrt(Dot(box.hi - box.lo, box.hi - box.lo)) * box.voxel / desc.dt;
    const int count = std::max(64, std::min(rays_per_round, static_cast<int>(2e6 / segments)));
    HpRays<Real> rays;
    for (int i = 0; i < count; ++i) AddAwkwardRay(random, box, negative_near, rays);
    Compare(context, instance, desc, rays, found);
  }
  return found;
}

void Report(const Found& found, std::int64_t least_rays) {
  INFO(found.different << " of " << found.rays << " rays differ; the first: " << found.first);
  CHECK(found.different == 0);
  CHECK(found.rays >= least_rays);
  CHECK(found.lit > found.rays / 50);  // rays through nothing but emptiness prove nothing
  CHECK(found.skipped > 0);
}

}  // namespace

TEST_CASE("SkippingChangesNoBitOfAwkwardRays", "[skip_empty]") {
  Report(Hunt<float>(101, 160, 2000, false, AvailableIsas()), 50000);
}

TEST_CASE("SkippingChangesNoBitInDoublePrecision", "[skip_empty]") {
  Report(Hunt<double>(102, 40, 1000, false, {HP_ISA_AUTO}), 8000);
}

TEST_CASE("SkippingChangesNoBitOfRaysThatBeginBehindTheirOrigin", "[skip_empty]") {
  Report(Hunt<float>(103, 60, 1000, true, AvailableIsas()), 8000);
}

TEST_CASE("SkippingChangesNoBitOfRandomCameras", "[skip_empty]") {
  TestRandom random(104);
  const HpContext context(HP_ISA_AUTO, 2);
  int different = 0;
  for (int round = 0; round < 60; ++round) {
    SparseVolume volume = EdgyVolume(random, 60, 140);
    volume.index_to_world = RandomTransform(random);
    const HpField field = MakeField(context, volume);
    const hp_instance instance = InstanceOf(field);
    const Box box = BoxOf(field, instance);
    const Vec3 centre = Apply(box.to_world, 0.5 * (box.lo + box.hi)), corner = Apply(box.to_world, box.hi) - centre;
    const double radius = std::sqrt(Dot(corner, corner));
    const Vec3 eye = centre + random.LogUniform(0.1, 30) * radius * random.Direction();
    hp_camera camera = PinholeCamera(41, 27, random.Uniform(20, 400),
                                     LookAt(eye, centre + 0.3 * radius * random.Direction(), random.Direction()));
    if (round % 5 == 1) camera = OrthographicCamera(41, 27, 2 * radius, camera.camera_to_world);
    if (round % 5 == 2) camera.distortion[0] = random.Uniform(-0.2, 0.2);
    if (round % 5 == 3) {
      camera.model = HP_CAMERA_FISHEYE;
      camera.fx = camera.fy = random.Uniform(8, 60);
    }
    hp_plan_desc desc = PlanDesc(&camera, random.LogUniform(0.02, 20) * box.voxel);
    desc.sampling = round % 2 ? HP_SAMPLING_STRATIFIED : HP_SAMPLING_FIXED;
    desc.early_stop = round % 3 ? 0 : 1e-3;
    desc.skip_empty = 0;
    const hp_roi whole = {0, 0, 41, 27};
    const auto all = RenderFused<float>(context, MakePlan(context, desc), instance, whole);
    desc.skip_empty = 1;
    const std::string difference =
        Difference(all, RenderFused<float>(context, MakePlan(context, desc), instance, whole));
    INFO("round " << round << ", dt " << desc.dt / box.voxel << " voxels: " << difference);
    CHECK(difference.empty());
    different += !difference.empty();
  }
  CHECK(different == 0);
}

// A wall whose density rises from 0 exactly at a block's bound: a sample that is skipped one segment too late is
// missed. Rays come out of empty space, from `distance` voxels away, with `t_near` that much before or behind their
// origin.
static Found HuntAtTheWall(std::uint64_t seed, double from, double to, double near_from, double near_to, int rounds) {
  TestRandom random(seed);
  const HpContext context(HP_ISA_AUTO, 1);
  Found found;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    for (int bound : {8, 136, -120}) {
      SparseVolume volume;
      for (int a = -2; a <= 10; ++a) {
        for (int b = -2; b <= 10; ++b) {
          Index3 p{a, a, a};
          p[(axis + 1) % 3] = b;
          p[axis] = bound + 1;
          volume.voxels[p] = 1000;
        }
      }
      Index3 early{3, 3, 3};  // opens the box far before the wall
      early[axis] = bound - 300;
      volume.voxels[early] = 1e-20f;
      const HpField field = MakeField(context, volume);
      const hp_instance instance = InstanceOf(field);
      for (int round = 0; round < rounds; ++round) {
        hp_plan_desc desc = PlanDesc(nullptr, random.LogUniform(0.02, 20));
        desc.sampling = round % 2 ? HP_SAMPLING_STRATIFIED : HP_SAMPLING_FIXED;
        desc.seed = random.Bits();
        HpRays<float> rays;
        for (int i = 0; i < 300; ++i) {
          Vec3 d = random.LogUniform(1e-6, 0.5) * random.Direction();
          d[axis] = 1;
          Vec3 target = random.In({-1, -1, -1}, {9, 9, 9});
          target[axis] = bound;
          const double distance = random.LogUniform(from, to);
          d = Normalised(d);
          rays.Add(target - distance * d, d, -random.LogUniform(near_from, near_to));
        }
        Compare(context, instance, desc, rays, found);
      }
    }
  }
  return found;
}

TEST_CASE("SkippingIntoAWallMissesNoSample", "[skip_empty]") {
  Report(HuntAtTheWall(105, 1, 1e4, 1e-30, 1e-29, 40), 100000);
}

TEST_CASE("SkippingIntoAWallFromVeryFarMissesNoSample", "[skip_empty]") {
  Report(HuntAtTheWall(106, 1e4, 1e6, 1e-30, 1e-29, 20), 50000);
}

TEST_CASE("SkippingIntoAWallWithALatticeThatBeginsFarBehindMissesNoSample", "[skip_empty]") {
  Report(HuntAtTheWall(107, 1, 300, 1e3, 1e6, 20), 50000);
}

TEST_CASE("RaysThatGrazeEveryBlockBoundOfOneVoxel", "[skip_empty]") {
  // One voxel; its support reaches one voxel to every side. Rays pass at every offset around it, parallel to the axes.
  const HpContext context(HP_ISA_AUTO, 1);
  for (const Index3& at : {Index3{0, 0, 0}, Index3{7, 8, 15}, Index3{-1, 127, 128}, Index3{-8, -128, 64}}) {
    SparseVolume volume;
    volume.voxels[at] = 1.5f;
    volume.voxels[{at[0] + 300, at[1] + 40, at[2] - 200}] = 1;  // a large box around
    const HpField field = MakeField(context, volume);
    const hp_instance instance = InstanceOf(field);
    for (double dt : {0.01, 0.3, 1.0, 4.7, 20.0}) {
      HpRays<float> rays;
      for (std::size_t axis = 0; axis < 3; ++axis) {
        for (double a : {-1.0, -0.99999994, -0.5, 0.0, 0.5, 0.99999994, 1.0}) {
          for (double b : {-1.0, -0.99999994, 0.0, 0.25, 0.9999999, 1.0}) {
            for (double sign : {1.0, -1.0}) {
              Vec3 o{static_cast<double>(at[0]), static_cast<double>(at[1]), static_cast<double>(at[2])}, d{0, 0, 0};
              o[(axis + 1) % 3] += a;
              o[(axis + 2) % 3] += b;
              o[axis] -= sign * 200;
              d[axis] = sign;
              rays.Add(o, d);
            }
          }
        }
      }
      Found found;
      hp_plan_desc desc = PlanDesc(nullptr, dt);
      desc.sampling = HP_SAMPLING_STRATIFIED;
      Compare(context, instance, desc, rays, found);
      desc.sampling = HP_SAMPLING_FIXED;
      Compare(context, instance, desc, rays, found);
      INFO("dt " << dt << ": " << found.first);
      CHECK(found.different == 0);
    }
  }
}

}  // namespace dvren::test
