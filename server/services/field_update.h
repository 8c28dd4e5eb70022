// FieldUpdate: how an UpdateField is carried out, on a thread that may block.
#pragma once

#include <functional>
#include <string>

#include "dvren/core/status.h"
#include "dvren/v1/field_service.pb.h"
#include "server/app/service_context.h"
#include "server/registries/upload_store.h"

namespace dvren::server {

// Takes the values from the message or from a finished upload, makes them the field's and forgets its gradient. An
// upload that was used up is removed. `cancelled` is asked often.
[[nodiscard]] absl::StatusOr<v1::Field> UpdateFieldValues(ServiceContext& context, UploadStore& uploads,
                                                          const std::string& tenant,
                                                          const v1::UpdateFieldRequest& request,
                                                          std::function<bool()> cancelled);

}  // namespace dvren::server
