#include "server/services/tape_freshness.h"

namespace dvren::server {

absl::Status CheckTapeFresh(const FieldRegistry& fields, const std::string& name, const KeptTape& tape) {
  // A field keeps its Field object per version, so that the engine's own check cannot see an update.
  const absl::StatusOr<v1::Field> now = fields.Get(tape.owner, tape.field);
  if (now.ok() && now->version() == tape.field_version) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat("tape = ", name, ": is of version ", tape.field_version, " of ", tape.field,
                                         now.ok() ? absl::StrCat(", which has version ", now->version(), " by now")
                                                  : std::string(", which has been deleted"),
                                         "; run Forward again"));
}

}  // namespace dvren::server
