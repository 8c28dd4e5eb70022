// Pages of ListFields: filter, order and tokens.
#pragma once

#include <vector>

#include "dvren/core/status.h"
#include "dvren/v1/field_service.pb.h"

namespace dvren::server {

// A page token names the last field of the page before, so that fields made or deleted in between do not shift the
// rest.
[[nodiscard]] absl::StatusOr<v1::ListFieldsResponse> ListPage(std::vector<v1::Field> fields,
                                                              const v1::ListFieldsRequest& request);

}  // namespace dvren::server
