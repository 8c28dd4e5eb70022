// Values that change in place: optimizers over fields against the same over arrays, smoothing, masks, moments.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "support/hp_fixture.h"
#include "support/hp_gradients.h"
#include "support/hp_reference.h"

namespace dvren::test {
namespace {

const HpContext& Context() {
  static const HpContext context(HP_ISA_AUTO, 1);
  return context;
}

// ---- what a field holds ---------------------------------------------------------------------------------------------

// Multiples of 2^-10, so that differences of them are exact in f32.
DenseGrid RandomGrid(std::int64_t nx, std::int64_t ny, std::int64_t nz, std::int64_t channels, std::uint64_t seed) {
  DenseGrid grid;
  grid.nz = nz;
  grid.ny = ny;
  grid.nx = nx;
  grid.channels = channels;
  grid.activation = HP_ACTIVATION_SOFTPLUS;
  TestRandom random(seed);
  for (std::int64_t i = 0; i < nx * ny * nz * channels; ++i) {
    grid.values.push_back(static_cast<float>((random.Below(2048) - 1024) * 0x1p-10));
  }
  return grid;
}

std::vector<float> ReadValues(const HpContext& context, const HpField& field, const DenseGrid& grid) {
  std::vector<float> values(grid.values.size(), std::numeric_limits<float>::quiet_NaN());
  const hp_tensor t = TensorOf(values.data(), {grid.nz, grid.ny, grid.nx, grid.channels});
  HpCheck(hp_field_read_values(context.stream(), field.get(), &t));
  return values;
}

class HpMoments {
 public:
  HpMoments(const HpContext& context, const HpField& field, hp_update_rule rule) : stream_(context.stream()) {
    HpCheck(hp_moments_create(stream_, field.get(), rule, &moments_));
  }
  ~HpMoments() { hp_moments_destroy(moments_); }
  HpMoments(const HpMoments&) = delete;
  HpMoments& operator=(const HpMoments&) = delete;
  [[nodiscard]] hp_moments* get() const { return moments_; }
  [[nodiscard]] hp_moments_info Info() const {
    hp_moments_info info = {};
    HP_INIT(info);
    HpCheck(hp_moments_get_info(moments_, &info));
    return info;
  }
  struct Stored {
    std::vector<std::int64_t> blocks;
    std::vector<float> values;
    bool operator==(const Stored& other) const {
      return blocks == other.blocks && values.size() == other.values.size() &&
             std::memcmp(values.data(), other.values.data(), values.size() * sizeof(float)) == 0;
    }
  };
  [[nodiscard]] Stored Read() const {
    const hp_moments_info info = Info();
    Stored stored;
    stored.blocks.assign(static_cast<std::size_t>(info.block_count), -1);
    stored.values.assign(static_cast<std::size_t>(info.block_count * info.block_values), -1);
    const hp_tensor blocks = TensorOf(stored.blocks.data(), {info.block_count});
    const hp_tensor values = TensorOf(stored.values.data(), {info.block_count, info.block_values});
    HpCheck(hp_moments_read(stream_, moments_, &blocks, &values));
    return stored;
  }
  hp_status Write(const Stored& stored) {
    const auto count = static_cast<std::int64_t>(stored.blocks.size());
    const hp_tensor blocks = TensorOf(stored.blocks.data(), {count});
    const hp_tensor values = TensorOf(stored.values.data(), {count, Info().block_values});
    return hp_moments_write(stream_, moments_, &blocks, &values);
  }

 private:
  hp_stream* stream_;
  hp_moments* moments_ = nullptr;
};

hp_update_desc UpdateOf(hp_update_rule rule, std::int64_t step = 1) {
  hp_update_desc update = {};
  HP_INIT(update);
  update.rule = rule;
  update.step = step;
  update.beta1 = 0.9;
  update.beta2 = 0.99;
  update.epsilon = 1e-8;
  for (int c = 0; c < HP_MAX_CHANNELS; ++c) update.rates[c] = 0.01 * (1 + c % 5);
  return update;
}

std::int64_t Update(const HpContext& context, const HpField& field, const HpGradient& gradient,
                    const HpMoments& moments, const hp_update_desc& update) {
  std::int64_t changed = -1;
  HpCheck(hp_update_field(context.stream(), field.get(), gradient.get(), moments.get(), &update, &changed));
  return changed;
}

// ---- gradients ------------------------------------------------------------------------------------------------------

// A camera that sees all of the unit box, or a corner of it.
enum class Sees { kAll, kCorner };
hp_camera CameraOf(Sees sees) {
  return sees == Sees::kAll ? PinholeCamera(24, 20, 22, LookAt({0.4, 0.55, -1.2}, {0.5, 0.5, 0.5}))
                            : PinholeCamera(12, 10, 60, LookAt({1.6, -0.3, -1.2}, {0.8, 0.3, 0.2}));
}

// The gradient of an image through `camera`, for a random dL/d(image) of that seed.
std::unique_ptr<HpGradient> GradientOf(const HpContext& context, const HpField& field, Sees sees, std::uint64_t seed,
                                       std::int32_t exponent = kFineExponent) {
  const hp_camera camera = CameraOf(sees);
  const HpPlan plan = MakePlan(context, PlanDesc(&camera, 0.04));
  const hp_roi roi = {0, 0, camera.width, camera.height};
  const hp_instance instance = InstanceOf(field);
  HpImage<float> forward = RenderFused<float>(context, plan, instance, roi);
  auto gradient = std::make_unique<HpGradient>(context, field, exponent);
  HpSums sums;
  HpCounters counters{};
  AddBackwardFused(context, plan, instance, roi, forward,
                   HpAdjoint<float>::Random(camera.height, camera.width, kOfRgb | kOfTransmittance, seed), 0,
                   gradient->get(), sums, counters);
  return gradient;
}

// Whether each voxel has a gradient that is not all zero.
std::vector<bool> Alive(const std::vector<double>& gradient, std::int64_t channels) {
  std::vector<bool> alive(gradient.size() / static_cast<std::size_t>(channels), false);
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    if (gradient[i] != 0) alive[i / static_cast<std::size_t>(channels)] = true;
  }
  return alive;
}
std::int64_t Count(const std::vector<bool>& v) {
  return std::count(v.begin(), v.end(), true);
}

// The numbers of one voxel among moments as read; zero where its block has none.
std::vector<float> MomentsAt(const HpMoments::Stored& stored, const DenseGrid& grid, std::int64_t x, std::int64_t y,
                             std::int64_t z, int moments) {
  const std::int64_t stride = grid.channels == 1 ? 1 : (grid.channels + 3) / 4 * 4;
  const std::int64_t block = ((z / 8) * ((grid.ny + 7) / 8) + y / 8) * ((grid.nx + 7) / 8) + x / 8;
  std::vector<float> out(static_cast<std::size_t>(grid.channels * moments), 0.0f);
  const auto found = std::find(stored.blocks.begin(), stored.blocks.end(), block);
  if (found == stored.blocks.end()) return out;
  const std::int64_t first = (found - stored.blocks.begin()) * moments * 512 * stride;
  for (int m = 0; m < moments; ++m) {
    for (std::int64_t c = 0; c < grid.channels; ++c) {
      out[static_cast<std::size_t>(m * grid.channels + c)] = stored.values[static_cast<std::size_t>(
          first + m * 512 * stride + ((z % 8 * 8 + y % 8) * 8 + x % 8) * stride + c)];
    }
  }
  return out;
}

constexpr hp_update_rule kRules[] = {HP_UPDATE_SGD, HP_UPDATE_ADAM, HP_UPDATE_RMSPROP};

int MomentsOf(hp_update_rule rule) {
  return rule == HP_UPDATE_SGD ? 1 : 2;
}

}  // namespace

