// Host side of fields: from what a caller gives to what kernels read. One function per field type.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "abi/objects.h"

namespace hp {

// Index of a field type in the kernel tables; generated from hp_add_field().
enum FieldType : int32_t {
#define HP_FIELD(index, name) kField_##name = index,
#include "hotpath_fields.inc"
#undef HP_FIELD
};

// An empty field on the stream's context with a stream of its own.
hp_status NewField(hp_stream* stream, std::unique_ptr<hp_field, void (*)(hp_field*)>* out);
using FieldPtr = std::unique_ptr<hp_field, void (*)(hp_field*)>;

// Copies host bytes to device memory that the field owns from then on.
hp_status Upload(hp_field* field, int slot, const void* host, size_t bytes, void** device);

// For kernels that are not to note what they see of a masked grid.
void ForgetSeen(FieldArgs* args);

hp_status BuildDenseGrid(hp_stream* stream, const hp_grid_desc& desc, hp_field** out);
hp_status BuildNanoVdb(hp_stream* stream, const hp_nanovdb_desc& desc, hp_field** out);

}  // namespace hp
