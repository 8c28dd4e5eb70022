#include "conformance/field_examples.h"

#include <memory>

#include "support/hp_reference.h"
#if defined(DVREN_TEST_WITH_NANOVDB)
#include "support/hp_nanovdb.h"
#endif

namespace dvren::test {
namespace {

const double kKnots[] = {0.1, 0.4, 1.0, 2.5};
const double kKnotRgb[] = {0, 0, 0, 1, 0.25, 0, 0, 1, 0.5, 0.5, 0.5, 2};

const hp_affine kTurned = {{0.6, -0.8, 0, 1, 0.8, 0.6, 0, -2, 0, 0, 1.25, 0.5}};

// Fills in where a field lies, from what the library tells about it.
FieldExample Located(FieldExample example) {
  const HpContext context(HP_ISA_SCALAR, 1);
  const HpField field = example.make(context);
  hp_field_info info = {};
  HP_INIT(info);
  HpCheck(hp_field_get_info(field.get(), &info));
  const Vec3 lo{info.box_min[0], info.box_min[1], info.box_min[2]},
      hi{info.box_max[0], info.box_max[1], info.box_max[2]};
  auto to_world = [&](const Vec3& p) { return Apply(example.look.object_to_world, Apply(info.local_to_world, p)); };
  example.centre = to_world(0.5 * (lo + hi));
  example.radius = 0;
  for (int corner = 0; corner < 8; ++corner) {
    const Vec3 p{corner & 1 ? hi[0] : lo[0], corner & 2 ? hi[1] : lo[1], corner & 4 ? hi[2] : lo[2]};
    const Vec3 out = to_world(p) - example.centre;
    example.radius = std::max(example.radius, std::sqrt(Dot(out, out)));
  }
  example.voxel = info.min_voxel_world;
  example.unbounded = info.unbounded != 0;
  return example;
}

FieldExample Dense(const std::string& name, std::uint64_t seed, std::array<std::int64_t, 3> size, std::int64_t channels,
                   bool half, hp_interp interp, hp_border border, bool transfer, const hp_affine& placement,
                   hp_activation activation = HP_ACTIVATION_IDENTITY) {
  TestRandom random(seed);
  auto grid = std::make_shared<DenseGrid>();
  grid->nz = size[0], grid->ny = size[1], grid->nx = size[2], grid->channels = channels;
  for (std::int64_t i = 0; i < size[0] * size[1] * size[2]; ++i) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const double v = c + 1 < channels                       ? random.Uniform(-0.7, 1)
                       : activation != HP_ACTIVATION_IDENTITY ? random.Uniform(-3, 1.5)
                       : random.Below(3)                      ? random.Uniform(0, 4)
                                                              : 0;
      if (half) {
        grid->halves.push_back(NearestHalf(v));
      } else {
        grid->values.push_back(static_cast<float>(v));
      }
    }
  }
  grid->box_min = {-0.4, -1, 0.1};
  grid->box_max = {0.9, 0.7, 1.3};
  grid->interp = interp;
  grid->border = border;
  grid->activation = activation;
  FieldExample example;
  example.name = "dense_grid: " + name;
  for (std::uint16_t h : grid->halves) example.values.push_back(static_cast<float>(HalfValue(h)));
  if (!half) example.values = grid->values;
  example.with_values = [grid](const HpContext& context, const std::vector<float>& values) {
    DenseGrid other = *grid;
    other.halves.clear();
    other.values = values;
    return MakeField(context, other);
  };
  example.channels = static_cast<int>(channels);
  example.nonnegative = activation == HP_ACTIVATION_IDENTITY;
  example.nearest = interp == HP_INTERP_NEAREST;
  example.size = {grid->nx, grid->ny, grid->nz};
  example.make = [grid](const HpContext& context) { return MakeField(context, *grid); };
  example.look = InstanceOf(static_cast<const hp_field*>(nullptr));
  example.look.object_to_world = placement;
  example.look.sigma_scale = 0.8;
  example.look.color[1] = 0.35;
  if (transfer) {
    example.look.knot_count = 4;
    example.look.knot_density = kKnots;
    example.look.knot_rgb = kKnotRgb;
  }
  return Located(example);
}