TEST_CASE("A field steps as an array of its values does", "[training]") {
  constexpr int kSteps = 4;
  for (hp_update_rule rule : kRules) {
    for (std::int64_t channels : {1, 4, 13}) {
      for (int variant = 0; variant < 2; ++variant) {
        const DenseGrid grid = RandomGrid(11, 9, 10, channels, 5);
        const HpField field = MakeField(Context(), grid);
        const HpMoments moments(Context(), field, rule);
        std::vector<double> wanted(grid.values.begin(), grid.values.end()), kept(2 * wanted.size(), 0.0),
            moved = wanted;
        for (double& m : moved) m = 0;
        double worst = 0;
        std::int64_t reached = 0;
        for (int step = 1; step <= kSteps; ++step) {
          const auto gradient = GradientOf(Context(), field, Sees::kAll, static_cast<std::uint64_t>(step));
          const std::vector<double> slopes = gradient->Read();
          const std::vector<bool> alive = Alive(slopes, channels);
          hp_update_desc update = UpdateOf(rule, step);
          update.sparse = 1;
          update.weight_decay = variant * 0.02;
          // Decay and gradient may cancel: what is left of them in f32 must not be blown up to a whole step.
          if (variant == 1) update.epsilon = 0.01;
          if (rule != HP_UPDATE_ADAM) update.momentum = 0.7 * variant;
          if (rule == HP_UPDATE_SGD) update.nesterov = variant;
          if (rule == HP_UPDATE_ADAM) update.decoupled = variant;
          CHECK(Update(Context(), field, *gradient, moments, update) == Count(alive));
          reached = Count(alive);
          for (std::size_t i = 0; i < wanted.size(); ++i) {
            const std::size_t c = i % static_cast<std::size_t>(channels);
            if (!alive[i / static_cast<std::size_t>(channels)]) continue;
            hp_update_desc one = update;
            one.rates[0] = update.rates[c];
            const double before = wanted[i];
            HpCheck(hp_update_array(Context().stream(), &one, 1, &wanted[i], &slopes[i], &kept[2 * i]));
            // Terms that cancel in a step leave their rounding: a step is of the size of the rate times what its
            // direction is made of.
            moved[i] +=
                std::abs(wanted[i] - before) + update.rates[c] * (rule == HP_UPDATE_SGD ? std::abs(slopes[i]) : 1);
          }
          const std::vector<float> values = ReadValues(Context(), field, grid);
          for (std::size_t i = 0; i < wanted.size(); ++i) {
            worst = std::max(worst, std::abs(values[i] - wanted[i]) / (std::abs(grid.values[i]) + moved[i] + 1e-12));
          }
        }
        CAPTURE(static_cast<int>(rule), channels, variant, reached);
        CHECK(reached > 500);
        CHECK(worst < 1e-6);
      }
    }
  }
}

TEST_CASE("A sparse step leaves voxels without a gradient alone, and their moments", "[training]") {
  for (hp_update_rule rule : kRules) {
    for (std::int64_t channels : {1, 4, 13}) {
      const DenseGrid grid = RandomGrid(11, 9, 10, channels, 6);
      const HpField field = MakeField(Context(), grid);
      const HpMoments moments(Context(), field, rule);
      hp_update_desc update = UpdateOf(rule);
      update.sparse = 1;
      update.weight_decay = 0.01;
      Update(Context(), field, *GradientOf(Context(), field, Sees::kAll, 1), moments, update);
      const std::vector<float> before = ReadValues(Context(), field, grid);
      const HpMoments::Stored kept = moments.Read();
      const auto gradient = GradientOf(Context(), field, Sees::kCorner, 2);
      const std::vector<bool> alive = Alive(gradient->Read(), channels);
      CAPTURE(static_cast<int>(rule), channels, Count(alive));
      REQUIRE(Count(alive) > 20);
      REQUIRE(Count(alive) < 600);
      update.step = 2;
      CHECK(Update(Context(), field, *gradient, moments, update) == Count(alive));
      const std::vector<float> after = ReadValues(Context(), field, grid);
      const HpMoments::Stored now = moments.Read();
      int changed = 0, moments_changed = 0, stuck = 0;
      for (std::int64_t v = 0; v < grid.nx * grid.ny * grid.nz; ++v) {
        const std::size_t first = static_cast<std::size_t>(v * channels),
                          bytes = static_cast<std::size_t>(channels) * 4;
        const bool same = std::memcmp(&before[first], &after[first], bytes) == 0;
        const std::int64_t x = v % grid.nx, y = v / grid.nx % grid.ny, z = v / (grid.nx * grid.ny);
        const bool same_moments =
            MomentsAt(kept, grid, x, y, z, MomentsOf(rule)) == MomentsAt(now, grid, x, y, z, MomentsOf(rule));
        if (alive[static_cast<std::size_t>(v)]) {
          stuck += same ? 1 : 0;
        } else {
          changed += same ? 0 : 1;
          moments_changed += same_moments ? 0 : 1;
        }
      }
      CHECK(changed == 0);
      CHECK(moments_changed == 0);
      CHECK(stuck == 0);
    }
  }
}

TEST_CASE("A step that is not sparse moves voxels that have moments, gradient or not", "[training]") {
  const DenseGrid grid = RandomGrid(11, 9, 10, 4, 7);
  const HpField field = MakeField(Context(), grid);
  const HpMoments moments(Context(), field, HP_UPDATE_ADAM);
  hp_update_desc update = UpdateOf(HP_UPDATE_ADAM);
  const auto first = GradientOf(Context(), field, Sees::kAll, 1);
  const std::vector<double> slopes = first->Read();
  Update(Context(), field, *first, moments, update);
  const std::vector<float> before = ReadValues(Context(), field, grid);
  const HpGradient none(Context(), field);
  update.step = 2;
  Update(Context(), field, none, moments, update);
  const std::vector<float> after = ReadValues(Context(), field, grid);
  double worst = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    double value = before[i], moment[2] = {0.1 * slopes[i], 0.01 * slopes[i] * slopes[i]};
    const double zero = 0;
    hp_update_desc one = update;
    one.rates[0] = update.rates[i % 4];
    HpCheck(hp_update_array(Context().stream(), &one, 1, &value, &zero, moment));
    if (slopes[i] != 0) CHECK(after[i] != before[i]);
    worst = std::max(worst, std::abs(after[i] - value));
  }
  CHECK(worst < 1e-6);
}

TEST_CASE("Every channel has a rate of its own", "[training]") {
  const DenseGrid grid = RandomGrid(9, 8, 7, 13, 8);
  const HpField field = MakeField(Context(), grid);
  const HpMoments moments(Context(), field, HP_UPDATE_SGD);
  hp_update_desc update = UpdateOf(HP_UPDATE_SGD);
  for (int c = 0; c < HP_MAX_CHANNELS; ++c) update.rates[c] = c == 3 ? 0 : 0x1p-7 * (c + 1);
  const auto gradient = GradientOf(Context(), field, Sees::kAll, 3);
  const std::vector<double> slopes = gradient->Read();
  Update(Context(), field, *gradient, moments, update);
  const std::vector<float> values = ReadValues(Context(), field, grid);
  double worst = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double wanted = grid.values[i] - update.rates[i % 13] * slopes[i];
    worst = std::max(worst, std::abs(values[i] - wanted) / (1 + std::abs(wanted)));
    if (i % 13 == 3) CHECK(values[i] == grid.values[i]);
  }
  CHECK(worst < 1e-6);
}

