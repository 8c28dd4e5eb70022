#include "server/services/session_lease.h"

#include <utility>

#include "absl/strings/match.h"

namespace dvren::server {

bool IsSessionName(const std::string& name) {
  return absl::StartsWith(name, "sessions/");
}

absl::StatusOr<SessionLease> AcquireSession(SessionRegistry& sessions, Stream& stream, const std::string& tenant,
                                            const std::string& name, std::uint64_t expected_step) {
  DVREN_ASSIGN_OR_RETURN(const std::shared_ptr<TrainingSession> session, sessions.Find(tenant, name));
  const std::string& device = stream.device()->info().id;
  if (device != session->device()) {
    return absl::FailedPreconditionError(absl::StrCat("device = ", device, ": ", name, " trains on ", session->device(),
                                                      "; leave device out, or publish the field"));
  }
  SessionLease lease;
  lease.hold = session->HoldValues();
  lease.key.owner = tenant;
  lease.key.name = name;
  lease.key.version = static_cast<std::uint64_t>(session->step());
  if (expected_step != 0 && expected_step != lease.key.version) {
    return absl::AbortedError(absl::StrCat("field_version = ", expected_step, ": ", name, " is at step ",
                                           lease.key.version, "; leave it out for the values as they are"));
  }
  lease.field = session->trainer().field();
  return lease;
}

}  // namespace dvren::server