std::vector<FieldExample> Examples_dense_grid() {
  const hp_affine still = Identity();
  const auto linear = HP_INTERP_LINEAR, nearest = HP_INTERP_NEAREST;
  const auto zero = HP_BORDER_ZERO, clamp = HP_BORDER_CLAMP;
  return {
      Dense("sigma", 1, {9, 12, 11}, 1, false, linear, zero, false, still),
      Dense("sigma, f16, transfer function, turned", 2, {7, 5, 17}, 1, true, linear, zero, true, kTurned),
      Dense("sigma, nearest, clamped", 3, {5, 6, 7}, 1, false, nearest, clamp, false, still),
      Dense("one voxel, transfer function", 4, {1, 1, 1}, 1, false, linear, zero, true, still),
      Dense("rgb and sigma", 5, {8, 9, 10}, 4, false, linear, zero, false, kTurned),
      Dense("rgb and sigma, f16, nearest", 6, {6, 8, 5}, 4, true, nearest, zero, false, still),
      Dense("rgb and sigma, clamped", 7, {3, 1, 6}, 4, false, linear, clamp, false, kTurned),
      Dense("harmonics of degree 1", 8, {5, 4, 6}, 13, false, linear, zero, false, kTurned),
      Dense("harmonics of degree 2, f16", 9, {4, 5, 3}, 28, true, linear, zero, false, still),
      Dense("harmonics of degree 3", 10, {4, 3, 5}, 49, false, linear, zero, false, still),
      Dense("harmonics of degree 3, f16, nearest, clamped", 11, {3, 3, 2}, 49, true, nearest, clamp, false, kTurned),
      Dense("sigma, softplus, transfer function", 12, {6, 9, 7}, 1, false, linear, zero, true, kTurned,
            HP_ACTIVATION_SOFTPLUS),
      Dense("rgb and sigma, exp, clamped", 13, {5, 7, 6}, 4, false, linear, clamp, false, still, HP_ACTIVATION_EXP),
      Dense("rgb and sigma, f16, trunc_exp", 14, {7, 6, 8}, 4, true, linear, zero, false, kTurned,
            HP_ACTIVATION_TRUNC_EXP),
      Dense("harmonics of degree 1, softplus, nearest", 15, {6, 5, 6}, 13, false, nearest, zero, false, still,
            HP_ACTIVATION_SOFTPLUS),
  };
}

// The same grids with cells left out: whole blocks, and single ones among the rest.
FieldExample Masked(FieldExample example, std::uint64_t seed) {
  TestRandom random(seed);
  auto cells = std::make_shared<std::vector<std::uint8_t>>();
  const auto size = example.size;
  std::vector<bool> blocks;
  for (int i = 0; i < 64; ++i) blocks.push_back(random.Below(5) > 1);
  for (std::int64_t z = 0; z < size[2]; ++z) {
    for (std::int64_t y = 0; y < size[1]; ++y) {
      for (std::int64_t x = 0; x < size[0]; ++x) {
        const bool block = blocks[static_cast<std::size_t>((z / 8 % 4 * 4 + y / 8 % 4) * 4 + x / 8 % 4)];
        cells->push_back(block && random.Below(4) > 0 ? 1 : 0);
      }
    }
  }
  auto mask = [cells, size](const HpContext& context, HpField field) {
    hp_mask_desc desc = {};
    HP_INIT(desc);
    desc.cells = TensorOf(cells->data(), {size[2], size[1], size[0]});
    desc.seen_weight = 1e-3;
    HpCheck(hp_field_set_mask(context.stream(), field.get(), &desc));
    return field;
  };
  example.name.replace(0, std::string("dense_grid").size(), "dense_grid_masked");
  example.make = [mask, make = example.make](const HpContext& context) { return mask(context, make(context)); };
  example.with_values = [mask, make = example.with_values](const HpContext& context, const std::vector<float>& values) {
    return mask(context, make(context, values));
  };
  return example;
}

std::vector<FieldExample> Examples_dense_grid_masked() {
  const hp_affine still = Identity();
  const auto linear = HP_INTERP_LINEAR;
  const auto zero = HP_BORDER_ZERO, clamp = HP_BORDER_CLAMP;
  return {
      Masked(Dense("rgb and sigma", 21, {19, 12, 17}, 4, false, linear, zero, false, kTurned), 1),
      Masked(Dense("sigma, f16, clamped, transfer function", 22, {9, 17, 10}, 1, true, linear, clamp, true, still), 2),
      Masked(Dense("harmonics of degree 1, softplus", 23, {10, 9, 12}, 13, false, linear, zero, false, still,
                   HP_ACTIVATION_SOFTPLUS),
             3),
  };
}