TEST_CASE("Steps are the same bits in every instruction set and for any number of threads", "[training]") {
  for (hp_update_rule rule : kRules) {
    for (std::int64_t channels : {1, 4, 13, 28}) {
      std::vector<float> first_values;
      HpMoments::Stored first_moments;
      for (hp_isa isa : AvailableIsas()) {
        for (int threads : {1, 2, 3, 8}) {
          const HpContext context(isa, threads);
          const DenseGrid grid = RandomGrid(19, 9, 10, channels, 9);
          const HpField field = MakeField(context, grid);
          const HpMoments moments(context, field, rule);
          const std::vector<double> weights(static_cast<std::size_t>(channels), 1e-3);
          for (int step = 1; step <= 3; ++step) {
            hp_update_desc update = UpdateOf(rule, step);
            update.sparse = step != 3;
            update.weight_decay = 0.01;
            if (rule != HP_UPDATE_ADAM) update.momentum = 0.5;
            const auto gradient = GradientOf(context, field, step == 2 ? Sees::kCorner : Sees::kAll, 1);
            HpCheck(hp_smooth_gradient(context.stream(), field.get(), gradient->get(), weights.data()));
            Update(context, field, *gradient, moments, update);
          }
          const std::vector<float> values = ReadValues(context, field, grid);
          if (first_values.empty()) {
            first_values = values;
            first_moments = moments.Read();
          }
          CAPTURE(static_cast<int>(rule), channels, context.name());
          CHECK(FirstDifference("values", first_values, values).empty());
          CHECK(moments.Read() == first_moments);
        }
      }
    }
  }
}

TEST_CASE("A gradient that has overflowed changes nothing", "[training]") {
  const DenseGrid grid = RandomGrid(11, 9, 10, 4, 10);
  const HpField field = MakeField(Context(), grid);
  const HpMoments moments(Context(), field, HP_UPDATE_ADAM);
  const auto gradient = GradientOf(Context(), field, Sees::kAll, 1, HP_MIN_GRADIENT_EXPONENT);
  REQUIRE(gradient->Info().overflowed == 1);
  hp_update_desc update = UpdateOf(HP_UPDATE_ADAM);
  std::int64_t changed = -7;
  const hp_status status =
      hp_update_field(Context().stream(), field.get(), gradient->get(), moments.get(), &update, &changed);
  CHECK(status == HP_STATUS_OVERFLOW);
  CHECK(std::string(hp_last_error()).find("2^-100") != std::string::npos);
  CHECK(changed == -7);
  CHECK(FirstDifference("values", grid.values, ReadValues(Context(), field, grid)).empty());
  CHECK(moments.Info().block_count == 0);
}

TEST_CASE("Smoothing adds each voxel's slope of the total variation where there is a gradient", "[training]") {
  for (std::int64_t channels : {1, 4, 13}) {
    const DenseGrid grid = RandomGrid(13, 9, 11, channels, 12);
    const HpField field = MakeField(Context(), grid);
    std::vector<double> weights;
    for (std::int64_t c = 0; c < channels; ++c) weights.push_back(c == 2 ? 0 : 0.01 * static_cast<double>(c + 1));
    for (Sees sees : {Sees::kAll, Sees::kCorner}) {
      const auto gradient = GradientOf(Context(), field, sees, 4);
      const std::vector<double> before = gradient->Read();
      const std::vector<bool> alive = Alive(before, channels);
      HpCheck(hp_smooth_gradient(Context().stream(), field.get(), gradient->get(), weights.data()));
      const std::vector<double> after = gradient->Read();
      // Blocks that rays touched: those with a voxel, not on a lower face, that has a gradient. (Others are left out.)
      std::set<std::int64_t> touched;
      const auto block_of = [&](std::int64_t x, std::int64_t y, std::int64_t z) {
        return (z / 8 * 16 + y / 8) * 16 + x / 8;
      };
      const auto value = [&](std::int64_t x, std::int64_t y, std::int64_t z, std::int64_t c) {
        return static_cast<double>(
            grid.values[static_cast<std::size_t>(((z * grid.ny + y) * grid.nx + x) * channels + c)]);
      };
      std::size_t v = 0;
      for (std::int64_t z = 0; z < grid.nz; ++z) {
        for (std::int64_t y = 0; y < grid.ny; ++y) {
          for (std::int64_t x = 0; x < grid.nx; ++x, ++v) {
            if (x % 8 && y % 8 && z % 8 && alive[v]) touched.insert(block_of(x, y, z));
          }
        }
      }
      double worst = 0;
      int smoothed = 0, left_out = 0, unclear = 0;
      v = 0;
      for (std::int64_t z = 0; z < grid.nz; ++z) {
        for (std::int64_t y = 0; y < grid.ny; ++y) {
          for (std::int64_t x = 0; x < grid.nx; ++x, ++v) {
            bool moved = false;
            for (std::int64_t c = 0; c < channels; ++c) {
              double slope = 0;
              const double here = value(x, y, z, c);
              if (x > 0) slope += here - value(x - 1, y, z, c);
              if (y > 0) slope += here - value(x, y - 1, z, c);
              if (z > 0) slope += here - value(x, y, z - 1, c);
              if (x + 1 < grid.nx) slope += here - value(x + 1, y, z, c);
              if (y + 1 < grid.ny) slope += here - value(x, y + 1, z, c);
              if (z + 1 < grid.nz) slope += here - value(x, y, z + 1, c);
              const std::size_t i = v * static_cast<std::size_t>(channels) + static_cast<std::size_t>(c);
              const double added = after[i] - before[i], term = weights[static_cast<std::size_t>(c)] * slope;
              if (!alive[v]) {
                if (added != 0) moved = true;
                continue;
              }
              if (touched.count(block_of(x, y, z)) == 0) {  // its block's own cells may or may not have been touched
                ++unclear;
                continue;
              }
              worst = std::max(worst, std::abs(added - term));
              ++smoothed;
            }
            left_out += moved ? 1 : 0;
          }
        }
      }
      CAPTURE(channels, sees == Sees::kAll, smoothed, unclear);
      CHECK(smoothed > (sees == Sees::kAll ? 1000 : 20) * channels);
      CHECK(unclear < smoothed);
      CHECK(left_out == 0);
      CHECK(worst <= std::ldexp(1.0, kFineExponent));
    }
  }
}

