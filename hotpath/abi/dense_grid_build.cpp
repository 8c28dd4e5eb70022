// Packs a dense grid into the padded rows that kernels read.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "abi/affine.h"
#include "abi/error.h"
#include "abi/field_build.h"
#include "abi/half.h"
#include "fields/dense_grid_view.h"

namespace hp {
namespace {

constexpr int64_t kLineBytes = 64, kCacheSets = 64;  // of a first-level cache: addresses 4 KiB apart share a set

// Distance of two rows in cache sets, that are `lines` cache lines apart.
int64_t SetDistance(int64_t lines) {
  const int64_t d = ((lines % kCacheSets) + kCacheSets) % kCacheSets;
  return std::min(d, kCacheSets - d);
}

// Pads rows and planes so that the rows a packet of rays reads at a time, a few in y by a few in z, lie in different
// cache sets. Strides that are powers of two, or rows and planes that are alike, would make them push each other out.
struct Pitch {
  int64_t y, z;  // voxels
};
Pitch ChoosePitch(int64_t row_voxels, int64_t rows, int64_t voxel_bytes) {
  const int64_t per_line = voxel_bytes >= kLineBytes ? 1 : kLineBytes / voxel_bytes;
  const int64_t line_steps = voxel_bytes >= kLineBytes ? voxel_bytes / kLineBytes : 1;  // lines per step of the pitch
  const int64_t least_row = (row_voxels + per_line - 1) / per_line;
  int64_t best_row = least_row, best_distance = -1;
  for (int64_t row = least_row; row <= least_row + least_row / 32; ++row) {
    int64_t distance = kCacheSets;
    for (int64_t a = 1; a <= 4; ++a) distance = std::min(distance, SetDistance(a * row * line_steps));
    if (distance > best_distance) best_row = row, best_distance = distance;
  }
  const int64_t least_plane = best_row * rows;
  int64_t best_plane = least_plane;
  best_distance = -1;
  for (int64_t plane = least_plane; plane < least_plane + std::min(kCacheSets, best_row); ++plane) {
    int64_t distance = kCacheSets;
    for (int64_t b = 1; b <= 6; ++b) {
      for (int64_t a = -3; a <= 3; ++a)
        distance = std::min(distance, SetDistance((a * best_row + b * plane) * line_steps));
    }
    if (distance > best_distance) best_plane = plane, best_distance = distance;
  }
  return {best_row * per_line, best_plane * per_line};
}

// Blocks of 8^3 voxels; a brick for each.
class DenseGradientLayout final : public GradientLayout {
 public:
  DenseGradientLayout(int64_t nz, int64_t ny, int64_t nx, int64_t channels_of, int64_t channel_stride)
      : n_{nx, ny, nz} {
    for (int i = 0; i < 3; ++i) count_[i] = (n_[i] + 7) / 8;
    bricks = blocks = count_[0] * count_[1] * count_[2];
    channels = static_cast<int>(channels_of);
    values_per_voxel = static_cast<int>(channel_stride);
    shape = {nz, ny, nx, channels_of};
    strides[0] = channels_of;
    strides[1] = nx * channels_of;
    strides[2] = ny * nx * channels_of;
  }
  Block At(int64_t block) const override {
    const int64_t at[3] = {block % count_[0], block / count_[0] % count_[1], block / (count_[0] * count_[1])};
    Block b;
    b.first = 0;
    for (int i = 0; i < 3; ++i) {
      b.extent[i] = static_cast<int>(std::min<int64_t>(8, n_[i] - 8 * at[i]));
      b.first += 8 * at[i] * strides[i];
    }
    for (int i = 0; i < 8; ++i) {
      const int64_t x = at[0] - (i & 1), y = at[1] - (i >> 1 & 1), z = at[2] - (i >> 2);
      b.bricks[static_cast<size_t>(i)] = x < 0 || y < 0 || z < 0 ? -1 : (z * count_[1] + y) * count_[0] + x;
    }
    return b;
  }

