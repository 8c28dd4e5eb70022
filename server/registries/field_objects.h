// Fields as objects: how a field goes to another daemon. It is two files, as on disk (ADR 0006): field.json, which
// describes it, and payload.bin, which is stored once however many jobs refer to it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "dvren/core/status.h"
#include "dvren/io/volume.h"
#include "dvren/v1/field_service.pb.h"
#include "server/jobs/job.h"
#include "server/jobs/object_store.h"
#include "server/registries/field_registry.h"

namespace dvren::server {

// Durable when they return; `folder` ("" or "…/") begins the names of the two artifacts.
// A field of this daemon, as it is now. NOT_FOUND where there is none.
[[nodiscard]] absl::StatusOr<std::vector<JobArtifact>> StoreField(const ObjectStore& objects,
                                                                  const FieldRegistry& fields,
                                                                  const std::string& tenant, const std::string& name,
                                                                  const std::string& folder);
// A volume that is to become a field; `description` has what the volume does not say about itself.
[[nodiscard]] absl::StatusOr<std::vector<JobArtifact>> StoreVolume(const ObjectStore& objects, v1::Field description,
                                                                   const io::Volume& volume, const std::string& folder);

struct FieldObject {
  v1::Field description;
  std::string key;      // of this description and payload alone
  std::string payload;  // SHA-256 of the object
};
// NOT_FOUND where the artifacts have no such field or its object is gone, DATA_LOSS where it is damaged.
[[nodiscard]] absl::StatusOr<FieldObject> FindField(const ObjectStore& objects,
                                                    const std::vector<JobArtifact>& artifacts,
                                                    const std::string& folder);
[[nodiscard]] absl::StatusOr<io::Blob> ReadPayload(const ObjectStore& objects, const FieldObject& field);

}  // namespace dvren::server