TEST_CASE("Smoothing leaves out voxels of a block whose own cells no ray has touched", "[training]") {
  // One block in y and z, two in x; rays through the first block's last cells reach voxel 8, the second block's.
  DenseGrid grid = RandomGrid(16, 8, 8, 1, 13);
  grid.box_max = {16, 8, 8};
  const HpField field = MakeField(Context(), grid);
  HpRays<float> rays;
  for (int i = 0; i < 6; ++i) rays.Add({8.1, 1.2 + i, -1}, {0, 0, 1});
  const HpPlan plan = MakePlan(Context(), PlanDesc(nullptr, 0.5));
  const hp_instance instance = InstanceOf(field);
  const HpImage<float> forward = RenderRays<float>(Context(), plan, instance, rays);
  const HpGradient gradient(Context(), field);
  const hp_rays_t given = rays.View();
  const hp_img_t made = const_cast<HpImage<float>&>(forward).View();
  hp_grads_t g = NoGradients();
  const HpAdjoint<float> adjoint(1, 6, kOfOpacity, 1);
  adjoint.Fill(g);
  g.values = gradient.get();
  HpCheck(hp_samp_int_fused_backward(Context().stream(), plan.get(), &instance, 1, &given, hp_roi{}, &made, &g,
                                     NoTensor(), NoWorkspace()));
  const std::vector<double> before = gradient.Read();
  const double weight = 0.25;
  HpCheck(hp_smooth_gradient(Context().stream(), field.get(), gradient.get(), &weight));
  const std::vector<double> after = gradient.Read();
  int smoothed = 0, reached = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    const std::size_t x = i % 16;
    if (x != 7 && x != 8) CHECK(before[i] == 0);
    if (x == 7 && before[i] != 0) smoothed += after[i] != before[i];
    if (x == 8 && before[i] != 0) ++reached;
    if (x != 7) CHECK(after[i] == before[i]);
  }
  CHECK(reached > 40);
  CHECK(smoothed > 40);
}

// ---- moments --------------------------------------------------------------------------------------------------------

TEST_CASE("Moments that were read go on elsewhere as if nothing had happened", "[training]") {
  for (hp_update_rule rule : kRules) {
    const DenseGrid grid = RandomGrid(19, 9, 10, 4, 14);
    const HpField field = MakeField(Context(), grid), other = MakeField(Context(), grid);
    const HpMoments moments(Context(), field, rule);
    HpMoments taken(Context(), other, rule);
    CHECK(moments.Info().block_count == 0);
    CHECK(moments.Info().block_values == 512 * 4 * MomentsOf(rule));
    hp_update_desc update = UpdateOf(rule);
    update.sparse = 1;
    if (rule != HP_UPDATE_ADAM) update.momentum = 0.9;
    Update(Context(), field, *GradientOf(Context(), field, Sees::kCorner, 1), moments, update);
    Update(Context(), other, *GradientOf(Context(), other, Sees::kCorner, 1), HpMoments(Context(), other, rule),
           update);
    const HpMoments::Stored stored = moments.Read();
    REQUIRE(!stored.blocks.empty());
    CHECK(std::is_sorted(stored.blocks.begin(), stored.blocks.end()));
    // What was there before goes.
    HpMoments::Stored noise;
    const auto block_values = static_cast<std::size_t>(moments.Info().block_values);
    noise.blocks = {0, 1, 2, 3, 4, 5};
    noise.values.assign(6 * block_values, 3.0f);
    HpCheck(taken.Write(noise));
    CHECK(taken.Read() == noise);
    HpCheck(taken.Write(stored));
    CHECK(taken.Read() == stored);
    update.step = 2;
    Update(Context(), field, *GradientOf(Context(), field, Sees::kAll, 2), moments, update);
    Update(Context(), other, *GradientOf(Context(), other, Sees::kAll, 2), taken, update);
    CHECK(FirstDifference("values", ReadValues(Context(), field, grid), ReadValues(Context(), other, grid)).empty());
    CHECK(taken.Read() == moments.Read());
    // Refused whole: what is there stays.
    const HpMoments::Stored now = taken.Read();
    const auto refused = [&](std::vector<std::int64_t> blocks, const char* says) {
      HpMoments::Stored bad;
      bad.values.assign(blocks.size() * block_values, 1.0f);
      bad.blocks = std::move(blocks);
      CHECK(taken.Write(bad) == HP_STATUS_INVALID_ARGUMENT);
      INFO(hp_last_error());
      CHECK(std::string(hp_last_error()).find(says) != std::string::npos);
      CHECK(taken.Read() == now);
    };
    refused({0, 12}, "blocks[1] = 12: must be ascending and below 12");
    refused({-1}, "blocks[0] = -1");
    refused({3, 2}, "blocks[1] = 2");
    refused({2, 2}, "blocks[1] = 2");
    // Shapes.
    std::int64_t block = 0;
    std::vector<float> values(block_values + 1);
    const hp_tensor one = TensorOf(&block, {1});
    const hp_tensor wide = TensorOf(values.data(), {1, static_cast<std::int64_t>(block_values) + 1});
    CHECK(hp_moments_write(Context().stream(), taken.get(), &one, &wide) == HP_STATUS_INVALID_ARGUMENT);
    CHECK(std::string(hp_last_error()).find("values: must be contiguous f32 of shape") != std::string::npos);
    const hp_tensor flat = TensorOf(values.data(), {1, static_cast<std::int64_t>(block_values)});
    CHECK(hp_moments_read(Context().stream(), taken.get(), &one, &flat) == HP_STATUS_INVALID_ARGUMENT);
    CHECK(std::string(hp_last_error()).find("blocks.shape[0] = 1: must be") != std::string::npos);
    const hp_tensor in_f32 = TensorOf(values.data(), {1});
    CHECK(hp_moments_write(Context().stream(), taken.get(), &in_f32, &flat) == HP_STATUS_INVALID_ARGUMENT);
    CHECK(taken.Read() == now);
  }
}

// ---- masks ----------------------------------------------------------------------------------------------------------

namespace {

using Cells = std::vector<std::uint8_t>;

void SetMask(const HpContext& context, const HpField& field, const DenseGrid& grid, const Cells& cells,
             double seen_weight) {
  hp_mask_desc mask = {};
  HP_INIT(mask);
  mask.cells = TensorOf(cells.data(), {grid.nz, grid.ny, grid.nx});
  mask.seen_weight = seen_weight;
  HpCheck(hp_field_set_mask(context.stream(), field.get(), &mask));
}

Cells ReadMask(const HpContext& context, const HpField& field, const DenseGrid& grid) {
  Cells cells(static_cast<std::size_t>(grid.nx * grid.ny * grid.nz), 99);
  const hp_tensor t = TensorOf(cells.data(), {grid.nz, grid.ny, grid.nx});
  HpCheck(hp_field_read_mask(context.stream(), field.get(), &t));
  return cells;
}

Cells RandomCells(const DenseGrid& grid, std::uint64_t seed, int most_age) {
  TestRandom random(seed);
  Cells cells;
  for (std::int64_t i = 0; i < grid.nx * grid.ny * grid.nz; ++i) {
    const int age = random.Below(3) == 0 ? 1 + random.Below(most_age) : 0;
    cells.push_back(static_cast<std::uint8_t>(age == 0 ? 0 : age + (random.Below(6) == 0 ? 128 : 0)));
  }
  return cells;
}

double DensityOf(hp_activation activation, double v) {
  switch (activation) {
    case HP_ACTIVATION_IDENTITY:
      return v;
    case HP_ACTIVATION_SOFTPLUS:
      return std::log1p(std::exp(v));
    default:
      return std::exp(v);
  }
}

}  // namespace

