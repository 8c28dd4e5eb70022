// How fields are shown: as a value for programs and as tables for people.
#pragma once

#include <vector>

#include "dvren/v1/field_service.pb.h"
#include "output.h"

namespace dvren::ctl {

[[nodiscard]] Value FieldValue(const v1::Field& field);
[[nodiscard]] Value FieldsValue(const std::vector<v1::Field>& fields);
[[nodiscard]] Table FieldDetails(const v1::Field& field);               // one field, a line per property
[[nodiscard]] Table FieldsTable(const std::vector<v1::Field>& fields);  // a line per field

}  // namespace dvren::ctl
