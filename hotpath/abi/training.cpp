// Parameters that change in place: values, masks, optimizers.
#include <cmath>
#include <cstring>
#include <vector>

#include "abi/checks.h"
#include "abi/empty_bricks.h"
#include "abi/error.h"
#include "abi/field_build.h"
#include "abi/half.h"
#include "abi/objects.h"
#include "fields/dense_grid_view.h"

namespace hp {
namespace {

constexpr int kBits = 1, kAny = 2, kSeen = 3, kAges = 4;  // slots of hp_field::memory; 0 holds the values
constexpr int kRules = 0
#define HP_OPTIMIZER(index, name) +1
#include "hotpath_optimizers.inc"
#undef HP_OPTIMIZER
    ;

bool Masked(const hp_field& field) {
  return field.args.type == kField_dense_grid_masked;
}

// A masked view begins with the grid's.
const DenseGridView& GridOf(const hp_field& field) {
  static_assert(offsetof(DenseGridMaskedView, grid) == 0);
  return *reinterpret_cast<const DenseGridView*>(field.args.view);
}

hp_status CheckGrid(const hp_stream* stream, const hp_field* field) {
  HP_REQUIRE(stream && field, "stream, field = NULL: required");
  HP_REQUIRE(field->ctx == stream->ctx, "field: belongs to another context than the stream");
  if (field->args.type == kField_dense_grid || Masked(*field)) return HP_STATUS_OK;
  return Fail(HP_STATUS_UNSUPPORTED, "field: a %s; only dense grids have masks and change in place", field->info.type);
}

int64_t Bricks(const DenseGridView& grid) {
  return int64_t{grid.bricks_x} * grid.bricks_y * ((grid.nz + 7) / 8);
}

hp_status CheckCells(const DenseGridView& grid, const hp_tensor& t) {
  HP_REQUIRE(t.data && t.dtype == HP_DTYPE_U8 && t.rank == 3 && t.shape[0] == grid.nz && t.shape[1] == grid.ny &&
                 t.shape[2] == grid.nx,
             "mask.cells: must be u8 of shape (%d, %d, %d), the grid's", grid.nz, grid.ny, grid.nx);
  HP_REQUIRE(t.strides[2] == 1 && t.strides[1] == grid.nx && t.strides[0] == int64_t{grid.nx} * grid.ny,
             "mask.cells.strides: must be contiguous, C order");
  return HP_STATUS_OK;
}

// Stored values as f32; exact.
void ReadVoxel(const unsigned char* from, int channels, bool half, float* out) {
  if (!half) {
    std::memcpy(out, from, static_cast<size_t>(channels) * sizeof(float));
    return;
  }
  for (int c = 0; c < channels; ++c) {
    uint16_t bits;
    std::memcpy(&bits, from + static_cast<size_t>(c) * sizeof bits, sizeof bits);
    out[c] = static_cast<float>(HalfToDouble(bits));
  }
}

// Place of a cell among the ages, 512 per brick.
int64_t AgeIndex(const DenseGridView& grid, int64_t x, int64_t y, int64_t z) {
  const int64_t brick = ((z >> 3) * grid.bricks_y + (y >> 3)) * grid.bricks_x + (x >> 3);
  return brick * 512 + ((z & 7) << 6 | (y & 7) << 3 | (x & 7));
}

hp_status Replace(hp_field* field, int slot, const void* host, size_t bytes) {
  void* device;
  if (field->memory[slot]) {
    HP_RETURN_IF_ERROR(field->ctx->backend->WaitForAll(field->stream->handle));
    return field->ctx->backend->Copy(field->stream->handle, field->memory[slot], host, bytes, HP_COPY_HOST_TO_DEVICE);
  }
  return Upload(field, slot, host, bytes, &device);
}

hp_status CheckUpdate(const hp_update_desc* u, int channels, UpdateArgs* out) {
  HP_REQUIRE_DESC(u, "update");
  HP_REQUIRE(u->rule >= 0 && u->rule < kRules, "update.rule = %d: must be sgd (0), adam (1) or rmsprop (2)",
             static_cast<int>(u->rule));
  HP_REQUIRE(u->step >= 1, "update.step = %lld: must be >= 1", static_cast<long long>(u->step));
  const struct {
    const char* name;
    double value, below;
  } numbers[] = {{"beta1", u->beta1, 1},
                 {"beta2", u->beta2, 1},
                 {"momentum", u->momentum, 1},
                 {"epsilon", u->epsilon, INFINITY},
                 {"weight_decay", u->weight_decay, INFINITY},
                 {"gradient_scale", u->gradient_scale, INFINITY},
                 {"clip_value", u->clip_value, INFINITY}};
  for (const auto& n : numbers) {
    HP_REQUIRE(n.value >= 0 && n.value < n.below, "update.%s = %g: must be >= 0 and < %g", n.name, n.value, n.below);
  }
  HP_REQUIRE(!u->nesterov || u->rule == HP_UPDATE_SGD, "update.nesterov = %d: for sgd alone", u->nesterov);
  HP_REQUIRE(!u->decoupled || u->rule == HP_UPDATE_ADAM, "update.decoupled = %d: for adam alone", u->decoupled);
  out->rule = u->rule;
  out->beta1 = u->beta1;
  out->beta2 = u->beta2;
  out->epsilon = u->epsilon;
  out->momentum = u->momentum;
  out->weight_decay = u->weight_decay;
  if (u->gradient_scale > 0) out->gradient_scale = u->gradient_scale;
  if (u->clip_value > 0) out->clip_value = u->clip_value;
  out->nesterov = u->nesterov;
  out->decoupled = u->decoupled;
  out->sparse = u->sparse;
  const auto t = static_cast<double>(u->step);
  out->correction1 = 1 - std::pow(u->beta1, t);
  out->root_correction2 = std::sqrt(1 - std::pow(u->beta2, t));
  for (int c = 0; c < channels; ++c) {
    HP_REQUIRE(std::isfinite(u->rates[c]) && u->rates[c] >= 0, "update.rates[%d] = %g: must be finite and >= 0", c,
               u->rates[c]);
    out->rates[c] = u->rates[c];
  }
  return HP_STATUS_OK;
}

hp_status CheckMoments(const hp_moments& moments, const hp_tensor& blocks, const hp_tensor& values, int64_t* count) {
  hp_moments_info info = {};
  HP_INIT(info);
  HP_RETURN_IF_ERROR(moments.ctx->backend->InspectMoments(moments.store, &info));
  *count = blocks.rank == 1 ? blocks.shape[0] : -1;
  HP_REQUIRE(*count >= 0 && blocks.dtype == HP_DTYPE_I64 && (*count == 0 || (blocks.data && blocks.strides[0] == 1)),
             "blocks: must be contiguous i64 of shape (block_count)");
  HP_REQUIRE(values.rank == 2 && values.dtype == HP_DTYPE_F32 && values.shape[0] == *count &&
                 values.shape[1] == info.block_values &&
                 (*count == 0 || (values.data && values.strides[1] == 1 && values.strides[0] == info.block_values)),
             "values: must be contiguous f32 of shape (block_count, %lld)", static_cast<long long>(info.block_values));
  return HP_STATUS_OK;
}

// The least raw value v with activate(v) > density.
double RawOf(int activation, double density) {
  switch (activation) {
    case HP_ACTIVATION_SOFTPLUS:
      return density > 30 ? density : std::log(std::expm1(density));
    case HP_ACTIVATION_IDENTITY:
      return density;
    default:
      return std::log(density);
  }
}

}  // namespace

void ForgetSeen(FieldArgs* args) {
  if (args->type == kField_dense_grid_masked) reinterpret_cast<DenseGridMaskedView*>(args->view)->seen = nullptr;
}

}  // namespace hp