TEST_CASE("A mask is read as it was set, what was seen included", "[mask]") {
  for (int threads : {1, 3}) {
    const HpContext context(HP_ISA_AUTO, threads);
    const DenseGrid grid = RandomGrid(19, 10, 11, 4, 20);
    const HpField field = MakeField(context, grid);
    for (std::uint64_t seed : {1, 2}) {  // the second replaces the first
      Cells cells = RandomCells(grid, seed, 127);
      cells[0] = 1;
      cells[1] = 127;
      cells[2] = 255;
      cells[3] = 129;
      SetMask(context, field, grid, cells, 0.01);
      CHECK(ReadMask(context, field, grid) == cells);
    }
  }
}

TEST_CASE("A refinement keeps what is dense and was seen, with a margin of one cell", "[mask]") {
  for (hp_activation activation :
       {HP_ACTIVATION_IDENTITY, HP_ACTIVATION_SOFTPLUS, HP_ACTIVATION_EXP, HP_ACTIVATION_TRUNC_EXP}) {
    for (std::int64_t channels : {1, 4}) {
      for (int window : {1, 3, 120}) {
        for (double density : {0.0, 1.73}) {
          const HpContext context(HP_ISA_AUTO, window == 3 ? 3 : 1);
          DenseGrid grid = RandomGrid(19, 10, 11, channels, 21);
          grid.activation = activation;
          TestRandom random(22);
          for (float& v : grid.values) {  // few are dense
            const double raw = random.Below(12) == 0 ? 3 : activation == HP_ACTIVATION_IDENTITY ? 0 : -2;
            v = static_cast<float>(raw + random.Below(64) * 0x1p-7 * (raw == 0 ? 0 : 1));
          }
          const HpField field = MakeField(context, grid);
          Cells cells = RandomCells(grid, 23, window == 120 ? 127 : 6);
          SetMask(context, field, grid, cells, 0.01);
          for (int round = 0; round < 3; ++round) {
            hp_mask_refinement refinement = {};
            HP_INIT(refinement);
            refinement.density = density;
            refinement.seen_window = window;
            std::int64_t there = -1;
            HpCheck(hp_field_refine_mask(context.stream(), field.get(), &refinement, &there));
            // By hand. How long ago each cell was seen, at the end of this period.
            const auto at = [&](std::int64_t x, std::int64_t y, std::int64_t z) {
              return static_cast<std::size_t>((z * grid.ny + y) * grid.nx + x);
            };
            std::vector<int> ages;
            for (std::uint8_t cell : cells) {
              ages.push_back(cell == 0 ? 0 : (cell & 128) != 0 ? 1 : std::min(cell + 1, 127));
            }
            const Cells now = ReadMask(context, field, grid);
            int wrong_place = 0, wrong_age = 0;
            std::int64_t count = 0, added = 0;
            for (std::int64_t z = 0; z < grid.nz; ++z) {
              for (std::int64_t y = 0; y < grid.ny; ++y) {
                for (std::int64_t x = 0; x < grid.nx; ++x) {
                  bool recent = false, dense = false;
                  for (int n = 0; n < 27; ++n) {
                    const std::int64_t cx = x + n % 3 - 1, cy = y + n / 3 % 3 - 1, cz = z + n / 9 - 1;
                    if (cx < 0 || cy < 0 || cz < 0 || cx >= grid.nx || cy >= grid.ny || cz >= grid.nz) continue;
                    const int age = ages[at(cx, cy, cz)];
                    recent = recent || (age > 0 && age - 1 < window);
                  }
                  for (int corner = 0; corner < 8; ++corner) {
                    const std::int64_t vx = std::min(x + (corner & 1), grid.nx - 1),
                                       vy = std::min(y + (corner >> 1 & 1), grid.ny - 1),
                                       vz = std::min(z + (corner >> 2), grid.nz - 1);
                    const double raw = grid.values[at(vx, vy, vz) * static_cast<std::size_t>(channels) +
                                                   static_cast<std::size_t>(channels - 1)];
                    dense = dense || DensityOf(activation, raw) > density;
                  }
                  const bool wanted = recent && dense;
                  const int age = ages[at(x, y, z)], got = now[at(x, y, z)];
                  count += wanted ? 1 : 0;
                  added += wanted && age == 0 ? 1 : 0;
                  wrong_place += (got != 0) != wanted;
                  // A cell that is new has not been seen within the window.
                  if (wanted) wrong_age += age == 0 ? got <= window || got > 127 : got != age;
                }
              }
            }
            CAPTURE(static_cast<int>(activation), channels, window, density, round, count, added);
            CHECK(there == count);
            CHECK(wrong_place == 0);
            CHECK(wrong_age == 0);
            if (round == 0) CHECK(count > 20);
            if (round == 0) CHECK(added > 10);
            if (round == 0 && density > 0) CHECK(count < grid.nx * grid.ny * grid.nz - 20);
            // Something is seen before the next.
            cells = now;
            for (std::size_t i = static_cast<std::size_t>(round); i < cells.size(); i += 7) {
              if (cells[i] != 0) cells[i] |= 128;
            }
            SetMask(context, field, grid, cells, 0.01);
          }
        }
      }
    }
  }
}

