#include "server/registries/field_store.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "server/codec/volume_codec.h"
#include "server/registries/digest.h"
#include "server/registries/field_json.h"

namespace dvren::server {
namespace {

constexpr char kDescriptionFile[] = "field.json";
constexpr char kNextDescriptionFile[] = "field.json.new";
constexpr char kRequestFile[] = "request_id";
constexpr char kNamePrefix[] = "fields/";

std::string PayloadFile(std::uint64_t version) {
  return version == 1 ? "payload.bin" : absl::StrCat("payload-", version, ".bin");
}

std::string UpdatesFile(std::uint64_t version) {
  return absl::StrCat("updates-", version);
}

void RemoveFile(const std::string& path) {
  std::error_code ignored;
  std::filesystem::remove(path, ignored);
}

}  // namespace

std::string FieldIdOf(const std::string& name) {
  const std::string prefix = kNamePrefix;
  if (name.size() <= prefix.size() || name.compare(0, prefix.size(), prefix) != 0) return "";
  const std::string id = name.substr(prefix.size());
  const auto sane = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z'); };
  return std::all_of(id.begin(), id.end(), sane) ? id : "";
}

FieldStore::FieldStore(const std::string& data_dir, FileFaults faults)
    : data_dir_(data_dir),
      fields_dir_(absl::StrCat(data_dir, "/fields")),
      tmp_dir_(absl::StrCat(data_dir, "/tmp")),
      faults_(std::move(faults)) {}

absl::StatusOr<std::unique_ptr<FieldStore>> FieldStore::Open(const std::string& data_dir, FileFaults faults) {
  std::unique_ptr<FieldStore> store(new FieldStore(data_dir, std::move(faults)));
  DVREN_RETURN_IF_ERROR(MakeDirectories(store->fields_dir_));
  DVREN_RETURN_IF_ERROR(MakeDirectories(store->tmp_dir_));
  RemoveContents(store->tmp_dir_);
  DVREN_RETURN_IF_ERROR(SyncDirectory(data_dir, store->faults_));
  return store;
}

absl::StatusOr<std::vector<StoredField>> FieldStore::LoadAll(std::vector<DamagedField>& damaged) const {
  std::vector<StoredField> fields;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(fields_dir_, error)) {
    const std::string id = entry.path().filename().string();
    if (auto field = LoadOne(id); field.ok()) {
      fields.push_back(*std::move(field));
    } else {
      damaged.push_back({id, std::string(field.status().message())});
    }
  }
  if (error) return ErrnoStatus(error.value(), "list", fields_dir_);
  return fields;
}

absl::StatusOr<StoredField> FieldStore::LoadOne(const std::string& id) const {
  const std::string folder = absl::StrCat(fields_dir_, "/", id);
  DVREN_ASSIGN_OR_RETURN(const std::string json,
                         ReadSmallFile(absl::StrCat(folder, "/", kDescriptionFile), kMaxFieldJsonBytes));
  StoredField field;
  absl::StatusOr<v1::Field> parsed = FieldFromJson(json);
  if (!parsed.ok()) {
    return absl::Status(parsed.status().code(), absl::StrCat(kDescriptionFile, ": ", parsed.status().message()));
  }
  field.description = *std::move(parsed);
  const v1::Field& description = field.description;
  if (FieldIdOf(description.name()) != id) {
    return absl::DataLossError(
        absl::StrCat(kDescriptionFile, ": name = ", description.name(), ": must be fields/", id));
  }
  if (description.sha256().size() != 32 || description.version() == 0 || description.display_name().empty()) {
    return absl::DataLossError(absl::StrCat(kDescriptionFile, ": sha256, version or display_name is missing"));
  }
  DVREN_RETURN_IF_ERROR(CheckStoredSpec(description));
  struct stat info {};
  const std::string payload = PayloadPath(description);
  if (::stat(payload.c_str(), &info) != 0) return ErrnoStatus(errno, "stat", payload);
  if (static_cast<std::uint64_t>(info.st_size) != description.payload_bytes()) {
    return absl::DataLossError(absl::StrCat(PayloadFile(description.version()), ": ", info.st_size, " bytes, ",
                                            description.payload_bytes(), " were acknowledged"));
  }
  auto request = ReadSmallFile(absl::StrCat(folder, "/", kRequestFile), kMaxFieldJsonBytes);
  if (request.ok()) {
    field.request_id = *std::move(request);
  } else if (!absl::IsNotFound(request.status())) {
    return request.status();
  }
  auto updates = ReadSmallFile(absl::StrCat(folder, "/", UpdatesFile(description.version())), kMaxFieldJsonBytes);
  if (updates.ok()) {
    field.update_ids = absl::StrSplit(*updates, '\n', absl::SkipEmpty());
  } else if (!absl::IsNotFound(updates.status())) {
    return updates.status();
  }
  Tidy(description);
  return field;
}

