#include "server/registries/byte_budget.h"

#include <map>
#include <mutex>
#include <utility>

namespace dvren::server {

struct ByteBudget::State {
  explicit State(ByteBudgetOptions o) : options(std::move(o)) {}

  // Replaces `old_bytes` of the tenant by `new_bytes`.
  absl::Status Change(const std::string& tenant, const std::string& what, std::uint64_t old_bytes,
                      std::uint64_t new_bytes) {
    const std::lock_guard lock(mutex);
    std::uint64_t& mine = by_tenant[tenant];
    const absl::Status status =
        new_bytes <= old_bytes ? absl::OkStatus() : CheckLocked(what, new_bytes, total - old_bytes, mine - old_bytes);
    if (status.ok()) {
      total = total - old_bytes + new_bytes;
      mine = mine - old_bytes + new_bytes;
    }
    if (mine == 0) by_tenant.erase(tenant);
    return status;
  }

  absl::Status CheckLocked(const std::string& what, std::uint64_t bytes, std::uint64_t others,
                           std::uint64_t tenants) const {
    const auto refuse = [&](const std::string& key, std::uint64_t limit, std::uint64_t in_use) {
      return absl::ResourceExhaustedError(absl::StrCat(what, " = ", bytes, " bytes: ", key, " = ", limit, " and ",
                                                       in_use, " are in use; ", options.remedy));
    };
    const auto fits = [&](std::uint64_t limit, std::uint64_t in_use) {
      return in_use <= limit && bytes <= limit - in_use;
    };
    if (!fits(options.tenant_bytes, tenants)) return refuse(options.tenant_key, options.tenant_bytes, tenants);
    if (!fits(options.bytes, others)) return refuse(options.key, options.bytes, others);
    return absl::OkStatus();
  }

  const ByteBudgetOptions options;
  std::mutex mutex;
  std::uint64_t total = 0;                         // guarded by mutex
  std::map<std::string, std::uint64_t> by_tenant;  // guarded by mutex; only those that hold something
};

ByteBudget::ByteBudget(ByteBudgetOptions options) : state_(std::make_shared<State>(std::move(options))) {}

absl::StatusOr<ByteCharge> ByteBudget::Charge(const std::string& tenant, std::uint64_t bytes, const std::string& what) {
  ByteCharge charge;
  charge.state_ = state_;
  charge.tenant_ = tenant;
  charge.what_ = what;
  DVREN_RETURN_IF_ERROR(charge.Resize(bytes));
  return charge;
}

std::uint64_t ByteBudget::used() const {
  const std::lock_guard lock(state_->mutex);
  return state_->total;
}

ByteCharge& ByteCharge::operator=(ByteCharge&& other) noexcept {
  if (this != &other) {
    static_cast<void>(Resize(0));  // cannot fail
    state_ = std::move(other.state_);
    tenant_ = std::move(other.tenant_);
    what_ = std::move(other.what_);
    bytes_ = std::exchange(other.bytes_, 0);
  }
  return *this;
}

ByteCharge::~ByteCharge() {
  static_cast<void>(Resize(0));  // cannot fail
}

absl::Status ByteCharge::Resize(std::uint64_t bytes) {
  if (state_ == nullptr || bytes == bytes_) return absl::OkStatus();
  DVREN_RETURN_IF_ERROR(state_->Change(tenant_, what_, bytes_, bytes));
  bytes_ = bytes;
  return absl::OkStatus();
}

}  // namespace dvren::server