TEST_CASE("Forwards note the cells in which a ray has weight, when their plan says so", "[mask]") {
  const double seen_weight = 0.02;
  for (std::int64_t channels : {1, 4, 13}) {
    DenseGrid grid = RandomGrid(19, 10, 11, channels, 30);
    for (std::size_t i = static_cast<std::size_t>(channels) - 1; i < grid.values.size();
         i += static_cast<std::size_t>(channels)) {
      grid.values[i] = 2 * grid.values[i] + 1.5f;  // dense enough to hide what is behind
    }
    Cells cells(static_cast<std::size_t>(grid.nx * grid.ny * grid.nz), 1);
    for (std::size_t i = 0; i < cells.size(); i += 5) cells[i] = 0;
    const hp_camera camera = CameraOf(Sees::kAll);
    const hp_roi roi = {0, 0, camera.width, camera.height};
    // Weights in double, from stored samples.
    std::vector<double> most(cells.size(), 0);
    std::vector<bool> unclear(cells.size(), false);
    {
      const HpField field = MakeField(Context(), grid);
      SetMask(Context(), field, grid, cells, seen_weight);
      const HpPlan plan = MakePlan(Context(), PlanDesc(&camera, 0.04));
      const HpRays<float> rays = CameraRays<float>(Context(), plan, roi);
      const HpSamples<float> samples = SampleRays(Context(), plan, InstanceOf(field), rays);
      int absent_but_dense = 0;
      for (std::int64_t r = 0; r < rays.size(); ++r) {
        double transmittance = 1;
        for (std::int32_t k = 0; k < samples.count[static_cast<std::size_t>(r)]; ++k) {
          const auto i = static_cast<std::size_t>(r * samples.capacity + k);
          const double alpha = -std::expm1(-double{samples.sigma[i]} * samples.dt[i]), w = transmittance * alpha;
          transmittance -= w;
          const Vec3 at =
              rays.Origin(static_cast<std::size_t>(r)) + samples.t[i] * rays.Direction(static_cast<std::size_t>(r));
          const double n[3] = {static_cast<double>(grid.nx), static_cast<double>(grid.ny),
                               static_cast<double>(grid.nz)};
          std::size_t lowest[3], highest[3];
          for (std::size_t axis = 0; axis < 3; ++axis) {
            const double p = at[axis] * n[axis] - 0.5;
            const auto cell = [&](double q) {
              return static_cast<std::size_t>(std::min(std::max(q, 0.0), n[axis] - 1));
            };
            lowest[axis] = cell(p - 1e-4);
            highest[axis] = cell(p + 1e-4);
          }
          bool one = true;
          for (std::size_t axis = 0; axis < 3; ++axis) one = one && lowest[axis] == highest[axis];
          for (std::size_t z = lowest[2]; z <= highest[2]; ++z) {
            for (std::size_t y = lowest[1]; y <= highest[1]; ++y) {
              for (std::size_t x = lowest[0]; x <= highest[0]; ++x) {
                const std::size_t c =
                    (z * static_cast<std::size_t>(grid.ny) + y) * static_cast<std::size_t>(grid.nx) + x;
                if (one) {
                  most[c] = std::max(most[c], w);
                  absent_but_dense += cells[c] == 0 && samples.sigma[i] != 0;
                } else if (w >= 0.99 * seen_weight) {
                  unclear[c] = true;
                }
                if (std::abs(w - seen_weight) < 0.001 * seen_weight) unclear[c] = true;
              }
            }
          }
        }
      }
      CHECK(absent_but_dense == 0);
    }
    for (hp_isa isa : AvailableIsas()) {
      for (int threads : {1, 3}) {
        for (int skip_empty : {0, 1}) {
          const HpContext context(isa, threads);
          const HpField field = MakeField(context, grid);
          SetMask(context, field, grid, cells, seen_weight);
          hp_plan_desc desc = PlanDesc(&camera, 0.04);
          desc.skip_empty = skip_empty;
          CAPTURE(channels, context.name(), skip_empty);
          const HpImage<float> quiet = RenderFused<float>(context, MakePlan(context, desc), InstanceOf(field), roi);
          CHECK(ReadMask(context, field, grid) == cells);
          desc.note_seen = 1;
          const HpImage<float> noting = RenderFused<float>(context, MakePlan(context, desc), InstanceOf(field), roi);
          CHECK(Difference(quiet, noting).empty());
          const Cells now = ReadMask(context, field, grid);
          int marked = 0, wrong = 0, hidden = 0, other = 0;
          for (std::size_t i = 0; i < cells.size(); ++i) {
            other += (now[i] & 127) != cells[i];
            const bool seen = (now[i] & 128) != 0;
            marked += seen ? 1 : 0;
            hidden += !seen && cells[i] != 0 ? 1 : 0;
            if (!unclear[i]) wrong += seen != (most[i] >= seen_weight);
          }
          const std::int64_t open = std::count(unclear.begin(), unclear.end(), true);
          CAPTURE(marked, hidden, open);
          CHECK(wrong == 0);
          CHECK(other == 0);
          CHECK(marked > 100);
          CHECK(hidden > 100);
          CHECK(open < marked / 2);
        }
      }
    }
  }
}

TEST_CASE("Cells that are not there are passed without a change of bits, and get no gradient", "[mask]") {
  for (std::int64_t channels : {1, 4, 13}) {
    const DenseGrid grid = RandomGrid(19, 10, 11, channels, 31);
    Cells cells(static_cast<std::size_t>(grid.nx * grid.ny * grid.nz), 0);
    for (std::int64_t z = 2; z < 8; ++z) {  // whole blocks without, and single cells
      for (std::int64_t y = 3; y < 9; ++y) {
        for (std::int64_t x = 1; x < 7; ++x) {
          if ((x + y + z) % 3 != 0) cells[static_cast<std::size_t>((z * grid.ny + y) * grid.nx + x)] = 2;
        }
      }
    }
    const hp_camera camera = CameraOf(Sees::kAll);
    const hp_roi roi = {0, 0, camera.width, camera.height};
    HpImage<float> first;
    std::vector<double> first_gradient;
    for (hp_isa isa : AvailableIsas()) {
      for (int skip_empty : {0, 1}) {
        const HpContext context(isa, 2);
        const HpField field = MakeField(context, grid);
        SetMask(context, field, grid, cells, 0.01);
        hp_plan_desc desc = PlanDesc(&camera, 0.04);
        desc.skip_empty = skip_empty;
        const HpPlan plan = MakePlan(context, desc);
        const HpImage<float> image = RenderFused<float>(context, plan, InstanceOf(field), roi);
        const HpBackward<float> backward = BackwardFused<float>(
            context, plan, InstanceOf(field), roi, HpAdjoint<float>::Random(camera.height, camera.width, kOfAll, 3));
        CAPTURE(channels, context.name(), skip_empty);
        if (first.size() == 0) {
          first = image;
          first_gradient = backward.values;
        }
        CHECK(Difference(first, image).empty());
        CHECK(FirstDifference("values", first_gradient, backward.values).empty());
      }
    }
    int got_one = 0, none = 0, wrong = 0;
    const std::vector<bool> alive = Alive(first_gradient, channels);
    std::size_t v = 0;
    for (std::int64_t z = 0; z < grid.nz; ++z) {
      for (std::int64_t y = 0; y < grid.ny; ++y) {
        for (std::int64_t x = 0; x < grid.nx; ++x, ++v) {
          bool near = false;  // one of the eight cells that reach the voxel is there
          for (int corner = 0; corner < 8; ++corner) {
            const std::int64_t cx = x - (corner & 1), cy = y - (corner >> 1 & 1), cz = z - (corner >> 2);
            if (cx < 0 || cy < 0 || cz < 0) continue;
            near = near || cells[static_cast<std::size_t>((cz * grid.ny + cy) * grid.nx + cx)] != 0;
          }
          wrong += !near && alive[v] ? 1 : 0;
          (alive[v] ? got_one : none) += 1;
        }
      }
    }
    CHECK(wrong == 0);
    CHECK(got_one > 100);
    CHECK(none > 100);
  }
}

// ---- refusals -------------------------------------------------------------------------------------------------------

namespace {

// The last call was refused with all of this in the message.
void CheckRefused(hp_status got, hp_status status, std::initializer_list<const char*> says) {
  const std::string message = hp_last_error();
  INFO(hp_status_name(got) << ": " << message);
  CHECK(got == status);
  for (const char* text : says) CHECK(message.find(text) != std::string::npos);
}

}  // namespace

