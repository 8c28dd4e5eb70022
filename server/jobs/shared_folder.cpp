#include "server/jobs/shared_folder.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/jobs/postgres_connection.h"
#include "server/registries/digest.h"
#include "server/registries/durable_file.h"

namespace dvren::server {
namespace {

constexpr char kMark[] = "queue";  // the file in the folder with the queue's id
constexpr std::size_t kMaxMark = 256;

absl::Status Refused(const std::string& folder, absl::string_view why) {
  return absl::FailedPreconditionError(absl::StrCat("store.objects = ", folder, ": ", why));
}

// The row of the queue is locked meanwhile: daemons that start together come one after the other.
absl::StatusOr<std::string> Claim(PostgresConnection& connection, const std::string& folder) {
  DVREN_ASSIGN_OR_RETURN(const PostgresRows rows, connection.Query("SELECT id, marked FROM shared_folder FOR UPDATE"));
  if (rows.size() != 1) {
    return absl::DataLossError(absl::StrCat("jobs.store = ", connection.name(),
                                            ": table shared_folder must have one row; restore it from a backup"));
  }
  const std::string id = rows.Text(0, 0);
  const bool marked = rows.Integer(0, 1) != 0;
  const std::string path = absl::StrCat(folder, "/", kMark);
  const absl::StatusOr<std::string> mark = ReadSmallFile(path, kMaxMark);
  if (mark.ok()) {
    if (absl::StripSuffix(*mark, "\n") != id) {
      return Refused(folder, "belongs to another queue than jobs.store; give each queue a folder of its own");
    }
  } else if (!absl::IsNotFound(mark.status())) {
    return mark.status();
  } else if (marked) {
    return Refused(folder, absl::StrCat("is not the folder of this queue, or is not mounted; name the one that has ",
                                        id, " in its file ", kMark));
  } else {
    DVREN_RETURN_IF_ERROR(MakeDirectories(folder));
    // By a rename: a crash leaves no half of it. A name of its own, where one was left.
    const std::string next = absl::StrCat(path, ".", RandomId());
    DVREN_RETURN_IF_ERROR(WriteFileDurably(next, id + "\n", nullptr));
    DVREN_RETURN_IF_ERROR(RenamePath(next, path, nullptr));
    DVREN_RETURN_IF_ERROR(SyncDirectory(folder, nullptr));
  }
  if (!marked) DVREN_RETURN_IF_ERROR(connection.Run("UPDATE shared_folder SET marked = true"));
  return id;
}

}  // namespace

absl::StatusOr<std::string> ClaimSharedFolder(const std::string& url, const std::string& folder) {
  DVREN_ASSIGN_OR_RETURN(const std::unique_ptr<PostgresConnection> connection, PostgresConnection::Open(url));
  DVREN_RETURN_IF_ERROR(connection->Run("BEGIN"));
  absl::StatusOr<std::string> id = Claim(*connection, folder);
  if (!id.ok()) {
    connection->Run("ROLLBACK").IgnoreError();
    return id;
  }
  DVREN_RETURN_IF_ERROR(connection->Run("COMMIT"));
  return id;
}

}  // namespace dvren::server
