// A field's description as JSON, as people read it on disk (ADR 0006).
#pragma once

#include <string>

#include "dvren/core/status.h"
#include "dvren/v1/field_service.pb.h"

namespace dvren::server {

// Larger ones are damaged.
inline constexpr std::size_t kMaxFieldJsonBytes = std::size_t{1} << 20;

[[nodiscard]] absl::StatusOr<std::string> FieldToJson(const v1::Field& description);
// DATA_LOSS for what is no description.
[[nodiscard]] absl::StatusOr<v1::Field> FieldFromJson(const std::string& json);

}  // namespace dvren::server
