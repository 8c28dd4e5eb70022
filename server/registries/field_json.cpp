#include "server/registries/field_json.h"

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/json_util.h"

namespace dvren::server {

absl::StatusOr<std::string> FieldToJson(const v1::Field& description) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.preserve_proto_field_names = true;
  std::string json;
  if (const auto status = MessageToJsonString(description, &json, options); !status.ok()) {
    return absl::InternalError(
        absl::StrCat("store: describe ", description.name(), ": ", std::string(status.message())));
  }
  return json;
}

absl::StatusOr<v1::Field> FieldFromJson(const std::string& json) {
  v1::Field description;
  if (const auto status = google::protobuf::util::JsonStringToMessage(json, &description); !status.ok()) {
    return absl::DataLossError(std::string(status.message()));
  }
  return description;
}

}  // namespace dvren::server