absl::Status FieldStore::Put(const StoredField& field, const void* payload, std::size_t payload_bytes,
                             const std::function<absl::Status()>& may_publish) const {
  DVREN_ASSIGN_OR_RETURN(const std::string json, FieldToJson(field.description));
  const std::string id = FieldIdOf(field.description.name());
  const std::string folder = absl::StrCat(tmp_dir_, "/", id);
  const std::string place = absl::StrCat(fields_dir_, "/", id);
  bool published = false;
  const auto write = [&]() -> absl::Status {
    DVREN_RETURN_IF_ERROR(MakeDirectories(folder));
    DVREN_RETURN_IF_ERROR(WritePayload(absl::StrCat(folder, "/", PayloadFile(field.description.version())), payload,
                                       payload_bytes, may_publish));
    DVREN_RETURN_IF_ERROR(WriteFileDurably(absl::StrCat(folder, "/", kDescriptionFile), json, faults_));
    if (!field.request_id.empty()) {
      DVREN_RETURN_IF_ERROR(WriteFileDurably(absl::StrCat(folder, "/", kRequestFile), field.request_id, faults_));
    }
    DVREN_RETURN_IF_ERROR(SyncDirectory(folder, faults_));
    DVREN_RETURN_IF_ERROR(may_publish());
    DVREN_RETURN_IF_ERROR(RenamePath(folder, place, faults_));
    published = true;
    return SyncDirectory(fields_dir_, faults_);
  };
  const absl::Status status = write();
  if (!status.ok()) {
    // An error after the rename leaves it open whether a crash would keep the field: take it back.
    if (published && !RenamePath(place, folder, nullptr).ok()) RemoveTree(place);
    RemoveTree(folder);
  }
  return status;
}

absl::Status FieldStore::WritePayload(const std::string& path, const void* payload, std::size_t payload_bytes,
                                      const std::function<absl::Status()>& may_publish) const {
  DVREN_ASSIGN_OR_RETURN(DurableFile file, DurableFile::Open(path, /*append=*/false, faults_));
  // In steps, so that a cancel is noticed in the middle of a large payload.
  constexpr std::size_t kStep = std::size_t{16} << 20;
  for (std::size_t at = 0; at < payload_bytes; at += kStep) {
    DVREN_RETURN_IF_ERROR(may_publish());
    DVREN_RETURN_IF_ERROR(file.Append(static_cast<const char*>(payload) + at, std::min(kStep, payload_bytes - at)));
  }
  return file.Sync();
}

