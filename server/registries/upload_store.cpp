#include "server/registries/upload_store.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "absl/strings/numbers.h"
#include "google/protobuf/util/json_util.h"
#include "server/registries/digest.h"

namespace dvren::server {
namespace {

constexpr char kNamePrefix[] = "uploads/";
constexpr char kDataFile[] = "/data.bin";
constexpr char kHeaderFile[] = "/header.json";
constexpr char kOwnerFile[] = "/owner";
constexpr char kSyncedFile[] = "/synced";
constexpr std::size_t kMaxSmallFile = std::size_t{1} << 20;
constexpr std::uint64_t kSyncEvery = std::uint64_t{64} << 20;  // at most this much is sent again after a power cut

v1::Upload UploadMessage(const std::string& id, std::uint64_t received, std::uint64_t total) {
  v1::Upload upload;
  upload.set_name(kNamePrefix + id);
  upload.set_received_bytes(received);
  upload.set_total_bytes(total);
  upload.set_complete(received == total);
  return upload;
}

absl::Status NoSuchUpload(const std::string& name) {
  return absl::NotFoundError(absl::StrCat("upload = ", name, ": no such upload; it may have expired, send it again"));
}

}  // namespace

UploadStore::UploadStore(const UploadStoreOptions& options)
    : options_([&] {
        UploadStoreOptions complete = options;
        if (!complete.now) complete.now = [] { return std::chrono::system_clock::now(); };
        return complete;
      }()),
      uploads_dir_(absl::StrCat(options.data_dir, "/uploads")) {}

absl::StatusOr<std::unique_ptr<UploadStore>> UploadStore::Open(const UploadStoreOptions& options) {
  std::unique_ptr<UploadStore> store(new UploadStore(options));
  DVREN_RETURN_IF_ERROR(MakeDirectories(store->uploads_dir_));
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(store->uploads_dir_, error)) {
    const std::string id = entry.path().filename().string();
    // What cannot be read was never acknowledged: its sender begins again.
    if (!store->LoadOne(id).ok()) RemoveTree(store->Folder(id));
  }
  if (error) return ErrnoStatus(error.value(), "list", store->uploads_dir_);
  const std::lock_guard lock(store->mutex_);
  store->DropExpiredLocked();
  return store;
}

std::string UploadStore::Folder(const std::string& id) const {
  return absl::StrCat(uploads_dir_, "/", id);
}

absl::Status UploadStore::LoadOne(const std::string& id) {
  const std::string folder = Folder(id);
  Record record;
  DVREN_ASSIGN_OR_RETURN(const std::string json, ReadSmallFile(folder + kHeaderFile, kMaxSmallFile));
  if (!google::protobuf::util::JsonStringToMessage(json, &record.header).ok())
    return absl::DataLossError("header.json");
  DVREN_ASSIGN_OR_RETURN(record.owner, ReadSmallFile(folder + kOwnerFile, kMaxSmallFile));
  std::uint64_t synced = 0;
  if (const auto text = ReadSmallFile(folder + kSyncedFile, kMaxSmallFile);
      text.ok() && !absl::SimpleAtoi(*text, &synced)) {
    return absl::DataLossError("synced");
  }
  struct stat info {};
  const std::string data = folder + kDataFile;
  if (::stat(data.c_str(), &info) != 0) return ErrnoStatus(errno, "stat", data);
  // What is beyond the synced part may be a hole that a power cut left.
  record.received = std::min({synced, static_cast<std::uint64_t>(info.st_size), record.header.total_bytes()});
  record.touched = std::chrono::system_clock::from_time_t(info.st_mtime);
  records_[id] = std::move(record);
  return absl::OkStatus();
}

UploadStore::Records::const_iterator UploadStore::FindLocked(const std::string& tenant, const std::string& name) const {
  const std::string prefix = kNamePrefix;
  if (name.compare(0, prefix.size(), prefix) == 0) {
    const auto found = records_.find(name.substr(prefix.size()));
    return found != records_.end() && found->second.owner == tenant ? found : records_.end();
  }
  if (name.empty()) return records_.end();
  return std::find_if(records_.begin(), records_.end(), [&](const auto& entry) {
    return entry.second.owner == tenant && entry.second.header.request_id() == name;
  });
}

