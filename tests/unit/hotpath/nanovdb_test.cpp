// NanoVDB fields: renders against a reference that never sees NanoVDB, and blobs that are damaged in every way.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <vector>

#include "support/hp_fixture.h"
#include "support/hp_nanovdb.h"
#include "support/hp_reference.h"

namespace dvren::test {
namespace {

const double kInf = std::numeric_limits<double>::infinity();

const HpContext& Context() {
  static const HpContext context(HP_ISA_AUTO, 1);
  return context;
}

// Trilinear over the volume's values, in the box of its active voxels grown by one voxel.
ReferenceMedium ReferenceOf(const SparseVolume& volume, double sigma_scale = 1) {
  ReferenceMedium medium;
  medium.world_to_box = Inverse(volume.index_to_world);
  Index3 min, max;
  volume.ActiveBounds(&min, &max);
  for (std::size_t i = 0; i < 3; ++i) {
    medium.lo[i] = min[i] - 1;
    medium.hi[i] = max[i] + 1;
  }
  medium.sample = [volume, sigma_scale](const Vec3& p, const Vec3&) {
    ReferenceSample s;
    s.sigma = sigma_scale * Trilinear(p, [&](int x, int y, int z) {
                return static_cast<double>(volume.At({x, y, z}));
              });
    return s;
  };
  return medium;
}

SparseVolume RandomVolume(TestRandom& random, int voxels, const Index3& lo, const Index3& hi) {
  SparseVolume volume;
  for (int n = 0; n < voxels; ++n) {
    Index3 p;
    for (std::size_t i = 0; i < 3; ++i) p[i] = lo[i] + random.Below(hi[i] - lo[i] + 1);
    volume.voxels[p] = static_cast<float>(random.Uniform(0.05, 2));
  }
  return volume;
}

// Compares renders of random rays aimed at the box.
void CheckAgainstReference(const SparseVolume& volume, std::uint64_t seed, double sigma_scale = 1,
                           int rays_count = 150) {
  TestRandom random(seed);
  const HpField field = MakeField(Context(), volume);
  const ReferenceMedium medium = ReferenceOf(volume, sigma_scale);
  hp_instance instance = InstanceOf(field);
  instance.sigma_scale = sigma_scale;
  hp_field_info info = {};
  HP_INIT(info);
  HpCheck(hp_field_get_info(field.get(), &info));
  hp_plan_desc desc = PlanDesc(nullptr, info.min_voxel_world * random.Uniform(0.3, 1.5));
  desc.precision = HP_PRECISION_F64;
  HpRays<double> rays;
  HpRays<float> single;
  const double size = std::sqrt(Dot(medium.hi - medium.lo, medium.hi - medium.lo)) * info.min_voxel_world;
  for (int i = 0; i < rays_count; ++i) {
    const Vec3 target = Apply(volume.index_to_world, random.In(medium.lo, medium.hi)), d = random.Direction();
    rays.Add(target - random.Uniform(0, size) * d, d, 0, random.Below(3) ? kInf : random.Uniform(0.1, 2) * size);
    const auto n = static_cast<std::size_t>(i);
    single.Add(rays.Origin(n), rays.Direction(n), rays.t_near[n], rays.t_far[n]);
  }
  double worst_double = 0, worst_float = 0, most = 0;
  for (int skip : {0, 1}) {
    desc.skip_empty = skip;
    desc.precision = HP_PRECISION_F64;
    const auto image = RenderRays<double>(Context(), MakePlan(Context(), desc), instance, rays);
    desc.precision = HP_PRECISION_F32;
    const auto coarse = RenderRays<float>(Context(), MakePlan(Context(), desc), instance, single);
    for (std::size_t i = 0; i < image.size(); ++i) {
      auto error = [&](const auto& picture, const auto& given) {
        const ReferencePixel p =
            ReferenceRay(medium, desc, given.Origin(i), given.Direction(i), given.t_near[i], given.t_far[i]);
        most = std::max(most, p.opacity);
        return std::max(std::fabs(picture.opacity[i] - p.opacity),
                        std::fabs(picture.depth[i] - p.depth) / (1 + std::fabs(p.depth)));
      };
      worst_double = std::max(worst_double, error(image, rays));
      worst_float = std::max(worst_float, error(coarse, single));
    }
  }
  CAPTURE(worst_double, worst_float);
  CHECK(most > 0.05);  // rays that see nothing prove nothing
  CHECK(worst_double < 1e-10);
  CHECK(worst_float < 1e-3);  // f32 places samples to about 1e-4 voxels, a few hundred voxels from the camera
}

// A field is made, or refused with a reason; a field that is made renders numbers.
enum class Outcome { kRefused, kMade };
Outcome Try(const NanoVdbBlob& blob) {
  const hp_nanovdb_desc desc = blob.Desc();
  hp_field* made = nullptr;
  const hp_status status = hp_field_create_nanovdb(Context().stream(), &desc, &made);
  if (status != HP_STATUS_OK) {
    CHECK((status == HP_STATUS_INVALID_ARGUMENT || status == HP_STATUS_OUT_OF_MEMORY));
    CHECK(std::strncmp(hp_last_error(), "nanovdb_desc.", 13) == 0);
    CHECK(made == nullptr);
    return Outcome::kRefused;
  }
  const HpField field(made, hp_field_destroy);
  hp_field_info info = {};
  HP_INIT(info);
  HpCheck(hp_field_get_info(made, &info));
  HpRays<float> rays;
  TestRandom random(4);
  for (int i = 0; i < 32; ++i) {
    const Vec3 lo{info.box_min[0], info.box_min[1], info.box_min[2]},
        hi{info.box_max[0], info.box_max[1], info.box_max[2]};
    rays.Add(Apply(info.local_to_world, random.In(lo, hi)), random.Direction());
  }
  if (!(info.min_voxel_world > 1e-20 && info.min_voxel_world < 1e20)) return Outcome::kMade;
  hp_plan_desc plan = PlanDesc(nullptr, info.min_voxel_world);
  plan.max_steps = 500;
  const auto image = RenderRays<float>(Context(), MakePlan(Context(), plan), InstanceOf(field), rays);
  bool numbers = true;
  for (std::size_t i = 0; i < image.size(); ++i) {
    numbers &= image.opacity[i] >= -1e-6f && image.opacity[i] <= 1 + 1e-6f && !std::isnan(image.rgb[3 * i]);
  }
  CHECK(numbers);
  return Outcome::kMade;
}

SparseVolume SmallVolume() {
  TestRandom random(8);
  SparseVolume volume = RandomVolume(random, 60, {-9, -3, 2}, {12, 9, 20});
  volume.boxes.push_back({{-8, 0, 8}, {-1, 7, 15}, 0.5f});
  volume.index_to_world = {{0.5, 0.1, 0, 3, 0, 0.4, 0, -2, 0, 0.05, 0.6, 1}};
  return volume;
}

std::string RefusalOf(const NanoVdbBlob& blob) {
  const hp_nanovdb_desc desc = blob.Desc();
  hp_field* field = nullptr;
  if (hp_field_create_nanovdb(Context().stream(), &desc, &field) == HP_STATUS_OK) {
    hp_field_destroy(field);
    return "";
  }
  CHECK(field == nullptr);
  return hp_last_error();
}

template <class T>
NanoVdbBlob With(const NanoVdbBlob& blob, std::size_t at, T value) {
  NanoVdbBlob copy = CopyBlob(blob.data.get(), blob.bytes, blob.bytes);
  std::memcpy(copy.data.get() + at, &value, sizeof value);
  return copy;
}

bool Says(const std::string& message, const char* text) {
  return message.find(text) != std::string::npos;
}

}  // namespace

TEST_CASE("OneVoxelIsAPyramidOfTwoVoxels", "[nanovdb]") {
  // Through its centre along an axis sigma is a tent of height s over two voxels: optical depth s.
  SparseVolume volume;
  volume.voxels[{-3, 4, 129}] = 2;
  const HpField field = MakeField(Context(), volume);
  const hp_plan_desc plan = PlanDesc(nullptr, 1.0 / 64);
  for (std::size_t axis = 0; axis < 3; ++axis) {
    Vec3 o{-3, 4, 129}, d{0, 0, 0};
    o[axis] -= 10;
    d[axis] = 1;
    CHECK(RenderRay<double>(Context(), plan, InstanceOf(field), o, d).opacity[0] ==
          Approx(1 - std::exp(-2.0)).epsilon(1e-12));
    CHECK(RenderRay<float>(Context(), plan, InstanceOf(field), o, d).opacity[0] ==
          Approx(1 - std::exp(-2.0)).epsilon(1e-5));
    // Half a voxel beside it: half as dense.
    o[(axis + 1) % 3] += 0.5;
    CHECK(RenderRay<double>(Context(), plan, InstanceOf(field), o, d).opacity[0] ==
          Approx(1 - std::exp(-1.0)).epsilon(1e-12));
  }
}

TEST_CASE("BoxIsTheActiveBoundingBoxGrownByOneVoxel", "[nanovdb]") {
  SparseVolume volume;
  volume.voxels[{-5, 2, 3}] = 1;
  volume.voxels[{130, 2, 9}] = 1;
  volume.index_to_world = {{0.5, 0, 0, 10, 0, 0.25, 0, 20, 0, 0, 2, 30}};
  const HpField field = MakeField(Context(), volume);
  hp_field_info info = {};
  HP_INIT(info);
  HpCheck(hp_field_get_info(field.get(), &info));
  const double lo[3] = {-6, 1, 2}, hi[3] = {131, 3, 10};
  for (int i = 0; i < 3; ++i) {
    CHECK(info.box_min[i] == lo[i]);
    CHECK(info.box_max[i] == hi[i]);
  }
  CHECK(std::memcmp(&info.local_to_world, &volume.index_to_world, sizeof(hp_affine)) == 0);
  CHECK(info.min_voxel_world == 0.25);
  CHECK(std::string(info.type) == "nanovdb");
  CHECK(info.channels == 1);
  CHECK(info.unbounded == 0);
}

TEST_CASE("RandomSparseVolumesRenderAsTheReferenceDoes", "[nanovdb]") {
  for (std::uint64_t seed : {1, 2, 3, 4}) {
    TestRandom random(seed);
    CheckAgainstReference(RandomVolume(random, 400, {-20, -17, -9}, {20, 12, 22}), seed, 0.5);
  }
}

TEST_CASE("VolumesAcrossBlockAndNodeBoundsRenderAsTheReferenceDoes", "[nanovdb]") {
  // Voxels on and beside multiples of 8 and 128, of both signs.
  SparseVolume volume;
  TestRandom random(5);
  const int edges[] = {-129, -128, -127, -9, -8, -7, -1, 0, 1, 6, 7, 8, 9, 127, 128};
  for (int n = 0; n < 900; ++n) {
    volume.voxels[{edges[random.Below(15)], edges[random.Below(15)], edges[random.Below(15)]}] =
        static_cast<float>(random.Uniform(0.2, 3));
  }
  CheckAgainstReference(volume, 5, 1, 600);
}

TEST_CASE("TilesRenderAsTheirVoxels", "[nanovdb]") {
  SparseVolume volume;
  volume.boxes.push_back({{-16, -8, 0}, {-1, 7, 23}, 0.4f});        // twelve leaf tiles
  volume.boxes.push_back({{128, -128, 0}, {255, -1, 127}, 0.02f});  // a tile of 128^3
  volume.voxels[{-4, 2, 9}] = 3;  // a voxel inside a tile: its leaf is filled with the tile
  volume.voxels[{127, -1, 5}] = 2;
  CheckAgainstReference(volume, 6, 1, 300);
}

TEST_CASE("BackgroundThatIsNotZeroFillsTheBox", "[nanovdb]") {
  TestRandom random(7);
  SparseVolume volume = RandomVolume(random, 50, {-30, -5, 120}, {-2, 9, 140});
  volume.background = 0.125f;
  CheckAgainstReference(volume, 7);
}

TEST_CASE("InactiveValuesInterpolateButDoNotGrowTheBox", "[nanovdb]") {
  SparseVolume volume;
  volume.voxels[{4, 4, 4}] = 1;
  volume.voxels[{6, 5, 7}] = 0.5f;
  volume.inactive[{5, 4, 5}] = 2;
  volume.inactive[{4, 5, 8}] = 3;  // on the grown box's face: read by cells inside
  volume.inactive[{0, 0, 0}] = 7;  // outside the box: never seen
  volume.inactive[{9, 9, 9}] = 7;
  CheckAgainstReference(volume, 8, 1, 400);
}

TEST_CASE("TransformsOfAnyKindRenderAsTheReferenceDoes", "[nanovdb]") {
  TestRandom random(9);
  const SparseVolume plain = RandomVolume(random, 150, {-9, -9, -9}, {9, 9, 9});
  for (const hp_affine& map : {hp_affine{{0.01, 0, 0, 0, 0, 0.01, 0, 0, 0, 0, 0.01, 0}},   // small voxels
                               hp_affine{{2, 0, 0, 100, 0, 0.5, 0, -50, 0, 0, 1, 7}},      // not cubes, moved
                               hp_affine{{0, -1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0}},           // turned
                               hp_affine{{1, 0.3, 0, 0, 0, 1, -0.2, 0, 0.4, 0, 1, 0}},     // sheared
                               hp_affine{{-0.7, 0, 0, 3, 0, 0.7, 0, 0, 0, 0, 0.7, 0}}}) {  // mirrored
    SparseVolume volume = plain;
    volume.index_to_world = map;
    CheckAgainstReference(volume, 9, 1 / (std::fabs(map.m[0]) + 0.1), 400);
  }
}

TEST_CASE("RootTilesRenderAsConstants", "[nanovdb]") {
  // Tiles of 4096^3 voxels, cut by the bounding box; the second root tile begins at x = 0.
  const NanoVdbBlob blob = MakeRootTileBlob({{-4096, 0, 0}, {0, 0, 0}}, 0.25f, 0, {-20, 5, 5}, {30, 25, 15});
  const HpField field = MakeField(Context(), blob);
  const hp_plan_desc plan = PlanDesc(nullptr, 0.25);
  // Along x through the middle: 0.25 over [-21, 31].
  CHECK(RenderRay<double>(Context(), plan, InstanceOf(field), {-50, 10, 10}, {1, 0, 0}).opacity[0] ==
        Approx(1 - std::exp(-52 * 0.25)).epsilon(1e-12));
  CHECK(RenderRay<float>(Context(), plan, InstanceOf(field), {10, 10, 0}, {0, 0, 1}, 0, 10).opacity[0] ==
        Approx(1 - std::exp(-6 * 0.25)).epsilon(1e-5));
  CHECK(RenderRay<float>(Context(), plan, InstanceOf(field), {10, 30, 0}, {0, 0, 1}).opacity[0] == 0);
}

TEST_CASE("EvaluatedNanoVdbIsTheReferenceAndZeroOutsideTheBox", "[nanovdb]") {
  TestRandom random(10);
  SparseVolume volume = RandomVolume(random, 200, {-9, -9, -9}, {9, 9, 9});
  volume.background = 0.5f;
  const HpField field = MakeField(Context(), volume);
  const hp_instance instance = InstanceOf(field);
  const ReferenceMedium medium = ReferenceOf(volume);
  hp_plan_desc desc = PlanDesc(nullptr, 1);
  desc.precision = HP_PRECISION_F64;
  const HpPlan plan = MakePlan(Context(), desc);
  std::vector<double> p, d, sigma(500), rgb(1500);
  for (int i = 0; i < 500; ++i) {
    Vec3 at = random.In({-12, -12, -12}, {12, 12, 12});
    if (i % 4 == 0) at = {std::round(at[0]), std::round(at[1]), std::round(at[2])};  // on voxels
    p.insert(p.end(), at.begin(), at.end());
    d.insert(d.end(), {0, 0, 1});
  }
  const hp_tensor tp = TensorOf(p.data(), {500, 3}), td = TensorOf(d.data(), {500, 3}),
                  ts = TensorOf(sigma.data(), {500}), tc = TensorOf(rgb.data(), {500, 3});
  HpCheck(hp_field_evaluate(Context().stream(), plan.get(), &instance, &tp, &td, &ts, &tc, NoWorkspace()));
  for (std::size_t i = 0; i < 500; ++i) {
    bool inside = true;
    const Vec3 at{p[3 * i], p[3 * i + 1], p[3 * i + 2]};
    for (std::size_t c = 0; c < 3; ++c) inside &= medium.lo[c] <= at[c] && at[c] <= medium.hi[c];
    CHECK(sigma[i] == Approx(inside ? medium.sample(at, {0, 0, 1}).sigma : 0).margin(1e-12));
  }
}

TEST_CASE("BlobsThatAreNotFogVolumesAreRefusedByName", "[nanovdb]") {
  const NanoVdbBlob good = MakeNanoVdbBlob(SmallVolume());
  const NanoVdbLayout at = LayoutOf(good);
  REQUIRE(RefusalOf(good) == "");
  hp_nanovdb_desc desc = good.Desc();
  hp_field* field = nullptr;
  desc.blob = nullptr;
  CHECK(hp_field_create_nanovdb(Context().stream(), &desc, &field) == HP_STATUS_INVALID_ARGUMENT);
  CHECK(Says(hp_last_error(), "nanovdb_desc.blob = NULL: required"));
  desc = good.Desc();
  desc.struct_size = 3;
  CHECK(hp_field_create_nanovdb(Context().stream(), &desc, &field) == HP_STATUS_INVALID_ARGUMENT);
  CHECK(Says(hp_last_error(), "nanovdb_desc.struct_size = 3"));
  CHECK(hp_field_create_nanovdb(Context().stream(), nullptr, &field) == HP_STATUS_INVALID_ARGUMENT);
  desc = good.Desc();
  CHECK(hp_field_create_nanovdb(nullptr, &desc, &field) == HP_STATUS_INVALID_ARGUMENT);
  CHECK(hp_field_create_nanovdb(Context().stream(), &desc, nullptr) == HP_STATUS_INVALID_ARGUMENT);
  const NanoVdbBlob moved = CopyBlob(good.data.get(), good.bytes, good.bytes + 64);
  std::memmove(moved.data.get() + 16, moved.data.get(), good.bytes);
  desc.blob = moved.data.get() + 16;
  CHECK(hp_field_create_nanovdb(Context().stream(), &desc, &field) == HP_STATUS_INVALID_ARGUMENT);
  CHECK(Says(hp_last_error(), "must be aligned to 32 bytes"));
  CHECK(field == nullptr);

  CHECK(Says(RefusalOf(With<std::uint64_t>(good, at.magic, 1)), "wrong magic number"));
  CHECK(Says(RefusalOf(With<std::uint32_t>(good, at.version, 31u << 21)), "version 31; this build reads 32"));
  CHECK(Says(RefusalOf(With<std::uint32_t>(good, at.grid_type, 2)), "grid type 2; only float grids"));
  SparseVolume level_set = SmallVolume();
  level_set.level_set = true;
  CHECK(Says(RefusalOf(MakeNanoVdbBlob(level_set)), "a level set; convert it to a fog volume first"));
  CHECK(Says(RefusalOf(With<double>(good, at.matrix, std::nan(""))), "transform is not finite or singular"));
  CHECK(Says(RefusalOf(With<std::uint64_t>(good, at.root_offset, good.bytes)), "root"));
  CHECK(Says(RefusalOf(With<std::uint64_t>(good, at.root_offset, ~0ull)), "root"));
  CHECK(Says(RefusalOf(With<std::uint64_t>(good, at.root_offset, 65)), "root"));  // not aligned
  CHECK(Says(RefusalOf(With<std::uint32_t>(good, at.table_size, 0)), "no active voxels"));
  CHECK(Says(RefusalOf(With<std::int32_t>(good, at.root_bbox, 1 << 20)), "active bounding box axis 0"));
  CHECK(Says(RefusalOf(With<std::int32_t>(good, at.root_bbox, -(1 << 30))), "too far out"));
  CHECK(Says(RefusalOf(With<std::int64_t>(good, at.tile_child, static_cast<std::int64_t>(good.bytes))), "upper node"));
  CHECK(Says(RefusalOf(With<std::int64_t>(good, at.tile_child, -(std::int64_t{1} << 62))), "upper node"));
  CHECK(Says(RefusalOf(With<float>(good, at.background, -1)), "density -1 at voxel"));
  CHECK(Says(RefusalOf(With<float>(good, at.leaf_values + 4 * 17, std::nanf(""))), "density nan at voxel"));
  CHECK(Says(RefusalOf(With<float>(good, at.leaf_values, INFINITY)), "density inf at voxel"));
  CHECK(Says(RefusalOf(MakeRootTileBlob({{0, 0, 0}}, -2, 0, {0, 0, 0}, {9, 9, 9})), "density -2 at voxel (0, 0, 0)"));
}

TEST_CASE("NegativeDensityIsRefusedWithItsVoxel", "[nanovdb]") {
  SparseVolume volume;
  volume.voxels[{-5, 9, 130}] = 1;
  volume.voxels[{-6, 9, 130}] = -0.5f;
  CHECK(Says(RefusalOf(MakeNanoVdbBlob(volume)), "density -0.5 at voxel (-6, 9, 130): must be finite and >= 0"));
}

TEST_CASE("BoundingBoxesTooLargeForTheTableAreRefused", "[nanovdb]") {
  SparseVolume volume;  // two voxels, a corner of the index space apart
  volume.voxels[{0, 0, 0}] = 1;
  volume.voxels[{1 << 22, 1 << 22, 0}] = 1;
  CHECK(Says(RefusalOf(MakeNanoVdbBlob(volume)), "crop the volume"));
  volume.voxels.erase({1 << 22, 1 << 22, 0});
  volume.voxels[{1 << 20, 0, 0}] = 1;  // far, but along one axis only
  CHECK(RefusalOf(MakeNanoVdbBlob(volume)) == "");
}

TEST_CASE("TruncatedBlobsAreRefusedNeverFollowed", "[nanovdb]") {
  const NanoVdbBlob good = MakeNanoVdbBlob(SmallVolume());
  std::vector<std::size_t> lengths;
  for (std::size_t n = 0; n < 1024; n += 4) lengths.push_back(n);
  const NanoVdbLayout at = LayoutOf(good);
  for (std::size_t edge : {at.tree, at.root, at.first_tile, at.upper, at.lower, at.leaf, at.leaf_values, good.bytes}) {
    for (std::size_t below = 1; below <= 64; below += 9) lengths.push_back(edge > below ? edge - below : 0);
    if (edge < good.bytes) lengths.push_back(edge);
  }
  TestRandom random(11);
  for (int i = 0; i < 200; ++i) lengths.push_back(static_cast<std::size_t>(random.Below(static_cast<int>(good.bytes))));
  int made = 0;
  for (std::size_t n : lengths)
    made += Try(CopyBlob(good.data.get(), good.bytes, n)) == Outcome::kMade && n < good.bytes - 64;
  // Each leaf of the blob is needed; only what lies behind the last one may be missing.
  CHECK(made == 0);
}

TEST_CASE("BlobsWithFlippedBitsAreRefusedOrRenderNumbers", "[nanovdb]") {
  const NanoVdbBlob good = MakeNanoVdbBlob(SmallVolume());
  const NanoVdbLayout at = LayoutOf(good);
  std::vector<std::size_t> bits;
  auto every = [&](std::size_t from, std::size_t to, std::size_t step) {
    for (std::size_t bit = 8 * from; bit < 8 * to; bit += step) bits.push_back(bit);
  };
  every(at.magic, at.magic + 24, 5);
  every(at.grid_class, at.grid_class + 8, 1);
  every(at.matrix, at.matrix + 72, 7);
  every(at.tree, at.tree + 64, 3);
  every(at.root, at.upper, 1);  // root and its tiles: all
  TestRandom random(12);
  auto some = [&](std::size_t from, std::size_t to, int count) {
    for (int i = 0; i < count; ++i) bits.push_back(8 * from + random.Bits() % (8 * (to - from)));
  };
  some(at.upper, at.upper + 8192 + 64, 100);  // masks
  some(at.upper, at.lower, 100);
  some(at.lower, at.lower + 1024 + 64, 100);
  some(at.lower, at.leaf, 150);
  some(at.leaf, good.bytes, 100);
  int refused = 0, made = 0;
  for (std::size_t bit : bits) {
    NanoVdbBlob blob = CopyBlob(good.data.get(), good.bytes, good.bytes);
    blob.data.get()[bit / 8] ^= static_cast<unsigned char>(1u << (bit % 8));
    (Try(blob) == Outcome::kMade ? made : refused) += 1;
  }
  CHECK(refused > 100);
  CHECK(made > 100);
}

TEST_CASE("BlobsThatPointIntoThemselvesAreRefusedOrRenderNumbers", "[nanovdb]") {
  // Every offset replaced by ones that lie inside the blob but at the wrong place.
  const NanoVdbBlob good = MakeNanoVdbBlob(SmallVolume());
  const NanoVdbLayout at = LayoutOf(good);
  TestRandom random(13);
  for (int i = 0; i < 60; ++i) {
    const auto target = static_cast<std::int64_t>(32 * random.Below(static_cast<int>(good.bytes / 32)));
    Try(With<std::int64_t>(good, at.tile_child, target - static_cast<std::int64_t>(at.root)));
    Try(With<std::int64_t>(good, at.root_offset, target));
    // The first child of the first upper and lower node: search the tables for entries that are offsets.
    for (std::size_t node : {at.upper, at.lower}) {
      for (std::size_t entry = node; entry + 8 <= (node == at.upper ? at.lower : at.leaf); entry += 8) {
        std::int64_t offset;
        std::memcpy(&offset, good.data.get() + entry, 8);
        const std::size_t child = node == at.upper ? at.lower : at.leaf;
        if (offset == static_cast<std::int64_t>(child - node)) {
          Try(With<std::int64_t>(good, entry, target - static_cast<std::int64_t>(node)));
          break;
        }
      }
    }
  }
}

TEST_CASE("ConstantRegionsShareTheirStorage", "[nanovdb]") {
  const HpField field = MakeField(Context(), MakeRootTileBlob({{0, 0, 0}}, 0.5f, 0, {0, 0, 0}, {127, 127, 120}));
  hp_field_info info = {};
  HP_INIT(info);
  HpCheck(hp_field_get_info(field.get(), &info));
  CHECK(info.device_bytes < 10e6);
}

TEST_CASE("BlobsThatUseALeafMoreThanOnceAreRefused", "[nanovdb]") {
  SparseVolume volume;
  volume.voxels[{1, 1, 1}] = 1;
  volume.voxels[{120, 120, 120}] = 1;
  CHECK(RefusalOf(WithEveryBlockTheFirstLeaf(MakeNanoVdbBlob(volume))) != "");
}

}  // namespace dvren::test
