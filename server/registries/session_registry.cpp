#include "server/registries/session_registry.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <set>
#include <thread>
#include <utility>

#include "google/protobuf/util/time_util.h"
#include "server/jobs/mutex.h"
#include "server/registries/digest.h"
#include "server/registries/display_name.h"

namespace dvren::server {
namespace {

using Session = std::shared_ptr<TrainingSession>;
using OwnedName = std::pair<std::string, std::string>;  // tenant, request id

ByteBudgetOptions BudgetOf(const SessionRegistryOptions& options) {
  ByteBudgetOptions budget;
  budget.key = "training.max_bytes";
  budget.bytes = options.max_bytes;
  budget.tenant_key = "training.max_tenant_bytes";
  budget.tenant_bytes = options.max_tenant_bytes;
  budget.remedy = "close sessions (CloseSession), train at a lower resolution, or scale the photographs down";
  return budget;
}

}  // namespace

struct SessionRegistry::Impl {
  explicit Impl(SessionRegistryOptions o) : options(std::move(o)), budget(BudgetOf(options)) {
    if (options.time == nullptr) options.time = std::make_shared<TimeSource>();
  }

  struct Entry {
    Session session;
    std::uint64_t order = 0;
    std::string request_id;
  };

  // Hands over what has been idle for long, once per idle time.
  void Reap() DVREN_EXCLUDES(mutex) {
    MutexLock lock(mutex);
    while (!stopping) {
      const Clock::time_point now = options.time->Now();
      Clock::time_point next = now + std::chrono::hours(1);
      std::vector<Session> idle;
      if (on_idle) {
        for (const auto& [name, entry] : entries) {
          const std::optional<Clock::time_point> since = entry.session->idle_since();
          const Clock::time_point due = (since ? *since : now) + options.idle;
          if (due <= now) {
            entry.session->Touch();
            idle.push_back(entry.session);
          }
          next = std::min(next, std::max(due, now + std::chrono::milliseconds(1)));
        }
      }
      if (!idle.empty()) {
        const auto call = on_idle;
        calling = true;
        lock.Unlock();
        for (const Session& session : idle) call(session);
        idle.clear();
        lock.Lock();
        calling = false;
        changed.notify_all();
      } else {
        options.time->WaitUntil(changed, lock.native(), next);
      }
    }
  }