absl::Status FieldStore::Replace(const v1::Field& old, const StoredField& field, const void* payload,
                                 std::size_t payload_bytes, const std::function<absl::Status()>& may_publish) const {
  const v1::Field& description = field.description;
  DVREN_ASSIGN_OR_RETURN(const std::string json, FieldToJson(description));
  DVREN_ASSIGN_OR_RETURN(const std::string old_json, FieldToJson(old));
  const std::string folder = FolderOf(description);
  const std::string current = absl::StrCat(folder, "/", kDescriptionFile);
  const std::string next = absl::StrCat(folder, "/", kNextDescriptionFile);
  const std::string updates = absl::StrCat(folder, "/", UpdatesFile(description.version()));
  bool published = false;
  const auto write = [&]() -> absl::Status {
    Tidy(old);
    DVREN_RETURN_IF_ERROR(WritePayload(PayloadPath(description), payload, payload_bytes, may_publish));
    DVREN_RETURN_IF_ERROR(WriteFileDurably(updates, absl::StrJoin(field.update_ids, "\n"), faults_));
    DVREN_RETURN_IF_ERROR(WriteFileDurably(next, json, faults_));
    DVREN_RETURN_IF_ERROR(SyncDirectory(folder, faults_));
    DVREN_RETURN_IF_ERROR(may_publish());
    DVREN_RETURN_IF_ERROR(RenamePath(next, current, faults_));
    published = true;
    return SyncDirectory(folder, faults_);
  };
  const absl::Status status = write();
  if (status.ok()) return status;
  // An error after the rename leaves it open which of the two a crash would keep: take it back. Should that fail too,
  // both payloads stay, so that either description has its own.
  if (published && !(WriteFileDurably(next, old_json, nullptr).ok() && RenamePath(next, current, nullptr).ok())) {
    return status;
  }
  Tidy(old);
  return status;
}

void FieldStore::Tidy(const v1::Field& description) const {
  const std::string folder = FolderOf(description);
  const std::string payload = PayloadFile(description.version()), updates = UpdatesFile(description.version());
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    const bool of_update = absl::StartsWith(name, "payload") || absl::StartsWith(name, "updates-");
    if (name == kNextDescriptionFile || (of_update && name != payload && name != updates)) RemoveFile(entry.path());
  }
}

std::string FieldStore::FolderOf(const v1::Field& description) const {
  return absl::StrCat(fields_dir_, "/", FieldIdOf(description.name()));
}

std::string FieldStore::PayloadPath(const v1::Field& description) const {
  return absl::StrCat(FolderOf(description), "/", PayloadFile(description.version()));
}

absl::StatusOr<FileHandle> FieldStore::OpenPayload(const v1::Field& description) const {
  return FileHandle::OpenForReading(PayloadPath(description));
}

absl::StatusOr<io::Blob> FieldStore::ReadPayload(const v1::Field& description) const {
  const auto damaged = [&](absl::string_view why) {
    return absl::DataLossError(absl::StrCat("field = ", description.name(), " (", description.display_name(),
                                            "): the stored payload is damaged (", why,
                                            "); delete the field and import it again"));
  };
  auto file = OpenPayload(description);
  if (absl::IsNotFound(file.status())) return damaged("missing");
  if (!file.ok()) return file.status();
  io::Blob blob;
  try {
    blob = io::Blob(description.payload_bytes());
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(absl::StrCat("field = ", description.name(), ": no host memory for its ",
                                                     description.payload_bytes(), " bytes"));
  }
  const std::string path = PayloadPath(description);
  constexpr std::size_t kStep = std::size_t{4} << 20;  // hashed while it is in the cache
  Sha256 hash;
  for (std::size_t at = 0; at < blob.size(); at += kStep) {
    const std::size_t step = std::min(kStep, blob.size() - at);
    if (const absl::Status status = file->ReadAt(blob.data() + at, step, at, path); !status.ok()) {
      return damaged(status.message());
    }
    hash.Update(blob.data() + at, step);
  }
  if (hash.Finish() != description.sha256()) return damaged("SHA-256 differs");
  return blob;
}

absl::Status FieldStore::Remove(const v1::Field& description) const {
  const std::string id = FieldIdOf(description.name());
  const std::string grave = absl::StrCat(tmp_dir_, "/deleted-", id);
  DVREN_RETURN_IF_ERROR(RenamePath(absl::StrCat(fields_dir_, "/", id), grave, faults_));
  const absl::Status synced = SyncDirectory(fields_dir_, faults_);
  RemoveTree(grave);
  return synced;
}

}  // namespace dvren::server
