#include "server/services/artifact_download.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "server/codec/job_codec.h"
#include "server/metrics/metrics.h"
#include "server/registries/upload_store.h"

namespace dvren::server {

ArtifactDownload::ArtifactDownload(ServiceContext& context, JobStore& jobs, const ObjectStore& objects,
                                   WorkerPool& files, grpc::CallbackServerContext* call,
                                   const v1::DownloadArtifactRequest& request)
    : context_(context), files_(files), scope_(context, call, "JobService/DownloadArtifact") {
  if (const absl::Status status = Open(jobs, objects, request); !status.ok()) {
    End(status);
    return;
  }
  Post(&ArtifactDownload::SendFirst);
}

absl::Status ArtifactDownload::Open(JobStore& jobs, const ObjectStore& objects,
                                    const v1::DownloadArtifactRequest& request) {
  if (!scope_.tenant().ok()) return scope_.tenant().status();
  DVREN_ASSIGN_OR_RETURN(const JobId id, DecodeJobName(request.name()));
  DVREN_RETURN_IF_ERROR(jobs.Get(*scope_.tenant(), id).status());
  DVREN_ASSIGN_OR_RETURN(const std::vector<JobArtifact> artifacts, jobs.Artifacts(id));
  const auto it = std::find_if(artifacts.begin(), artifacts.end(), [&](const JobArtifact& artifact) {
    return artifact.name == request.artifact() && !IsInput(artifact.name);
  });
  if (it == artifacts.end()) {
    return absl::NotFoundError(absl::StrCat("artifact = ", request.artifact(), ": jobs/", id,
                                            " has none of this name; dvrenctl job artifacts ", id, " lists them"));
  }
  artifact_ = *it;
  if (request.offset() > artifact_.bytes) {
    return InvalidField("offset", request.offset(), absl::StrCat("must be at most bytes = ", artifact_.bytes));
  }
  offset_ = request.offset();
  absl::StatusOr<FileHandle> file = objects.Read(artifact_.sha256);
  if (!file.ok()) {
    return absl::DataLossError(absl::StrCat("artifact = ", artifact_.name,
                                            ": its file is gone; dvrend --check-store "
                                            "lists what is missing"));
  }
  file_ = *std::move(file);
  return absl::OkStatus();
}

void ArtifactDownload::Post(void (ArtifactDownload::*task)()) {
  if (!files_.Post([this, task] { (this->*task)(); })) {
    End(absl::ResourceExhaustedError("downloads: too many at once; retry later"));
  }
}

void ArtifactDownload::SendFirst() {
  // A resumed download reads what it skips, so that its end can be vouched for as well.
  std::string skipped;
  for (std::uint64_t at = 0; at < offset_; at += skipped.size()) {
    skipped.resize(static_cast<std::size_t>(std::min<std::uint64_t>(4 * kMaxChunkBytes, offset_ - at)));
    if (const absl::Status status = file_.ReadAt(skipped.data(), skipped.size(), at, artifact_.name); !status.ok()) {
      return End(status);
    }
    hash_.Update(skipped.data(), skipped.size());
  }
  EncodeArtifact(artifact_, message_.mutable_artifact());
  StartWrite(&message_);
}

void ArtifactDownload::OnWriteDone(bool ok) {
  if (!ok) return End(absl::CancelledError("the caller went away"));
  Post(&ArtifactDownload::SendNext);
}

void ArtifactDownload::SendNext() {
  message_.Clear();
  const std::uint64_t rest = artifact_.bytes - offset_;
  if (rest == 0) {
    return End(absl::BytesToHexString(hash_.Finish()) == artifact_.sha256
                   ? absl::OkStatus()
                   : absl::DataLossError(absl::StrCat("artifact = ", artifact_.name,
                                                      ": the stored file is damaged (SHA-256 differs); discard what "
                                                      "was received")));
  }
  v1::Chunk* chunk = message_.mutable_chunk();
  std::string* data = chunk->mutable_data();
  data->resize(static_cast<std::size_t>(std::min<std::uint64_t>(rest, kMaxChunkBytes)));
  if (const absl::Status status = file_.ReadAt(data->data(), data->size(), offset_, artifact_.name); !status.ok()) {
    return End(status);
  }
  hash_.Update(data->data(), data->size());
  chunk->set_offset(offset_);
  chunk->set_crc32c(Crc32c(data->data(), data->size()));
  offset_ += data->size();
  context_.metrics.Transferred("out", static_cast<double>(data->size()));
  StartWrite(&message_);
}

void ArtifactDownload::End(const absl::Status& status) {
  Finish(scope_.Finish(status));
}

}  // namespace dvren::server