  SessionRegistryOptions options;
  ByteBudget budget;
  mutable Mutex mutex;
  std::condition_variable changed;                               // entries, on_idle, calling or stopping
  std::map<std::string, Entry> entries DVREN_GUARDED_BY(mutex);  // by "sessions/{id}"
  int being_made DVREN_GUARDED_BY(mutex) = 0;
  std::set<OwnedName> requests_being_made DVREN_GUARDED_BY(mutex);
  std::uint64_t next_order DVREN_GUARDED_BY(mutex) = 0;
  std::function<void(const Session&)> on_idle DVREN_GUARDED_BY(mutex);
  bool calling DVREN_GUARDED_BY(mutex) = false;
  bool draining DVREN_GUARDED_BY(mutex) = false;
  bool stopping DVREN_GUARDED_BY(mutex) = false;
  std::thread reaper;
};

struct SessionRegistry::Place::Claim {
  std::shared_ptr<Impl> registry;
  OwnedName request;
  ~Claim() {
    MutexLock lock(registry->mutex);
    --registry->being_made;
    registry->requests_being_made.erase(request);
  }
};

SessionRegistry::Place& SessionRegistry::Place::operator=(Place&& other) noexcept = default;
SessionRegistry::Place::~Place() = default;

SessionRegistry::SessionRegistry(SessionRegistryOptions options) : impl_(std::make_shared<Impl>(std::move(options))) {
  impl_->reaper = std::thread([impl = impl_.get()] { impl->Reap(); });
}

SessionRegistry::~SessionRegistry() {
  {
    MutexLock lock(impl_->mutex);
    impl_->stopping = true;
    impl_->changed.notify_all();
  }
  impl_->reaper.join();
}

absl::StatusOr<SessionRegistry::Place> SessionRegistry::Reserve(const std::string& tenant,
                                                                const std::string& request_id) {
  DVREN_RETURN_IF_ERROR(ValidateRequestId(request_id));
  const OwnedName request{tenant, request_id};
  MutexLock lock(impl_->mutex);
  if (!request_id.empty() && impl_->requests_being_made.count(request) != 0) {
    return absl::AbortedError(absl::StrCat("request_id = ", request_id, ": still being carried out; retry later"));
  }
  const std::size_t sessions = impl_->entries.size() + static_cast<std::size_t>(impl_->being_made);
  if (sessions >= static_cast<std::size_t>(impl_->options.max_sessions)) {
    return absl::ResourceExhaustedError(absl::StrCat("sessions = ", sessions,
                                                     ": training.max_sessions = ", impl_->options.max_sessions,
                                                     "; close one (CloseSession) or wait until one expires"));
  }
  ++impl_->being_made;
  if (!request_id.empty()) impl_->requests_being_made.insert(request);
  lock.Unlock();
  Place place;
  place.claim_ = std::make_shared<Place::Claim>();
  place.claim_->registry = impl_;
  place.claim_->request = request;
  return place;
}

Session SessionRegistry::FindCreated(const std::string& tenant, const std::string& request_id) {
  if (request_id.empty()) return nullptr;
  MutexLock lock(impl_->mutex);
  for (const auto& [name, entry] : impl_->entries) {
    if (entry.request_id == request_id && entry.session->owner() == tenant) return entry.session;
  }
  return nullptr;
}

absl::StatusOr<ByteCharge> SessionRegistry::Charge(const std::string& tenant, std::uint64_t bytes) {
  return impl_->budget.Charge(tenant, bytes, "session");
}

Session SessionRegistry::Add(Place place, SessionParts parts) {
  *parts.description.mutable_create_time() = google::protobuf::util::TimeUtil::GetCurrentTime();
  auto session =
      std::make_shared<TrainingSession>(std::move(parts), absl::StrCat("sessions/", RandomId()), impl_->options.time);
  {
    MutexLock lock(impl_->mutex);
    impl_->entries[session->name()] = {session, impl_->next_order++, place.claim_->request.second};
    impl_->changed.notify_all();
  }
  return session;  // the place goes now that the session counts itself
}

absl::StatusOr<Session> SessionRegistry::Find(const std::string& tenant, const std::string& name) {
  MutexLock lock(impl_->mutex);
  const auto found = impl_->entries.find(name);
  if (found == impl_->entries.end() || found->second.session->owner() != tenant) {
    return absl::NotFoundError(
        absl::StrCat("session = ", name, ": no such session; it may have been closed or expired, see ListSessions"));
  }
  found->second.session->Touch();
  return found->second.session;
}

std::vector<Session> SessionRegistry::All() const {
  std::vector<Impl::Entry> entries;
  {
    MutexLock lock(impl_->mutex);
    for (const auto& [name, entry] : impl_->entries) entries.push_back(entry);
  }
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.order < b.order; });
  std::vector<Session> sessions;
  for (Impl::Entry& entry : entries) sessions.push_back(std::move(entry.session));
  return sessions;
}

std::vector<Session> SessionRegistry::List(const std::string& tenant) const {
  std::vector<Session> sessions = All();
  sessions.erase(std::remove_if(sessions.begin(), sessions.end(),
                                [&](const Session& session) { return session->owner() != tenant; }),
                 sessions.end());
  return sessions;
}

absl::Status SessionRegistry::Close(const std::string& tenant, const std::string& name) {
  DVREN_ASSIGN_OR_RETURN(const Session session, Find(tenant, name));
  {
    MutexLock lock(impl_->mutex);
    impl_->entries.erase(name);
  }
  session->Close();
  return absl::OkStatus();
}

v1::Session SessionRegistry::Describe(const TrainingSession& session) const {
  v1::Session message = session.Describe();
  const Clock::time_point now = impl_->options.time->Now();
  const Clock::time_point expires = session.idle_since().value_or(now) + impl_->options.idle;
  using google::protobuf::util::TimeUtil;
  *message.mutable_expire_time() =
      TimeUtil::GetCurrentTime() +
      TimeUtil::NanosecondsToDuration(std::chrono::duration_cast<std::chrono::nanoseconds>(expires - now).count());
  return message;
}

void SessionRegistry::OnIdle(std::function<void(const Session&)> on_idle) {
  MutexLock lock(impl_->mutex);
  impl_->on_idle = std::move(on_idle);
  impl_->changed.notify_all();
  while (impl_->calling && !impl_->on_idle) impl_->changed.wait(lock.native());
}

void SessionRegistry::BeginDrain() {
  {
    MutexLock lock(impl_->mutex);
    impl_->draining = true;
  }
  for (const Session& session : All()) session->Wake();
}

bool SessionRegistry::draining() const {
  MutexLock lock(impl_->mutex);
  return impl_->draining;
}

std::size_t SessionRegistry::count() const {
  MutexLock lock(impl_->mutex);
  return impl_->entries.size();
}

std::uint64_t SessionRegistry::bytes() const {
  return impl_->budget.used();
}

}  // namespace dvren::server
