// SessionLease: a training session in a field's place: its values as they are, for one render.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "dvren/core/stream.h"
#include "dvren/fields/field.h"
#include "server/registries/gradient_registry.h"
#include "server/registries/session_registry.h"

namespace dvren::server {

struct SessionLease {
  TrainingSession::Hold hold;  // first, to be let go last
  std::shared_ptr<const Field> field;
  FieldKey key;  // the session's name and step
};

[[nodiscard]] bool IsSessionName(const std::string& name);

// On a device worker. FAILED_PRECONDITION on another device than the session's, ABORTED when it is not at
// `expected_step` (0: any).
[[nodiscard]] absl::StatusOr<SessionLease> AcquireSession(SessionRegistry& sessions, Stream& stream,
                                                          const std::string& tenant, const std::string& name,
                                                          std::uint64_t expected_step);

}  // namespace dvren::server