TEST_CASE("Bad steps are refused, and name what is wrong", "[training]") {
  const DenseGrid grid = RandomGrid(5, 4, 3, 4, 40);
  const HpField field = MakeField(Context(), grid), other = MakeField(Context(), grid);
  const HpContext elsewhere;
  const HpMoments moments(Context(), field, HP_UPDATE_ADAM), others(Context(), other, HP_UPDATE_ADAM),
      sgd(Context(), field, HP_UPDATE_SGD);
  const HpGradient gradient(Context(), field), of_other(Context(), other);
  const double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  struct Case {
    std::function<void(hp_update_desc&)> spoil;
    std::initializer_list<const char*> says;
  };
  const Case cases[] = {
      {[](auto& u) { u.struct_size = 4; }, {"update.struct_size = 4", "HP_INIT"}},
      {[](auto& u) { u.rule = static_cast<hp_update_rule>(3); }, {"update.rule = 3", "adam (1)"}},
      {[](auto& u) { u.rule = static_cast<hp_update_rule>(-1); }, {"update.rule = -1"}},
      {[](auto& u) { u.step = 0; }, {"update.step = 0", ">= 1"}},
      {[](auto& u) { u.beta1 = 1; }, {"update.beta1 = 1", "< 1"}},
      {[](auto& u) { u.beta1 = -0.1; }, {"update.beta1 = -0.1"}},
      {[&](auto& u) { u.beta2 = nan; }, {"update.beta2 = nan"}},
      {[](auto& u) { u.momentum = 1; }, {"update.momentum = 1"}},
      {[](auto& u) { u.epsilon = -1; }, {"update.epsilon = -1"}},
      {[&](auto& u) { u.epsilon = inf; }, {"update.epsilon = inf"}},
      {[&](auto& u) { u.weight_decay = nan; }, {"update.weight_decay = nan"}},
      {[&](auto& u) { u.gradient_scale = -1; }, {"update.gradient_scale = -1"}},
      {[&](auto& u) { u.clip_value = nan; }, {"update.clip_value = nan"}},
      {[](auto& u) { u.nesterov = 1; }, {"update.nesterov = 1", "sgd"}},
      {[](auto& u) { u.rates[3] = -1; }, {"update.rates[3] = -1", ">= 0"}},
      {[&](auto& u) { u.rates[0] = inf; }, {"update.rates[0] = inf"}},
  };
  for (const Case& c : cases) {
    hp_update_desc update = UpdateOf(HP_UPDATE_ADAM);
    c.spoil(update);
    CheckRefused(hp_update_field(Context().stream(), field.get(), gradient.get(), moments.get(), &update, nullptr),
                 HP_STATUS_INVALID_ARGUMENT, c.says);
  }
  hp_update_desc update = UpdateOf(HP_UPDATE_ADAM);
  const auto step = [&](hp_stream* stream, hp_field* of, const HpGradient& g, const HpMoments& m) {
    return hp_update_field(stream, of, g.get(), m.get(), &update, nullptr);
  };
  HpCheck(step(Context().stream(), field.get(), gradient, moments));
  update.rates[4] = nan;  // of a channel that is not there
  HpCheck(step(Context().stream(), field.get(), gradient, moments));
  const hp_status bad = HP_STATUS_INVALID_ARGUMENT;
  CheckRefused(step(nullptr, field.get(), gradient, moments), bad, {"stream, field = NULL"});
  CheckRefused(step(Context().stream(), nullptr, gradient, moments), bad, {"stream, field = NULL"});
  CheckRefused(step(elsewhere.stream(), field.get(), gradient, moments), bad, {"field", "another context"});
  CheckRefused(step(Context().stream(), field.get(), of_other, moments), bad, {"gradient: must be one of this field"});
  CheckRefused(step(Context().stream(), field.get(), gradient, others), bad, {"moments: must be those of this field"});
  CheckRefused(step(Context().stream(), field.get(), gradient, sgd), bad, {"update.rule = 1", "moments are of rule 0"});
  hp_update_desc decoupled = UpdateOf(HP_UPDATE_SGD);
  decoupled.decoupled = 1;
  double value = 1, slope = 1, kept[2] = {0, 0};
  CheckRefused(hp_update_array(Context().stream(), &decoupled, 1, &value, &slope, kept), bad,
               {"update.decoupled = 1", "adam"});
  update = UpdateOf(HP_UPDATE_ADAM);
  CheckRefused(hp_update_array(Context().stream(), &update, 1, &value, nullptr, kept), bad,
               {"gradient", "NULL: required"});
  CheckRefused(hp_update_array(Context().stream(), &update, -1, &value, &slope, kept), bad, {"n"});
  CHECK(value == 1);
  hp_moments* made = nullptr;
  CheckRefused(hp_moments_create(Context().stream(), field.get(), static_cast<hp_update_rule>(9), &made), bad,
               {"rule = 9", "sgd (0)"});
  double weights[4] = {0, 1, -1, 0};
  CheckRefused(hp_smooth_gradient(Context().stream(), field.get(), gradient.get(), weights), bad,
               {"weights[2] = -1", ">= 0"});
  weights[2] = nan;
  CheckRefused(hp_smooth_gradient(Context().stream(), field.get(), gradient.get(), weights), bad, {"weights[2] = nan"});
  CheckRefused(hp_smooth_gradient(Context().stream(), field.get(), gradient.get(), nullptr), bad,
               {"weights = NULL: required"});
  std::vector<float> values(grid.values.size());
  const hp_tensor turned = TensorOf(values.data(), {grid.nx, grid.ny, grid.nz, grid.channels});
  CheckRefused(hp_field_read_values(Context().stream(), field.get(), &turned), bad, {"values.shape[0] = 5"});
}

// The same values as f16, where they are such (multiples of 2^-10 up to 1 are).
DenseGrid HalfGrid(const DenseGrid& grid) {
  DenseGrid half = grid;
  for (const float v : grid.values) half.halves.push_back(NearestHalf(v));
  return half;
}

TEST_CASE("A field of f16 values steps on f32 masters, and shows them rounded", "[training]") {
  // The same gradient again and again, so that what a field of f32 values does is the exact answer.
  for (const hp_isa isa : AvailableIsas()) {
    const HpContext context(isa, 2);
    for (const hp_update_rule rule : kRules) {
      for (const std::int64_t channels : {1, 4, 13}) {
        const DenseGrid grid = RandomGrid(11, 9, 10, channels, 45), halves = HalfGrid(grid);
        const HpField full = MakeField(context, grid), half = MakeField(context, halves);
        const auto of_full = GradientOf(context, full, Sees::kAll, 3),
                   of_half = GradientOf(context, half, Sees::kAll, 3);
        REQUIRE(of_full->Read() == of_half->Read());
        const HpMoments kept(context, full, rule), kept_half(context, half, rule);
        for (int step = 1; step <= 5; ++step) {
          hp_update_desc update = UpdateOf(rule, step);
          update.sparse = step % 2;
          for (double& rate : update.rates) rate *= 1e-2;  // less than half a unit in the last place of many values
          CHECK(Update(context, full, *of_full, kept, update) == Update(context, half, *of_half, kept_half, update));
        }
        const std::vector<float> wanted = ReadValues(context, full, grid), got = ReadValues(context, half, grid);
        const HpMoments::Stored stored = kept.Read(), stored_half = kept_half.Read();
        std::size_t wrong = 0, rounded = 0;
        for (std::size_t i = 0; i < wanted.size(); ++i) {
          wrong += got[i] != static_cast<float>(HalfValue(NearestHalf(wanted[i])));
          rounded += got[i] != wanted[i];
        }
        CAPTURE(static_cast<int>(isa), static_cast<int>(rule), channels);
        CHECK(wrong == 0);
        CHECK(rounded > wanted.size() / 4);
        // Moments are those of the other field, and behind them are its values.
        const int moments = MomentsOf(rule);
        wrong = 0;
        for (std::int64_t z = 0; z < grid.nz; ++z) {
          for (std::int64_t y = 0; y < grid.ny; ++y) {
            for (std::int64_t x = 0; x < grid.nx; ++x) {
              const std::vector<float> a = MomentsAt(stored, grid, x, y, z, moments),
                                       b = MomentsAt(stored_half, grid, x, y, z, moments + 1);
              wrong += !std::equal(a.begin(), a.end(), b.begin());
              const std::size_t voxel = static_cast<std::size_t>((z * grid.ny + y) * grid.nx + x);
              for (std::size_t c = 0; c < static_cast<std::size_t>(channels); ++c) {
                const float master = b[a.size() + c], value = wanted[voxel * static_cast<std::size_t>(channels) + c];
                wrong += master != value && wanted[voxel * static_cast<std::size_t>(channels) + c] !=
                                                grid.values[voxel * static_cast<std::size_t>(channels) + c];
              }
            }
          }
        }
        CHECK(wrong == 0);
      }
    }
  }
}