using namespace hp;

extern "C" {

hp_status hp_field_read_values(hp_stream* stream, const hp_field* field, const hp_tensor* values) {
  return Guard([&]() -> hp_status {
    HP_RETURN_IF_ERROR(CheckGrid(stream, field));
    HP_REQUIRE(values, "values = NULL: required");
    const DenseGridView& grid = GridOf(*field);
    View view;
    HP_RETURN_IF_ERROR(
        CheckTensor("values", *values, HP_DTYPE_F32, {grid.nz, grid.ny, grid.nx, grid.channels}, false, &view));
    const int64_t row = int64_t{grid.nx} * grid.channels;
    HP_REQUIRE(values->strides[3] == 1 && values->strides[2] == grid.channels && values->strides[1] == row &&
                   values->strides[0] == row * grid.ny,
               "values.strides: must be contiguous, C order");
    const size_t size = field->args.half_storage ? sizeof(uint16_t) : sizeof(float);
    const size_t plane_bytes = static_cast<size_t>(grid.pitch_z) * static_cast<size_t>(grid.channel_stride) * size;
    std::vector<unsigned char> plane(plane_bytes);
    Backend& backend = *stream->ctx->backend;
    auto* out = static_cast<float*>(view.data);
    for (int64_t z = 0; z < grid.nz; ++z) {
      HP_RETURN_IF_ERROR(
          backend.Copy(stream->handle, plane.data(),
                       static_cast<const unsigned char*>(grid.values) + static_cast<size_t>(z) * plane_bytes,
                       plane_bytes, HP_COPY_DEVICE_TO_HOST));
      HP_RETURN_IF_ERROR(backend.Synchronize(stream->handle));
      for (int64_t y = 0; y < grid.ny; ++y) {
        const unsigned char* from = plane.data() + static_cast<size_t>(y * grid.pitch_y * grid.channel_stride) * size;
        for (int64_t x = 0; x < grid.nx; ++x, out += grid.channels) {
          ReadVoxel(from, grid.channels, field->args.half_storage != 0, out);
          from += static_cast<size_t>(grid.channel_stride) * size;
        }
      }
    }
    return HP_STATUS_OK;
  });
}

hp_status hp_field_set_mask(hp_stream* stream, hp_field* field, const hp_mask_desc* mask) {
  return Guard([&]() -> hp_status {
    HP_RETURN_IF_ERROR(CheckGrid(stream, field));
    HP_REQUIRE_DESC(mask, "mask");
    const DenseGridView grid = GridOf(*field);
    if (grid.nearest) return Fail(HP_STATUS_UNSUPPORTED, "field: interpolates nearest values, which have no cells");
    HP_RETURN_IF_ERROR(CheckCells(grid, mask->cells));
    HP_REQUIRE(std::isfinite(mask->seen_weight) && mask->seen_weight >= 0,
               "mask.seen_weight = %g: must be finite and >= 0", mask->seen_weight);
    const auto bricks = static_cast<size_t>(Bricks(grid));
    std::vector<uint8_t> ages(bricks * 512, 0);
    std::vector<int32_t> cells(bricks * 16, 0), seen(bricks * 16, 0), any(bricks, 0);
    const auto* from = static_cast<const uint8_t*>(mask->cells.data);
    for (int64_t z = 0; z < grid.nz; ++z) {
      for (int64_t y = 0; y < grid.ny; ++y) {
        for (int64_t x = 0; x < grid.nx; ++x, ++from) {
          if (*from == 0) continue;
          const int64_t at = AgeIndex(grid, x, y, z);
          HP_REQUIRE((*from & 127) != 0, "mask.cells[%lld, %lld, %lld] = %d: seen, and not there",
                     static_cast<long long>(z), static_cast<long long>(y), static_cast<long long>(x), *from);
          const auto bit = static_cast<int32_t>(uint32_t{1} << (at & 31));
          ages[static_cast<size_t>(at)] = *from & 127;
          cells[static_cast<size_t>(at >> 5)] |= bit;
          if (*from & 128) seen[static_cast<size_t>(at >> 5)] |= bit;
          any[static_cast<size_t>(at >> 9)] |= 1 << ((at >> 2 & 1) | (at >> 5 & 1) << 1 | (at >> 8 & 1) << 2);
        }
      }
    }
    MeasureEmptyBricks(grid.bricks_x, grid.bricks_y, (grid.nz + 7) / 8, any.data());
    HP_RETURN_IF_ERROR(Replace(field, kBits, cells.data(), cells.size() * 4));
    HP_RETURN_IF_ERROR(Replace(field, kAny, any.data(), any.size() * 4));
    HP_RETURN_IF_ERROR(Replace(field, kAges, ages.data(), ages.size()));
    HP_RETURN_IF_ERROR(Replace(field, kSeen, seen.data(), seen.size() * 4));
    HP_RETURN_IF_ERROR(stream->ctx->backend->Synchronize(field->stream->handle));
    DenseGridMaskedView view = {};
    view.grid = grid;
    view.cells = static_cast<const int32_t*>(field->memory[kBits]);
    view.bricks = static_cast<const int32_t*>(field->memory[kAny]);
    view.seen = mask->seen_weight > 0 ? static_cast<uint32_t*>(field->memory[kSeen]) : nullptr;
    view.seen_weight = static_cast<float>(mask->seen_weight);
    static_assert(sizeof view <= kFieldViewBytes);
    std::memcpy(field->args.view, &view, sizeof view);
    field->args.type = kField_dense_grid_masked;
    return HP_STATUS_OK;
  });
}

hp_status hp_field_read_mask(hp_stream* stream, const hp_field* field, const hp_tensor* cells) {
  return Guard([&]() -> hp_status {
    HP_RETURN_IF_ERROR(CheckGrid(stream, field));
    HP_REQUIRE(Masked(*field), "field: has no mask");
    HP_REQUIRE(cells, "cells = NULL: required");
    const DenseGridView& grid = GridOf(*field);
    HP_RETURN_IF_ERROR(CheckCells(grid, *cells));
    std::vector<uint8_t> ages(static_cast<size_t>(Bricks(grid)) * 512);
    std::vector<uint32_t> seen(static_cast<size_t>(Bricks(grid)) * 16);
    Backend& backend = *stream->ctx->backend;
    HP_RETURN_IF_ERROR(
        backend.Copy(stream->handle, ages.data(), field->memory[kAges], ages.size(), HP_COPY_DEVICE_TO_HOST));
    HP_RETURN_IF_ERROR(
        backend.Copy(stream->handle, seen.data(), field->memory[kSeen], seen.size() * 4, HP_COPY_DEVICE_TO_HOST));
    HP_RETURN_IF_ERROR(backend.Synchronize(stream->handle));
    auto* to = static_cast<uint8_t*>(cells->data);
    for (int64_t z = 0; z < grid.nz; ++z) {
      for (int64_t y = 0; y < grid.ny; ++y) {
        for (int64_t x = 0; x < grid.nx; ++x) {
          const int64_t at = AgeIndex(grid, x, y, z);
          const uint32_t now = seen[static_cast<size_t>(at >> 5)] >> (at & 31) & 1;
          *to++ = static_cast<uint8_t>(ages[static_cast<size_t>(at)] | now << 7);
        }
      }
    }
    return HP_STATUS_OK;
  });
}

hp_status hp_field_refine_mask(hp_stream* stream, hp_field* field, const hp_mask_refinement* refinement,
                               int64_t* there) {
  return Guard([&]() -> hp_status {
    HP_RETURN_IF_ERROR(CheckGrid(stream, field));
    HP_REQUIRE_DESC(refinement, "refinement");
    HP_REQUIRE(Masked(*field), "field: has no mask; hp_field_set_mask gives it one");
    const auto& view = *reinterpret_cast<const DenseGridMaskedView*>(field->args.view);
    HP_REQUIRE(view.seen, "field: its mask does not note what is seen (mask.seen_weight = 0)");
    HP_REQUIRE(std::isfinite(refinement->density) && refinement->density >= 0,
               "refinement.density = %g: must be finite and >= 0", refinement->density);
    HP_REQUIRE(refinement->seen_window >= 1 && refinement->seen_window <= 120,
               "refinement.seen_window = %d: must be 1 to 120", refinement->seen_window);
    int64_t count = 0;
    HP_RETURN_IF_ERROR(stream->ctx->backend->RefineMask(
        stream->handle, view, field->args.half_storage, static_cast<uint8_t*>(field->memory[kAges]),
        RawOf(view.grid.activation, refinement->density), refinement->seen_window, &count));
    if (there) *there = count;
    return HP_STATUS_OK;
  });
}

hp_status hp_moments_create(hp_stream* stream, const hp_field* field, hp_update_rule rule, hp_moments** out) {
  return Guard([&]() -> hp_status {
    HP_RETURN_IF_ERROR(CheckGrid(stream, field));
    HP_REQUIRE(out, "out = NULL: required");
    HP_REQUIRE(rule >= 0 && rule < kRules, "rule = %d: must be sgd (0), adam (1) or rmsprop (2)",
               static_cast<int>(rule));
    auto moments = std::make_unique<hp_moments>();
    moments->ctx = stream->ctx;
    moments->field = field;
    moments->rule = rule;
    HP_RETURN_IF_ERROR(stream->ctx->backend->CreateMoments(*field->gradient_layout, rule, field->args.half_storage != 0,
                                                           &moments->store));
    *out = moments.release();
    return HP_STATUS_OK;
  });
}

void hp_moments_destroy(hp_moments* moments) {
  if (!moments) return;
  moments->ctx->backend->DestroyMoments(moments->store);
  delete moments;
}

hp_status hp_moments_get_info(const hp_moments* moments, hp_moments_info* out) {
  return Guard([&]() -> hp_status {
    HP_REQUIRE(moments, "moments = NULL: required");
    HP_REQUIRE_DESC(out, "moments_info");
    return moments->ctx->backend->InspectMoments(moments->store, out);
  });
}

hp_status hp_moments_read(hp_stream* stream, const hp_moments* moments, const hp_tensor* blocks,
                          const hp_tensor* values) {
  return Guard([&]() -> hp_status {
    HP_REQUIRE(stream && moments && blocks && values, "stream, moments, blocks, values = NULL: required");
    int64_t count = 0;
    HP_RETURN_IF_ERROR(CheckMoments(*moments, *blocks, *values, &count));
    hp_moments_info info = {};
    HP_INIT(info);
    HP_RETURN_IF_ERROR(moments->ctx->backend->InspectMoments(moments->store, &info));
    HP_REQUIRE(count == info.block_count, "blocks.shape[0] = %lld: must be %lld, the blocks that there are",
               static_cast<long long>(count), static_cast<long long>(info.block_count));
    return moments->ctx->backend->ReadMoments(stream->handle, moments->store, static_cast<int64_t*>(blocks->data),
                                              static_cast<float*>(values->data));
  });
}

hp_status hp_moments_write(hp_stream* stream, hp_moments* moments, const hp_tensor* blocks, const hp_tensor* values) {
  return Guard([&]() -> hp_status {
    HP_REQUIRE(stream && moments && blocks && values, "stream, moments, blocks, values = NULL: required");
    int64_t count = 0;
    HP_RETURN_IF_ERROR(CheckMoments(*moments, *blocks, *values, &count));
    return moments->ctx->backend->WriteMoments(stream->handle, moments->store,
                                               static_cast<const int64_t*>(blocks->data),
                                               static_cast<const float*>(values->data), count);
  });
}

hp_status hp_update_field(hp_stream* stream, hp_field* field, const hp_gradient* gradient, hp_moments* moments,
                          const hp_update_desc* update, int64_t* voxels) {
  return Guard([&]() -> hp_status {
    HP_RETURN_IF_ERROR(CheckGrid(stream, field));
    HP_REQUIRE(gradient && gradient->field == field, "gradient: must be one of this field");
    HP_REQUIRE(moments && moments->field == field, "moments: must be those of this field");
    FieldUpdate job;
    HP_RETURN_IF_ERROR(CheckUpdate(update, field->args.channels, &job.args));
    HP_REQUIRE(moments->rule == update->rule, "update.rule = %d: the moments are of rule %d",
               static_cast<int>(update->rule), static_cast<int>(moments->rule));
    hp_gradient_info info = {};
    HP_INIT(info);
    HP_RETURN_IF_ERROR(stream->ctx->backend->InspectGradient(gradient->store, &info));
    if (info.overflowed) {
      return Fail(HP_STATUS_OVERFLOW,
                  "gradient: a sum left the range of fixed point with quantum 2^%d; zero it with a larger exponent and "
                  "run the pass again",
                  gradient->exponent);
    }
    job.grid = &GridOf(*field);
    job.layout = field->gradient_layout.get();
    job.gradient = gradient->store;
    job.quantum = std::ldexp(1.0, gradient->exponent);
    job.half_storage = field->args.half_storage;
    job.moments = moments->store;
    return stream->ctx->backend->UpdateField(stream->handle, job, voxels);
  });
}

hp_status hp_smooth_gradient(hp_stream* stream, const hp_field* field, hp_gradient* gradient, const double* weights) {
  return Guard([&]() -> hp_status {
    HP_RETURN_IF_ERROR(CheckGrid(stream, field));
    HP_REQUIRE(gradient && gradient->field == field, "gradient: must be one of this field");
    HP_REQUIRE(weights, "weights = NULL: required");
    FieldUpdate job;
    for (int c = 0; c < field->args.channels; ++c) {
      HP_REQUIRE(std::isfinite(weights[c]) && weights[c] >= 0, "weights[%d] = %g: must be finite and >= 0", c,
                 weights[c]);
      job.args.rates[c] = weights[c];
    }
    job.grid = &GridOf(*field);
    job.layout = field->gradient_layout.get();
    job.gradient = gradient->store;
    job.quantum = std::ldexp(1.0, gradient->exponent);
    job.half_storage = field->args.half_storage;
    return stream->ctx->backend->SmoothGradient(stream->handle, job);
  });
}

hp_status hp_update_array(hp_stream* stream, const hp_update_desc* update, int64_t n, double* values,
                          const double* gradient, double* moments) {
  return Guard([&]() -> hp_status {
    HP_REQUIRE(stream, "stream = NULL: required");
    UpdateArgs args;
    HP_RETURN_IF_ERROR(CheckUpdate(update, 1, &args));
    HP_REQUIRE(n >= 0 && (n == 0 || (values && gradient && moments)), "values, gradient, moments = NULL: required");
    return stream->ctx->backend->UpdateArray(args, n, values, gradient, moments);
  });
}

}  // extern "C"
