#include "server/registries/tape_registry.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <thread>
#include <utility>
#include <vector>

#include "server/jobs/mutex.h"
#include "server/registries/digest.h"

namespace dvren::server {
namespace {

using std::chrono::nanoseconds;

// A tape of one ray takes bytes by the dozen, but its plan and its entry are not free.
constexpr std::size_t kMaxTapesPerTenant = 4096;

absl::Status NoSuchTape(const std::string& name) {
  return absl::NotFoundError(
      absl::StrCat("tape = ", name, ": no such tape; it may have expired or been used up: run Forward again"));
}

ByteBudgetOptions BudgetOf(const TapeRegistryOptions& options) {
  ByteBudgetOptions budget;
  budget.key = "tapes.max_bytes";
  budget.bytes = options.max_bytes;
  budget.tenant_key = "tapes.max_tenant_bytes";
  budget.tenant_bytes = options.max_tenant_bytes;
  budget.remedy = "release tapes (ReleaseTape), wait until some expire, or render fewer pixels at a time";
  return budget;
}

}  // namespace

Roi KeptTape::roi() const {
  return tape.has_rays() ? Roi{0, 0, static_cast<int>(tape.width()), 1} : tape.plan()->roi();
}

struct TapeRegistry::Impl {
  explicit Impl(TapeRegistryOptions o) : options(std::move(o)), budget(BudgetOf(options)) {
    if (options.time == nullptr) options.time = std::make_shared<TimeSource>();
    reaper = std::thread([this] { Reap(); });
  }

  ~Impl() {
    {
      MutexLock lock(mutex);
      stopping = true;
      changed.notify_all();
    }
    reaper.join();
  }

  struct Entry {
    std::shared_ptr<const KeptTape> tape;
    nanoseconds lease{0};
    Clock::time_point expires;
  };
  using Entries = std::map<std::string, Entry>;  // by "tapes/{id}"

  // Frees tapes when their time has come.
  void Reap() DVREN_EXCLUDES(mutex) {
    MutexLock lock(mutex);
    while (!stopping) {
      std::vector<std::shared_ptr<const KeptTape>> expired;
      const Clock::time_point now = options.time->Now();
      Clock::time_point next = now + std::chrono::hours(1);
      for (auto it = entries.begin(); it != entries.end();) {
        const auto following = std::next(it);
        if (it->second.tape.use_count() > 1 && it->second.expires <= now) {
          it->second.expires = now + it->second.lease;  // a pass that takes longer than the lease
        }
        if (it->second.expires <= now) {
          expired.push_back(std::move(it->second.tape));
          entries.erase(it);
        } else {
          next = std::min(next, it->second.expires);
        }
        it = following;
      }
      if (!expired.empty()) {  // memory is given back with no lock held
        lock.Unlock();
        expired.clear();
        lock.Lock();
      } else if (!stopping) {
        options.time->WaitUntil(changed, lock.native(), next);
      }
    }
  }

  // The tenant's tape, or end() where there is none by now.
  Entries::iterator Find(const std::string& tenant, const std::string& name) DVREN_REQUIRES(mutex) {
    const auto found = entries.find(name);
    if (found == entries.end() || found->second.tape->owner != tenant) return entries.end();
    const bool held = found->second.tape.use_count() > 1;
    return held || options.time->Now() < found->second.expires ? found : entries.end();
  }

  TapeRegistryOptions options;
  ByteBudget budget;
  mutable Mutex mutex;
  std::condition_variable changed;  // an earlier expiry, or stopping
  Entries entries DVREN_GUARDED_BY(mutex);
  bool stopping DVREN_GUARDED_BY(mutex) = false;
  std::thread reaper;
};

TapeRegistry::TapeRegistry(TapeRegistryOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
TapeRegistry::~TapeRegistry() = default;

absl::StatusOr<nanoseconds> TapeRegistry::DecodeLease(const google::protobuf::Duration* asked) const {
  if (asked == nullptr) return nanoseconds(impl_->options.lease);
  const auto text = [&] { return absl::StrCat(static_cast<double>(asked->seconds()) + 1e-9 * asked->nanos(), " s"); };
  // Seconds first: a duration of centuries does not fit nanoseconds.
  if (asked->seconds() < 0 || asked->nanos() < 0 || asked->nanos() > 999'999'999 ||
      (asked->seconds() == 0 && asked->nanos() == 0) || asked->seconds() > impl_->options.max_lease.count() ||
      (asked->seconds() == impl_->options.max_lease.count() && asked->nanos() > 0)) {
    return InvalidField(
        "lease", text(),
        absl::StrCat("must be > 0 and at most tapes.max_lease_s = ", impl_->options.max_lease.count(), " s"));
  }
  return std::chrono::seconds(asked->seconds()) + nanoseconds(asked->nanos());
}

absl::StatusOr<ByteCharge> TapeRegistry::Reserve(const std::string& tenant, std::uint64_t bytes) {
  return impl_->budget.Charge(tenant, bytes, "tape");
}

absl::StatusOr<TapeRegistry::Ticket> TapeRegistry::Keep(KeptTape tape, nanoseconds lease) {
  Ticket ticket;
  ticket.name = absl::StrCat("tapes/", RandomId());
  ticket.expires =
      std::chrono::system_clock::now() + std::chrono::duration_cast<std::chrono::system_clock::duration>(lease);
  const auto kept = std::make_shared<const KeptTape>(std::move(tape));
  MutexLock lock(impl_->mutex);
  const auto mine = std::count_if(impl_->entries.begin(), impl_->entries.end(),
                                  [&](const auto& entry) { return entry.second.tape->owner == kept->owner; });
  if (static_cast<std::size_t>(mine) >= kMaxTapesPerTenant) {
    return absl::ResourceExhaustedError(absl::StrCat("tapes = ", mine, ": at most ", kMaxTapesPerTenant,
                                                     " may be kept; release some (ReleaseTape) or ask for shorter "
                                                     "leases"));
  }
  impl_->entries[ticket.name] = {kept, lease, impl_->options.time->Now() + lease};
  impl_->changed.notify_one();
  return ticket;
}

absl::StatusOr<std::shared_ptr<const KeptTape>> TapeRegistry::Use(const std::string& tenant, const std::string& name) {
  MutexLock lock(impl_->mutex);
  const auto found = impl_->Find(tenant, name);
  if (found == impl_->entries.end()) return NoSuchTape(name);
  found->second.expires = impl_->options.time->Now() + found->second.lease;
  return found->second.tape;
}

absl::Status TapeRegistry::Release(const std::string& tenant, const std::string& name) {
  std::shared_ptr<const KeptTape> released;  // freed after the lock is gone
  MutexLock lock(impl_->mutex);
  const auto found = impl_->Find(tenant, name);
  if (found == impl_->entries.end()) return NoSuchTape(name);
  released = std::move(found->second.tape);
  impl_->entries.erase(found);
  lock.Unlock();
  return absl::OkStatus();
}

std::size_t TapeRegistry::count() const {
  MutexLock lock(impl_->mutex);
  return impl_->entries.size();
}

std::uint64_t TapeRegistry::bytes() const {
  return impl_->budget.used();
}

}  // namespace dvren::server