void UploadStore::DropExpiredLocked() {
  const auto now = options_.now();
  for (auto it = records_.begin(); it != records_.end();) {
    const auto next = std::next(it);
    if (!it->second.leased && now - it->second.touched > options_.keep) {
      RemoveTree(Folder(it->first));
      records_.erase(it);
    }
    it = next;
  }
}

absl::Status UploadStore::WriteHeader(const std::string& id, const std::string& tenant,
                                      const v1::UploadHeader& header) const {
  std::string json;
  if (const auto status = google::protobuf::util::MessageToJsonString(header, &json); !status.ok()) {
    return absl::InternalError(absl::StrCat("store: describe the upload: ", std::string(status.message())));
  }
  const std::string folder = Folder(id);
  DVREN_RETURN_IF_ERROR(MakeDirectories(folder));
  DVREN_RETURN_IF_ERROR(WriteFileDurably(folder + kHeaderFile, json, options_.faults));
  DVREN_RETURN_IF_ERROR(WriteFileDurably(folder + kOwnerFile, tenant, options_.faults));
  DVREN_RETURN_IF_ERROR(SyncDirectory(folder, options_.faults));
  return SyncDirectory(uploads_dir_, options_.faults);
}

absl::StatusOr<std::unique_ptr<UploadLease>> UploadStore::Begin(const std::string& tenant,
                                                                const v1::UploadHeader& header) {
  if (header.total_bytes() == 0)
    return InvalidField("header.total_bytes", 0, "must be the size of the whole upload, > 0");
  if (header.total_bytes() > options_.max_upload_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("header.total_bytes = ", header.total_bytes(),
                     ": must be at most limits.max_upload_bytes = ", options_.max_upload_bytes));
  }
  const std::string id = RandomId();
  {
    const std::lock_guard lock(mutex_);
    DropExpiredLocked();
    if (const auto earlier = FindLocked(tenant, header.request_id()); earlier != records_.end()) {
      if (earlier->second.leased) {
        return absl::AbortedError(
            absl::StrCat("request_id = ", header.request_id(), ": still being sent by another call; retry later"));
      }
      RemoveTree(Folder(earlier->first));
      records_.erase(earlier);
    }
    const auto mine = std::count_if(records_.begin(), records_.end(),
                                    [&](const auto& entry) { return entry.second.owner == tenant; });
    if (static_cast<std::size_t>(mine) >= options_.max_uploads_per_tenant) {
      return absl::ResourceExhaustedError(
          absl::StrCat("uploads = ", mine, ": at most ", options_.max_uploads_per_tenant,
                       " may be unfinished; finish some, or wait a day for them to expire"));
    }
    Record record;
    record.owner = tenant;
    record.header = header;
    record.leased = true;
    record.touched = options_.now();
    records_[id] = std::move(record);
  }
  const auto open = [&]() -> absl::StatusOr<DurableFile> {
    DVREN_RETURN_IF_ERROR(WriteHeader(id, tenant, header));
    return DurableFile::Open(Folder(id) + kDataFile, /*append=*/true, options_.faults);
  };
  auto file = open();
  if (!file.ok()) {
    Release(id, 0, /*remove=*/true);
    return file.status();
  }
  return std::unique_ptr<UploadLease>(new UploadLease(*this, id, header, 0, *std::move(file)));
}

absl::StatusOr<std::unique_ptr<UploadLease>> UploadStore::Resume(const std::string& tenant, const std::string& name) {
  std::string id;
  v1::UploadHeader header;
  std::uint64_t received = 0;
  {
    const std::lock_guard lock(mutex_);
    DropExpiredLocked();
    const auto found = FindLocked(tenant, name);
    if (found == records_.end()) return NoSuchUpload(name);
    if (found->second.leased)
      return absl::AbortedError(absl::StrCat("upload = ", name, ": another call is using it; retry later"));
    id = found->first;
    header = found->second.header;
    received = found->second.received;
    records_[id].leased = true;
  }
  auto file = DurableFile::Open(Folder(id) + kDataFile, /*append=*/true, options_.faults);
  const absl::Status status = file.ok() ? file->Truncate(received) : file.status();
  if (!status.ok()) {
    Release(id, received, /*remove=*/false);
    return status;
  }
  return std::unique_ptr<UploadLease>(new UploadLease(*this, id, std::move(header), received, *std::move(file)));
}

