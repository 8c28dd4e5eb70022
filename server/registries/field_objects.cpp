#include "server/registries/field_objects.h"

#include <unistd.h>

#include <algorithm>
#include <new>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "server/codec/volume_codec.h"
#include "server/registries/digest.h"
#include "server/registries/field_check.h"
#include "server/registries/field_json.h"

namespace dvren::server {
namespace {

constexpr char kDescription[] = "field.json", kPayload[] = "payload.bin";
constexpr std::size_t kStep = std::size_t{4} << 20;

// Gives `size` bytes from `at` on.
using Source = std::function<absl::Status(char* to, std::size_t size, std::uint64_t at)>;

absl::StatusOr<StoredObject> Write(const ObjectStore& objects, std::uint64_t bytes, const Source& source) {
  const std::string path = objects.ScratchPath(".bin");
  const auto write = [&]() -> absl::Status {
    DVREN_ASSIGN_OR_RETURN(DurableFile file, DurableFile::Open(path, /*append=*/false, nullptr));
    std::string block;
    for (std::uint64_t at = 0; at < bytes; at += block.size()) {
      block.resize(static_cast<std::size_t>(std::min<std::uint64_t>(kStep, bytes - at)));
      DVREN_RETURN_IF_ERROR(source(block.data(), block.size(), at));
      DVREN_RETURN_IF_ERROR(file.Append(block.data(), block.size()));
    }
    return file.Sync();
  };
  if (const absl::Status status = write(); !status.ok()) {
    unlink(path.c_str());
    return status;
  }
  return objects.Adopt(path);
}

// The payload that `description` names is not written again where it is.
absl::StatusOr<std::vector<JobArtifact>> Store(const ObjectStore& objects, const v1::Field& description,
                                               const std::string& folder, const Source& source) {
  const std::string sha256 = absl::BytesToHexString(description.sha256());
  DVREN_ASSIGN_OR_RETURN(std::optional<StoredObject> payload, objects.Touch(sha256));
  if (!payload || payload->bytes != description.payload_bytes()) {
    DVREN_ASSIGN_OR_RETURN(payload, Write(objects, description.payload_bytes(), source));
  }
  if (payload->sha256 != sha256) {
    return absl::DataLossError(absl::StrCat("field = ", description.name(), " (", description.display_name(),
                                            "): the stored payload is damaged (SHA-256 differs); delete the field and "
                                            "import it again"));
  }
  DVREN_ASSIGN_OR_RETURN(const std::string json, FieldToJson(description));
  DVREN_ASSIGN_OR_RETURN(const StoredObject described, objects.Put(json));
  return std::vector<JobArtifact>{{folder + kDescription, described.sha256, described.bytes, "application/json"},
                                  {folder + kPayload, payload->sha256, payload->bytes, "application/octet-stream"}};
}

absl::StatusOr<JobArtifact> Find(const std::vector<JobArtifact>& artifacts, const std::string& name) {
  const auto it = std::find_if(artifacts.begin(), artifacts.end(),
                               [&](const JobArtifact& artifact) { return artifact.name == name; });
  if (it == artifacts.end()) return absl::NotFoundError(absl::StrCat("artifact = ", name, ": the job has none"));
  return *it;
}

absl::Status Gone(const std::string& sha256) {
  return absl::NotFoundError(absl::StrCat("object = ", sha256,
                                          ": is not in store.objects; is the folder that of all "
                                          "daemons? dvrend --check-store lists what is missing"));
}

absl::Status ReadInto(const ObjectStore& objects, const std::string& sha256, char* to, std::uint64_t bytes) {
  const absl::StatusOr<FileHandle> file = objects.Read(sha256);
  if (absl::IsNotFound(file.status())) return Gone(sha256);
  if (!file.ok()) return file.status();
  Sha256 hash;
  for (std::uint64_t at = 0; at < bytes; at += kStep) {
    const auto step = static_cast<std::size_t>(std::min<std::uint64_t>(kStep, bytes - at));
    DVREN_RETURN_IF_ERROR(file->ReadAt(to + at, step, at, sha256));
    hash.Update(to + at, step);
  }
  if (absl::BytesToHexString(hash.Finish()) == sha256) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat("object = ", sha256, ": is damaged (SHA-256 differs); restore store.objects from a backup"));
}

}  // namespace

absl::StatusOr<std::vector<JobArtifact>> StoreField(const ObjectStore& objects, const FieldRegistry& fields,
                                                    const std::string& tenant, const std::string& name,
                                                    const std::string& folder) {
  while (true) {
    DVREN_ASSIGN_OR_RETURN(const v1::Field description, fields.Get(tenant, name));
    absl::StatusOr<FileHandle> file = fields.OpenPayload(description);
    if (file.ok()) {
      return Store(objects, description, folder, [&](char* to, std::size_t size, std::uint64_t at) {
        return file->ReadAt(to, size, at, description.name());
      });
    }
    // A payload that was replaced since is gone, not damaged: take the new one.
    const auto now = fields.Get(tenant, name);
    if (!now.ok() || now->version() == description.version()) return file.status();
  }
}

absl::StatusOr<std::vector<JobArtifact>> StoreVolume(const ObjectStore& objects, v1::Field description,
                                                     const io::Volume& volume, const std::string& folder) {
  DVREN_RETURN_IF_ERROR(CheckAndDescribe(volume, &description));
  const io::Blob& payload = PayloadOf(volume);
  return Store(objects, description, folder, [&](char* to, std::size_t size, std::uint64_t at) {
    std::copy_n(reinterpret_cast<const char*>(payload.data()) + at, size, to);
    return absl::OkStatus();
  });
}

absl::StatusOr<FieldObject> FindField(const ObjectStore& objects, const std::vector<JobArtifact>& artifacts,
                                      const std::string& folder) {
  DVREN_ASSIGN_OR_RETURN(const JobArtifact described, Find(artifacts, folder + kDescription));
  DVREN_ASSIGN_OR_RETURN(const JobArtifact payload, Find(artifacts, folder + kPayload));
  if (described.bytes > kMaxFieldJsonBytes) {
    return absl::DataLossError(
        absl::StrCat("artifact = ", described.name, ": ", described.bytes, " bytes are no description of a field"));
  }
  std::string json(static_cast<std::size_t>(described.bytes), '\0');
  DVREN_RETURN_IF_ERROR(ReadInto(objects, described.sha256, json.data(), json.size()));
  FieldObject field;
  DVREN_ASSIGN_OR_RETURN(field.description, FieldFromJson(json));
  DVREN_RETURN_IF_ERROR(CheckStoredSpec(field.description));
  if (field.description.payload_bytes() != payload.bytes ||
      absl::BytesToHexString(field.description.sha256()) != payload.sha256) {
    return absl::DataLossError(absl::StrCat("artifact = ", payload.name, ": is not what ", described.name, " says"));
  }
  field.key = absl::StrCat("object ", described.sha256);
  field.payload = payload.sha256;
  return field;
}

absl::StatusOr<io::Blob> ReadPayload(const ObjectStore& objects, const FieldObject& field) {
  const std::uint64_t bytes = field.description.payload_bytes();
  io::Blob blob;
  try {
    blob = io::Blob(bytes);
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(
        absl::StrCat("field = ", field.description.display_name(), ": no host memory for its ", bytes, " bytes"));
  }
  DVREN_RETURN_IF_ERROR(ReadInto(objects, field.payload, reinterpret_cast<char*>(blob.data()), bytes));
  return blob;
}

}  // namespace dvren::server
