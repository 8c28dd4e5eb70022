// UploadStore: bytes on their way to becoming a field. `data_dir/uploads/{id}/` holds data.bin, header.json (what the
// sender said at the begin), owner and synced (how many bytes are known to be on disk). A cut upload stays for a day
// and goes on where it ended, across restarts too. Thread-safe; of one upload there is one lease at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "dvren/v1/field_service.pb.h"
#include "server/registries/durable_file.h"

namespace dvren::server {

inline constexpr std::uint64_t kMaxChunkBytes = std::uint64_t{1} << 20;

class UploadLease;

struct UploadStoreOptions {
  std::string data_dir;
  std::uint64_t max_upload_bytes = std::uint64_t{8} << 30;
  std::size_t max_uploads_per_tenant = 64;
  std::chrono::seconds keep{24 * 3600};
  FileFaults faults;                                           // for tests
  std::function<std::chrono::system_clock::time_point()> now;  // for tests; the system's clock without
};

class UploadStore {
 public:
  // Takes up what earlier runs left, and removes what is too old.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<UploadStore>> Open(const UploadStoreOptions& options);

  // A new upload. With the request_id of an earlier one of the same tenant, that one is dropped: its sender starts
  // again.
  [[nodiscard]] absl::StatusOr<std::unique_ptr<UploadLease>> Begin(const std::string& tenant,
                                                                   const v1::UploadHeader& header);
  // Goes on with an upload, by "uploads/{id}" or request_id. ABORTED while another call holds it.
  [[nodiscard]] absl::StatusOr<std::unique_ptr<UploadLease>> Resume(const std::string& tenant, const std::string& name);
  // Another tenant's upload is NOT_FOUND.
  [[nodiscard]] absl::StatusOr<v1::Upload> Get(const std::string& tenant, const std::string& name) const;

 private:
  friend class UploadLease;
  struct Record {
    std::string owner;
    v1::UploadHeader header;
    std::uint64_t received = 0;
    bool leased = false;
    std::chrono::system_clock::time_point touched;
  };
  using Records = std::map<std::string, Record>;  // by id

  explicit UploadStore(const UploadStoreOptions& options);
  [[nodiscard]] std::string Folder(const std::string& id) const;
  [[nodiscard]] absl::Status LoadOne(const std::string& id);
  [[nodiscard]] absl::Status WriteHeader(const std::string& id, const std::string& tenant,
                                         const v1::UploadHeader& header) const;
  // Needs mutex_.
  [[nodiscard]] Records::const_iterator FindLocked(const std::string& tenant, const std::string& name) const;
  void DropExpiredLocked();
  void Advance(const std::string& id, std::uint64_t received);
  void Release(const std::string& id, std::uint64_t received, bool remove);

  const UploadStoreOptions options_;
  const std::string uploads_dir_;
  mutable std::mutex mutex_;
  Records records_;  // guarded by mutex_
};

// The one right to write an upload or to read it as a whole. Not thread-safe. When it goes, what arrived is synced and
// waits to be resumed, unless Discard was called.
class UploadLease {
 public:
  ~UploadLease();
  UploadLease(const UploadLease&) = delete;
  UploadLease& operator=(const UploadLease&) = delete;

  [[nodiscard]] std::string name() const;  // "uploads/{id}"
  [[nodiscard]] const v1::UploadHeader& header() const { return header_; }
  [[nodiscard]] std::uint64_t received() const { return received_; }
  [[nodiscard]] bool complete() const { return received_ == header_.total_bytes(); }
  [[nodiscard]] v1::Upload Describe() const;

  // The next piece. INVALID_ARGUMENT for a wrong offset or size, DATA_LOSS for a wrong CRC, RESOURCE_EXHAUSTED for a
  // full disk; after an error the upload is as it was before.
  [[nodiscard]] absl::Status Append(const v1::Chunk& chunk);
  // Everything that has arrived is on disk.
  [[nodiscard]] absl::Status Sync();
  // The file; whole when complete().
  [[nodiscard]] std::string data_path() const;
  // The upload is removed when the lease goes.
  void Discard() { discard_ = true; }

 private:
  friend class UploadStore;
  UploadLease(UploadStore& store, std::string id, v1::UploadHeader header, std::uint64_t received, DurableFile file)
      : store_(store), id_(std::move(id)), header_(std::move(header)), received_(received), file_(std::move(file)) {}
  UploadStore& store_;
  const std::string id_;
  const v1::UploadHeader header_;
  std::uint64_t received_;
  std::uint64_t unsynced_ = 0;
  DurableFile file_;
  bool discard_ = false;
};

}  // namespace dvren::server