absl::StatusOr<v1::Upload> UploadStore::Get(const std::string& tenant, const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto found = FindLocked(tenant, name);
  if (found == records_.end()) return NoSuchUpload(name);
  return UploadMessage(found->first, found->second.received, found->second.header.total_bytes());
}

void UploadStore::Advance(const std::string& id, std::uint64_t received) {
  const std::lock_guard lock(mutex_);
  records_[id].received = received;
}

void UploadStore::Release(const std::string& id, std::uint64_t received, bool remove) {
  if (remove) RemoveTree(Folder(id));
  const std::lock_guard lock(mutex_);
  if (remove) {
    records_.erase(id);
    return;
  }
  Record& record = records_[id];
  record.received = received;
  record.leased = false;
  record.touched = options_.now();
}

UploadLease::~UploadLease() {
  // Best effort: what is not synced is sent again.
  if (!discard_) static_cast<void>(Sync());
  store_.Release(id_, received_, discard_);
}

std::string UploadLease::name() const {
  return kNamePrefix + id_;
}

v1::Upload UploadLease::Describe() const {
  return UploadMessage(id_, received_, header_.total_bytes());
}

std::string UploadLease::data_path() const {
  return store_.Folder(id_) + kDataFile;
}

absl::Status UploadLease::Append(const v1::Chunk& chunk) {
  const std::string& data = chunk.data();
  if (chunk.offset() != received_) {
    return InvalidField("chunk.offset", chunk.offset(),
                        absl::StrCat("must be ", received_, ", where ", name(), " goes on; see GetUpload"));
  }
  if (data.empty() || data.size() > kMaxChunkBytes) {
    return InvalidField("chunk.data", absl::StrCat(data.size(), " bytes"),
                        absl::StrCat("must hold 1 to ", kMaxChunkBytes));
  }
  if (data.size() > header_.total_bytes() - received_) {
    return InvalidField("chunk.data", absl::StrCat(data.size(), " bytes at ", received_),
                        absl::StrCat("exceeds header.total_bytes = ", header_.total_bytes()));
  }
  if (chunk.has_crc32c()) {
    if (const std::uint32_t crc = Crc32c(data.data(), data.size()); crc != chunk.crc32c()) {
      return absl::DataLossError(absl::StrCat("chunk.crc32c = ", chunk.crc32c(), ": the data at offset ", received_,
                                              " has ", crc, "; send it again from there"));
    }
  }
  if (const absl::Status status = file_.Append(data.data(), data.size()); !status.ok()) {
    static_cast<void>(file_.Truncate(received_));  // gives the room back; should it fail, resuming truncates again
    return status;
  }
  received_ += data.size();
  unsynced_ += data.size();
  store_.Advance(id_, received_);
  return unsynced_ >= kSyncEvery ? Sync() : absl::OkStatus();
}

absl::Status UploadLease::Sync() {
  if (unsynced_ == 0) return absl::OkStatus();
  const FileFaults& faults = store_.options_.faults;
  const std::string synced = store_.Folder(id_) + kSyncedFile;
  const std::string next = synced + ".next";
  DVREN_RETURN_IF_ERROR(file_.Sync());
  RemoveTree(next);
  DVREN_RETURN_IF_ERROR(WriteFileDurably(next, absl::StrCat(received_), faults));
  DVREN_RETURN_IF_ERROR(RenamePath(next, synced, faults));
  DVREN_RETURN_IF_ERROR(SyncDirectory(store_.Folder(id_), faults));
  unsynced_ = 0;
  return absl::OkStatus();
}

}  // namespace dvren::server