#if defined(DVREN_TEST_WITH_NANOVDB)
FieldExample Sparse(const std::string& name, const SparseVolume& volume, double scale, bool transfer,
                    const hp_affine& placement) {
  const NanoVdbBlob blob = MakeNanoVdbBlob(volume);
  FieldExample example;
  example.name = "nanovdb: " + name;
  example.make = [blob](const HpContext& context) { return MakeField(context, blob); };
  example.values = LeafValues(blob);
  example.with_values = [blob](const HpContext& context, const std::vector<float>& values) {
    return MakeField(context, WithLeafValues(blob, values));
  };
  example.look = InstanceOf(static_cast<const hp_field*>(nullptr));
  example.look.object_to_world = placement;
  example.look.sigma_scale = scale;
  example.look.color[0] = 0.9;
  if (transfer) {
    example.look.knot_count = 4;
    example.look.knot_density = kKnots;
    example.look.knot_rgb = kKnotRgb;
  }
  return Located(example);
}

std::vector<FieldExample> Examples_nanovdb() {
  TestRandom random(30);
  SparseVolume cloud;  // dense in the middle
  for (int n = 0; n < 3000; ++n) {
    Index3 p;
    for (auto& x : p) x = random.Below(9) + random.Below(9) + random.Below(9) - 12;
    cloud.voxels[p] = static_cast<float>(random.Uniform(0, 1.5));
  }
  SparseVolume sparse;  // a few voxels far apart, on the bounds of blocks and nodes
  for (int n = 0; n < 60; ++n) {
    const int edges[] = {-130, -128, -64, -8, -1, 0, 7, 8, 63, 127, 128, 131};
    sparse.voxels[{edges[random.Below(12)], edges[random.Below(12)], edges[random.Below(12)]}] =
        static_cast<float>(random.Uniform(1, 9));
  }
  sparse.boxes.push_back({{16, 16, 16}, {31, 23, 23}, 0.3f});
  sparse.index_to_world = {{0.5, 0, 0, 3, 0, 0.25, 0, -1, 0, 0.02, 0.4, 2}};
  SparseVolume compact;  // leaves with holes, a tile between them, and values that are stored but not active
  for (int n = 0; n < 500; ++n) {
    compact.voxels[{1 + random.Below(24), 1 + random.Below(20), 1 + random.Below(8)}] =
        static_cast<float>(random.Uniform(0.2, 3));
  }
  compact.boxes.push_back({{8, 8, 8}, {15, 15, 15}, 0.7f});
  compact.inactive[{3, 3, 3}] = 0.5f;
  compact.index_to_world = {{0.5, 0, 0, 3, 0, 0.25, 0, -1, 0, 0.02, 0.4, 2}};
  SparseVolume foggy = cloud;  // nothing is empty
  foggy.background = 0.0625f;
  SparseVolume distant;  // nodes that are empty as a whole lie between
  distant.voxels[{-700, 3, 5}] = 50;
  distant.voxels[{900, -2, 4}] = 40;
  distant.boxes.push_back({{0, 0, 0}, {7, 7, 7}, 1.0f});
  return {
      Sparse("cloud", cloud, 0.3, false, Identity()),
      Sparse("sparse, transfer function", sparse, 1, true, Identity()),
      Sparse("leaves and a tile, transfer function", compact, 0.7, true, Identity()),
      Sparse("background, turned", foggy, 0.5, true, kTurned),
      Sparse("far apart", distant, 1, false, Identity()),
  };
}
#else
std::vector<FieldExample> Examples_nanovdb() {
  return {};
}
#endif

}  // namespace

std::vector<FieldExample> FieldExamples() {
  std::vector<FieldExample> all;
  auto append = [&](std::vector<FieldExample> some) { all.insert(all.end(), some.begin(), some.end()); };
#define HP_FIELD(index, name) append(Examples_##name());
#include "hotpath_fields.inc"
#undef HP_FIELD
  return all;
}

std::vector<SamplerExample> Samplers() {
  return {
#define HP_SAMPLER(index, name) {#name, static_cast<hp_sampling>(HP_SAMPLING_FIXED + index)},
#include "hotpath_samplers.inc"
#undef HP_SAMPLER
  };
}

}  // namespace dvren::test
