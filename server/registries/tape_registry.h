// TapeRegistry: tapes that Forward has made, by name and owner, for a limited time after their last use. Their memory
// comes out of a budget. Thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "dvren/render/tape.h"
#include "dvren/v1/scene.pb.h"
#include "google/protobuf/duration.pb.h"
#include "server/jobs/time_source.h"
#include "server/registries/byte_budget.h"

namespace dvren::server {

// A tape, and what Backward must know besides. Freed, and its bytes given back, when the last holder lets go.
struct KeptTape {
  Tape tape;
  std::string owner;                // tenant
  std::string field;                // "fields/{id}"
  std::uint64_t field_version = 0;  // that the forward saw; as the field's description has it
  v1::AxisConvention convention = v1::AXIS_CONVENTION_OPENCV;  // in which the camera was given
  ByteCharge charge;

  [[nodiscard]] const std::string& device() const { return tape.plan()->device()->info().id; }
  // What dL/d(image) must cover; (0, 0, N, 1) for given rays.
  [[nodiscard]] Roi roi() const;
};

struct TapeRegistryOptions {
  std::uint64_t max_bytes = ByteBudgetOptions::kUnlimited;         // of all tapes
  std::uint64_t max_tenant_bytes = ByteBudgetOptions::kUnlimited;  // of one tenant's
  std::chrono::seconds lease{300};                                 // unless a request says
  std::chrono::seconds max_lease{3600};
  std::shared_ptr<TimeSource> time;  // absent: the steady clock
};

class TapeRegistry {
 public:
  explicit TapeRegistry(TapeRegistryOptions options);
  ~TapeRegistry();

  // How long a request asks to keep its tape; absent: the default. INVALID_ARGUMENT beyond the bounds.
  [[nodiscard]] absl::StatusOr<std::chrono::nanoseconds> DecodeLease(const google::protobuf::Duration* asked) const;
  // Room for a tape that is about to be made. RESOURCE_EXHAUSTED when there is none.
  [[nodiscard]] absl::StatusOr<ByteCharge> Reserve(const std::string& tenant, std::uint64_t bytes);

  struct Ticket {
    std::string name;  // "tapes/{id}", random
    std::chrono::system_clock::time_point expires;
  };
  // RESOURCE_EXHAUSTED when the owner has very many already.
  [[nodiscard]] absl::StatusOr<Ticket> Keep(KeptTape tape, std::chrono::nanoseconds lease);
  // Starts its lease anew; while somebody holds what this gives, the lease does not end. Another tenant's tape, one
  // that has expired and one that was released are NOT_FOUND.
  [[nodiscard]] absl::StatusOr<std::shared_ptr<const KeptTape>> Use(const std::string& tenant, const std::string& name);
  // Those who hold it keep it.
  [[nodiscard]] absl::Status Release(const std::string& tenant, const std::string& name);

  [[nodiscard]] std::size_t count() const;
  [[nodiscard]] std::uint64_t bytes() const;  // of tapes, kept or held or about to be made

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dvren::server