 private:
  int64_t n_[3], count_[3];
};

}  // namespace

hp_status BuildDenseGrid(hp_stream* stream, const hp_grid_desc& desc, hp_field** out) {
  const hp_tensor& v = desc.values;
  HP_REQUIRE(v.struct_size == sizeof v, "grid_desc.values.struct_size = %u: must be %zu (use HP_INIT)", v.struct_size,
             sizeof v);
  HP_REQUIRE(v.data, "grid_desc.values.data = NULL: required");
  HP_REQUIRE(v.dtype == HP_DTYPE_F32 || v.dtype == HP_DTYPE_F16, "grid_desc.values.dtype = %d: must be f32 or f16",
             v.dtype);
  int64_t stride = 1;
  for (int i = 3; i >= 0; --i) {
    HP_REQUIRE(v.shape[i] >= 1 && v.shape[i] < (int64_t{1} << 24),
               "grid_desc.values.shape[%d] = %lld: must be 1 to 2^24 - 1", i, static_cast<long long>(v.shape[i]));
    HP_REQUIRE(v.shape[i] == 1 || v.strides[i] == stride,
               "grid_desc.values.strides[%d] = %lld: must be contiguous, C order (%lld)", i,
               static_cast<long long>(v.strides[i]), static_cast<long long>(stride));
    HP_REQUIRE(stride <= (int64_t{1} << 40) / v.shape[i],
               "grid_desc.values.shape = (%lld, %lld, %lld, %lld): at most 2^31 - 1 voxels with padding",
               static_cast<long long>(v.shape[0]), static_cast<long long>(v.shape[1]),
               static_cast<long long>(v.shape[2]), static_cast<long long>(v.shape[3]));
    stride *= v.shape[i];
  }
  HP_REQUIRE(desc.interp == HP_INTERP_LINEAR || desc.interp == HP_INTERP_NEAREST,
             "grid_desc.interp = %d: must be linear or nearest", desc.interp);
  HP_REQUIRE(desc.activation >= HP_ACTIVATION_IDENTITY && desc.activation <= HP_ACTIVATION_TRUNC_EXP,
             "grid_desc.activation = %d: must be identity, softplus, exp or trunc_exp", desc.activation);
  HP_REQUIRE(desc.border == HP_BORDER_ZERO || desc.border == HP_BORDER_CLAMP,
             "grid_desc.border = %d: must be zero or clamp", desc.border);
  for (int i = 0; i < 3; ++i) {
    HP_REQUIRE(std::isfinite(desc.box_min[i]) && std::isfinite(desc.box_max[i]) && desc.box_min[i] < desc.box_max[i],
               "grid_desc.box axis %d = [%g, %g]: must be finite with min < max", i, desc.box_min[i], desc.box_max[i]);
  }
  hp_affine inverse;
  HP_REQUIRE(Invert(desc.local_to_world, &inverse), "grid_desc.local_to_world: must be finite and not singular");

  const int64_t nz = v.shape[0], ny = v.shape[1], nx = v.shape[2], channels = v.shape[3];
  const int64_t value_bytes = v.dtype == HP_DTYPE_F16 ? 2 : 4;
  const int64_t channel_stride = channels == 1 ? 1 : (channels + 3) / 4 * 4;
  const int64_t voxel_bytes = channel_stride * value_bytes;
  const auto [pitch_y, pitch_z] = ChoosePitch(nx + 1, ny + 1, voxel_bytes);
  HP_REQUIRE(pitch_y * (ny + 1) < (int64_t{1} << 31), "grid_desc.values.shape = (%lld, %lld, %lld): too large",
             static_cast<long long>(nz), static_cast<long long>(ny), static_cast<long long>(nx));
  HP_REQUIRE(pitch_z < (int64_t{1} << 31) / (nz + 1),
             "grid_desc.values.shape = (%lld, %lld, %lld): at most 2^31 - 1 voxels with padding",
             static_cast<long long>(nz), static_cast<long long>(ny), static_cast<long long>(nx));
  const size_t bytes = static_cast<size_t>(pitch_z * (nz + 1) * channel_stride * value_bytes) + 64;

  std::unique_ptr<char[]> packed(new (std::nothrow) char[bytes]());
  if (!packed) return Fail(HP_STATUS_OUT_OF_MEMORY, "grid_desc.values: no room for %zu bytes", bytes);
  const char* source = static_cast<const char*>(v.data);
  for (int64_t z = 0; z < nz; ++z) {
    for (int64_t y = 0; y < ny; ++y) {
      char* row = packed.get() + (z * pitch_z + y * pitch_y) * channel_stride * value_bytes;
      for (int64_t x = 0; x < nx; ++x) {
        std::memcpy(row + x * channel_stride * value_bytes, source, static_cast<size_t>(channels * value_bytes));
        for (int64_t c = 0; c < channels; ++c) {
          const bool any_sign = c + 1 < channels || desc.activation != HP_ACTIVATION_IDENTITY;
          double value;
          if (v.dtype == HP_DTYPE_F16) {
            uint16_t half;
            std::memcpy(&half, source + c * 2, 2);
            value = HalfToDouble(half);
          } else {
            float single;
            std::memcpy(&single, source + c * 4, 4);
            value = single;
          }
          HP_REQUIRE(std::isfinite(value) && (value >= 0 || any_sign),
                     "grid_desc.values[%lld, %lld, %lld, %lld] = %g: must be finite, and density not negative",
                     static_cast<long long>(z), static_cast<long long>(y), static_cast<long long>(x),
                     static_cast<long long>(c), value);
        }
        source += channels * value_bytes;
      }
    }
  }

  FieldPtr field(nullptr, hp_field_destroy);
  HP_RETURN_IF_ERROR(NewField(stream, &field));
  void* device = nullptr;
  HP_RETURN_IF_ERROR(Upload(field.get(), 0, packed.get(), bytes, &device));

  DenseGridView view = {};
  view.values = device;
  view.nx = static_cast<int32_t>(nx);
  view.ny = static_cast<int32_t>(ny);
  view.nz = static_cast<int32_t>(nz);
  view.pitch_y = static_cast<int32_t>(pitch_y);
  view.pitch_z = static_cast<int32_t>(pitch_z);
  view.channels = static_cast<int32_t>(channels);
  view.channel_stride = static_cast<int32_t>(channel_stride);
  view.sh_degree = channels == 13 ? 1 : channels == 28 ? 2 : channels == 49 ? 3 : 0;
  view.nearest = desc.interp == HP_INTERP_NEAREST;
  view.activation = desc.activation;
  view.plain_color = channels == 4 && desc.activation == HP_ACTIVATION_IDENTITY;
  view.bricks_x = static_cast<int32_t>((nx + 7) / 8);
  view.bricks_y = static_cast<int32_t>((ny + 7) / 8);
  field->gradient_layout = std::make_shared<DenseGradientLayout>(nz, ny, nx, channels, channel_stride);

  FieldArgs& args = field->args;
  args.type = kField_dense_grid;
  args.half_storage = v.dtype == HP_DTYPE_F16;
  args.channels = static_cast<int32_t>(channels);
  args.unbounded = desc.border == HP_BORDER_CLAMP;
  std::memcpy(args.view, &view, sizeof view);
  const int64_t n[3] = {nx, ny, nz};
  hp_field_info& info = field->info;
  info.min_voxel_world = INFINITY;
  for (int i = 0; i < 3; ++i) {
    args.lo[i] = -0.5;
    args.hi[i] = static_cast<double>(n[i]) - 0.5;
    const double voxel = (desc.box_max[i] - desc.box_min[i]) / static_cast<double>(n[i]);
    field->grid_to_local.m[5 * i] = voxel;
    field->grid_to_local.m[4 * i + 3] = desc.box_min[i] + 0.5 * voxel;
    info.box_min[i] = desc.box_min[i];
    info.box_max[i] = desc.box_max[i];
    info.voxels[i] = n[i];
    const double* m = desc.local_to_world.m;
    info.min_voxel_world = std::fmin(info.min_voxel_world, voxel * std::hypot(m[i], m[4 + i], m[8 + i]));
  }
  info.kind = HP_FIELD_POINTWISE;
  std::snprintf(info.type, sizeof info.type, "dense_grid");
  info.channels = static_cast<int32_t>(channels);
  info.sh_degree = view.sh_degree > 0 ? view.sh_degree : -1;
  info.storage_dtype = v.dtype;
  info.local_to_world = desc.local_to_world;
  info.unbounded = args.unbounded;
  info.parameter_count = static_cast<uint64_t>(nz * ny * nx * channels);
  *out = field.release();
  return HP_STATUS_OK;
}

}  // namespace hp
