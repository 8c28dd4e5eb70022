// Whether a tape still fits its field.
#pragma once

#include <string>

#include "server/registries/field_registry.h"
#include "server/registries/tape_registry.h"

namespace dvren::server {

// ABORTED, with both versions, when the field has another one than the forward saw, or has been deleted.
[[nodiscard]] absl::Status CheckTapeFresh(const FieldRegistry& fields, const std::string& name, const KeptTape& tape);

}  // namespace dvren::server
