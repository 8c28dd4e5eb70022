// Fields: creation, information, destruction.
#include "abi/affine.h"
#include "abi/error.h"
#include "abi/field_build.h"

namespace hp {

hp_status NewField(hp_stream* stream, FieldPtr* out) {
  FieldPtr field(new hp_field{}, hp_field_destroy);
  field->ctx = stream->ctx;
  HP_RETURN_IF_ERROR(hp_stream_create(stream->ctx, &field->stream));
  field->grid_to_local = Identity();
  *out = std::move(field);
  return HP_STATUS_OK;
}

hp_status Upload(hp_field* field, int slot, const void* host, size_t bytes, void** device) {
  Backend& backend = *field->ctx->backend;
  HP_RETURN_IF_ERROR(backend.Allocate(field->stream->handle, bytes, &field->memory[slot]));
  HP_RETURN_IF_ERROR(backend.Copy(field->stream->handle, field->memory[slot], host, bytes, HP_COPY_HOST_TO_DEVICE));
  HP_RETURN_IF_ERROR(backend.Synchronize(field->stream->handle));  // `host` may go away
  field->info.device_bytes += bytes;
  *device = field->memory[slot];
  return HP_STATUS_OK;
}

}  // namespace hp

using hp::Guard;

extern "C" {

hp_status hp_field_create_grid_sigma(hp_stream* stream, const hp_grid_desc* desc, hp_field** out) {
  return Guard([&]() -> hp_status {
    HP_REQUIRE(stream && out, "stream, out = NULL: required");
    HP_REQUIRE_DESC(desc, "grid_desc");
    HP_REQUIRE(desc->values.rank == 4 && desc->values.shape[3] == 1,
               "grid_desc.values.shape: must be (nz, ny, nx, 1); use hp_field_create_grid_color for colours");
    return hp::BuildDenseGrid(stream, *desc, out);
  });
}

hp_status hp_field_create_grid_color(hp_stream* stream, const hp_grid_desc* desc, hp_field** out) {
  return Guard([&]() -> hp_status {
    HP_REQUIRE(stream && out, "stream, out = NULL: required");
    HP_REQUIRE_DESC(desc, "grid_desc");
    const int64_t c = desc->values.rank == 4 ? desc->values.shape[3] : -1;
    HP_REQUIRE(
        c == 4 || c == 13 || c == 28 || c == 49,
        "grid_desc.values.shape[3] = %lld: must be 4 (r, g, b, sigma) or 13, 28, 49 (spherical harmonics, sigma)",
        static_cast<long long>(c));
    return hp::BuildDenseGrid(stream, *desc, out);
  });
}

hp_status hp_field_create_nanovdb(hp_stream* stream, const hp_nanovdb_desc* desc, hp_field** out) {
  return Guard([&]() -> hp_status {
    HP_REQUIRE(stream && out, "stream, out = NULL: required");
    HP_REQUIRE_DESC(desc, "nanovdb_desc");
    return hp::BuildNanoVdb(stream, *desc, out);
  });
}

hp_status hp_field_create_hash_mlp(hp_stream*, const hp_hash_mlp_desc*, hp_field**) {
  return Guard([] { return hp::Fail(HP_STATUS_NOT_IMPLEMENTED, "hp_field_create_hash_mlp: not implemented"); });
}

void hp_field_destroy(hp_field* field) {
  if (!field) return;
  if (field->stream) {
    field->ctx->backend->WaitForAll(field->stream->handle);  // who may still read it
    for (void* memory : field->memory) {
      if (memory) field->ctx->backend->Free(field->stream->handle, memory);
    }
    hp_stream_destroy(field->stream);
  }
  delete field;
}

hp_status hp_field_get_info(const hp_field* field, hp_field_info* out) {
  return Guard([&]() -> hp_status {
    HP_REQUIRE(field, "field = NULL: required");
    HP_REQUIRE_DESC(out, "field_info");
    *out = field->info;
    out->struct_size = sizeof *out;
    return HP_STATUS_OK;
  });
}

}  // extern "C"