TEST_CASE("A master that is not what an f16 field shows gives way to it", "[training]") {
  const DenseGrid grid = RandomGrid(9, 8, 8, 4, 46), halves = HalfGrid(grid);
  const HpField first = MakeField(Context(), halves), second = MakeField(Context(), halves);
  const auto gradient = GradientOf(Context(), first, Sees::kAll, 5),
             again = GradientOf(Context(), second, Sees::kAll, 5);
  const HpMoments of_first(Context(), first, HP_UPDATE_SGD);
  HpMoments of_second(Context(), second, HP_UPDATE_SGD);
  const hp_update_desc update = UpdateOf(HP_UPDATE_SGD);
  Update(Context(), first, *gradient, of_first, update);
  // Moments of a run whose field was another one: masters of 1000.
  HpMoments::Stored stored = of_first.Read();
  std::fill(stored.values.begin(), stored.values.end(), 0.0f);
  for (std::size_t block = 0; block < stored.blocks.size(); ++block) {
    std::fill_n(stored.values.begin() + static_cast<std::ptrdiff_t>((2 * block + 1) * 2048), 2048, 1000.0f);
  }
  HpCheck(of_second.Write(stored));
  Update(Context(), second, *again, of_second, update);
  CHECK(ReadValues(Context(), first, grid) == ReadValues(Context(), second, grid));
}

TEST_CASE("Masks and smoothing of an f16 field are those of the same values in f32", "[training][mask]") {
  const DenseGrid grid = RandomGrid(11, 9, 10, 4, 47), halves = HalfGrid(grid);
  std::vector<std::uint8_t> cells(static_cast<std::size_t>(11 * 9 * 10), 1 | 128);
  std::vector<std::vector<double>> slopes;
  std::vector<std::vector<std::uint8_t>> masks;
  for (const DenseGrid* values : {&grid, &halves}) {
    const HpField field = MakeField(Context(), *values);
    const auto gradient = GradientOf(Context(), field, Sees::kAll, 6);
    const double weights[4] = {1e-3, 1e-3, 2e-3, 1e-2};
    HpCheck(hp_smooth_gradient(Context().stream(), field.get(), gradient->get(), weights));
    slopes.push_back(gradient->Read());
    hp_mask_desc mask = {};
    HP_INIT(mask);
    mask.cells = TensorOf(cells.data(), {grid.nz, grid.ny, grid.nx});
    mask.seen_weight = 0.01;
    HpCheck(hp_field_set_mask(Context().stream(), field.get(), &mask));
    hp_mask_refinement refinement = {};
    HP_INIT(refinement);
    refinement.density = 1.3;  // softplus(0.98): one in a hundred values is above
    refinement.seen_window = 2;
    std::int64_t there = 0;
    HpCheck(hp_field_refine_mask(Context().stream(), field.get(), &refinement, &there));
    CHECK(there > 50);
    CHECK(there < 900);
    masks.emplace_back(cells.size());
    const hp_tensor to = TensorOf(masks.back().data(), {grid.nz, grid.ny, grid.nx});
    HpCheck(hp_field_read_mask(Context().stream(), field.get(), &to));
  }
  CHECK(slopes[0] == slopes[1]);
  CHECK(masks[0] == masks[1]);
}

TEST_CASE("Bad masks are refused, and name what is wrong", "[mask]") {
  const DenseGrid grid = RandomGrid(5, 4, 3, 4, 42);
  const HpField field = MakeField(Context(), grid);
  Cells cells(60, 1);
  hp_mask_desc right = {};
  HP_INIT(right);
  right.cells = TensorOf(cells.data(), {3, 4, 5});
  right.seen_weight = 0.01;
  const auto set = [&](const std::function<void(hp_mask_desc&)>& spoil) {
    hp_mask_desc mask = right;
    spoil(mask);
    return hp_field_set_mask(Context().stream(), field.get(), &mask);
  };
  const hp_status bad = HP_STATUS_INVALID_ARGUMENT;
  hp_mask_refinement refinement = {};
  HP_INIT(refinement);
  refinement.density = 1;
  refinement.seen_window = 4;
  const auto refine = [&] { return hp_field_refine_mask(Context().stream(), field.get(), &refinement, nullptr); };
  CheckRefused(hp_field_read_mask(Context().stream(), field.get(), &right.cells), bad, {"field: has no mask"});
  CheckRefused(refine(), bad, {"field: has no mask", "hp_field_set_mask"});
  CheckRefused(set([](auto& m) { m.struct_size = 0; }), bad, {"mask.struct_size = 0", "HP_INIT"});
  CheckRefused(set([](auto& m) { m.cells.data = nullptr; }), bad, {"mask.cells", "u8", "(3, 4, 5)"});
  CheckRefused(set([](auto& m) { m.cells.dtype = HP_DTYPE_I32; }), bad, {"mask.cells", "u8"});
  CheckRefused(set([](auto& m) { m.cells.shape[0] = 5; }), bad, {"mask.cells", "(3, 4, 5)"});
  CheckRefused(set([](auto& m) { m.cells.rank = 2; }), bad, {"mask.cells"});
  CheckRefused(set([](auto& m) { m.cells.strides[1] = 8; }), bad, {"mask.cells.strides", "contiguous"});
  CheckRefused(set([](auto& m) { m.seen_weight = -0.5; }), bad, {"mask.seen_weight = -0.5", ">= 0"});
  CheckRefused(set([](auto& m) { m.seen_weight = std::numeric_limits<double>::quiet_NaN(); }), bad,
               {"mask.seen_weight = nan"});
  cells[1 * 20 + 2 * 5 + 3] = 128;
  CheckRefused(set([](auto&) {}), bad, {"mask.cells[1, 2, 3] = 128", "seen, and not there"});
  cells[1 * 20 + 2 * 5 + 3] = 1;
  CheckRefused(hp_field_read_mask(Context().stream(), field.get(), &right.cells), bad, {"field: has no mask"});
  HpCheck(set([](auto&) {}));
  HpCheck(refine());
  refinement.density = -1;
  CheckRefused(refine(), bad, {"refinement.density = -1", ">= 0"});
  refinement.density = std::numeric_limits<double>::infinity();
  CheckRefused(refine(), bad, {"refinement.density = inf"});
  refinement.density = 1;
  for (int window : {0, 121}) {
    refinement.seen_window = window;
    CheckRefused(refine(), bad, {"refinement.seen_window", "must be 1 to 120"});
  }
  refinement.seen_window = 4;
  HpCheck(set([](auto& m) { m.seen_weight = 0; }));  // a mask that notes nothing
  CheckRefused(refine(), bad, {"field", "seen_weight = 0"});

  DenseGrid nearest = grid;
  nearest.interp = HP_INTERP_NEAREST;
  const HpField rough = MakeField(Context(), nearest);
  CheckRefused(hp_field_set_mask(Context().stream(), rough.get(), &right), HP_STATUS_UNSUPPORTED, {"field", "nearest"});
}

}  // namespace dvren::test
