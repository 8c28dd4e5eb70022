// SessionRegistry: training sessions by name and owner. Their memory comes out of a budget, their number is limited,
// and one that nobody uses is handed to whoever saves and closes it. Thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/registries/training_session.h"

namespace dvren::server {

struct SessionRegistryOptions {
  int max_sessions = 16;                                           // of all tenants
  std::uint64_t max_bytes = ByteBudgetOptions::kUnlimited;         // of all sessions
  std::uint64_t max_tenant_bytes = ByteBudgetOptions::kUnlimited;  // of one tenant's
  std::chrono::seconds idle{3600};
  std::shared_ptr<TimeSource> time;  // absent: the steady clock
};

class SessionRegistry {
 public:
  explicit SessionRegistry(SessionRegistryOptions options);
  ~SessionRegistry();  // after OnIdle(nullptr), or when no call of it can be under way

  // A session in the making: holds its place among max_sessions and its request id.
  class Place {
   public:
    Place() = default;
    Place(Place&&) noexcept = default;
    Place& operator=(Place&& other) noexcept;
    ~Place();

   private:
    friend class SessionRegistry;
    struct Claim;
    std::shared_ptr<Claim> claim_;
  };
  // RESOURCE_EXHAUSTED when there are max_sessions, ABORTED while the same request is being carried out.
  [[nodiscard]] absl::StatusOr<Place> Reserve(const std::string& tenant, const std::string& request_id);
  // The session that an earlier request with this id made, if it is still there.
  [[nodiscard]] std::shared_ptr<TrainingSession> FindCreated(const std::string& tenant, const std::string& request_id);
  // Room for `bytes`. RESOURCE_EXHAUSTED when there is none.
  [[nodiscard]] absl::StatusOr<ByteCharge> Charge(const std::string& tenant, std::uint64_t bytes);
  [[nodiscard]] std::shared_ptr<TrainingSession> Add(Place place, SessionParts parts);

  // Counts as use. Another tenant's session, and one that was closed, are NOT_FOUND.
  [[nodiscard]] absl::StatusOr<std::shared_ptr<TrainingSession>> Find(const std::string& tenant,
                                                                      const std::string& name);
  [[nodiscard]] std::vector<std::shared_ptr<TrainingSession>> List(const std::string& tenant) const;  // oldest first
  [[nodiscard]] std::vector<std::shared_ptr<TrainingSession>> All() const;
  // Those who hold it keep it; who trains it stops.
  [[nodiscard]] absl::Status Close(const std::string& tenant, const std::string& name);
  // With expire_time.
  [[nodiscard]] v1::Session Describe(const TrainingSession& session) const;

  // Called on a thread of the registry's with a session that has been idle for long: to be saved and closed, or else it
  // is asked for again after the same time. Null: no more; returns when no call is under way.
  void OnIdle(std::function<void(const std::shared_ptr<TrainingSession>&)> on_idle);

  // From now on whoever trains should save and stop.
  void BeginDrain();
  [[nodiscard]] bool draining() const;

  [[nodiscard]] std::size_t count() const;
  [[nodiscard]] std::uint64_t bytes() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  // shared with places
};

}  // namespace dvren::server
