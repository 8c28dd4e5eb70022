#include "server/registries/gradient_registry.h"

#include <map>
#include <utility>

namespace dvren::server {
namespace {

ByteBudgetOptions BudgetOf(std::uint64_t max_bytes) {
  ByteBudgetOptions options;
  options.key = options.tenant_key = "limits.gradient_bytes";
  options.bytes = max_bytes;
  options.remedy = "delete fields whose gradients are of no use any more, retry later, or have the limit raised";
  return options;
}

}  // namespace

void FieldGradient::Spoil(const absl::Status& why) {
  MutexLock lock(mutex_);
  if (spoilt_.ok()) spoilt_ = why.ok() ? absl::UnknownError("unknown") : why;
}

absl::Status FieldGradient::CheckSound() const {
  MutexLock lock(mutex_);
  if (spoilt_.ok()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("field = ", key_.name,
                                                    ": its gradient is spoilt, a pass was added in part only (",
                                                    spoilt_.message(), "); ZeroGradients, then run the passes again"));
}

absl::Status FieldGradient::Recount() {
  MutexLock lock(mutex_);
  return charge_.Resize(tensor_->device_bytes());
}

absl::StatusOr<std::shared_ptr<FieldGradient>> MakeFieldGradient(Stream& stream, const FieldKey& key,
                                                                 std::shared_ptr<const Field> field,
                                                                 std::optional<int> exponent, ByteBudget& budget) {
  DVREN_ASSIGN_OR_RETURN(std::shared_ptr<GradientTensor> tensor, GradientTensor::Make(stream, std::move(field)));
  DVREN_RETURN_IF_ERROR(tensor->Zero(stream, exponent));
  DVREN_ASSIGN_OR_RETURN(ByteCharge charge, budget.Charge(key.owner, tensor->device_bytes(), "gradient"));
  return std::make_shared<FieldGradient>(key, std::move(tensor), std::move(charge));
}

struct GradientRegistry::Impl {
  using Gradients = std::map<std::string, std::shared_ptr<FieldGradient>>;  // by "fields/{id}"

  // The gradient of this version, or null.
  std::shared_ptr<FieldGradient> Find(const FieldKey& key) const DVREN_EXCLUDES(mutex) {
    MutexLock lock(mutex);
    const auto found = gradients.find(key.name);
    if (found == gradients.end() || found->second->key().version != key.version) return nullptr;
    return found->second;
  }

  // Which of the two is kept: an old one of the same version, unless it is to be replaced.
  std::shared_ptr<FieldGradient> Put(std::shared_ptr<FieldGradient> made, bool replace) DVREN_EXCLUDES(mutex) {
    std::shared_ptr<FieldGradient> old;  // freed after the lock is gone
    MutexLock lock(mutex);
    std::shared_ptr<FieldGradient>& slot = gradients[made->key().name];
    if (slot != nullptr && slot->key().version > made->key().version) return made;  // the field was updated meanwhile
    if (!replace && slot != nullptr && slot->key().version == made->key().version) return slot;
    old = std::exchange(slot, made);
    lock.Unlock();
    return made;
  }

  mutable Mutex mutex;
  Gradients gradients DVREN_GUARDED_BY(mutex);
};

GradientRegistry::GradientRegistry(std::uint64_t max_bytes)
    : budget_(BudgetOf(max_bytes)), impl_(std::make_unique<Impl>()) {}
GradientRegistry::~GradientRegistry() = default;

absl::StatusOr<std::shared_ptr<FieldGradient>> GradientRegistry::Open(Stream& stream, const FieldKey& key,
                                                                      std::shared_ptr<const Field> field) {
  std::shared_ptr<FieldGradient> gradient = impl_->Find(key);
  if (gradient == nullptr) {
    DVREN_ASSIGN_OR_RETURN(std::shared_ptr<FieldGradient> made,
                           MakeFieldGradient(stream, key, std::move(field), std::nullopt, budget_));
    gradient = impl_->Put(std::move(made), /*replace=*/false);
  }
  if (gradient->device() != stream.device()->info().id) {
    return absl::FailedPreconditionError(absl::StrCat(
        "field = ", key.name, ": its gradient is on device ", gradient->device(), " and this pass runs on ",
        stream.device()->info().id, "; give Forward device = \"", gradient->device(), "\""));
  }
  DVREN_RETURN_IF_ERROR(gradient->CheckSound());
  return gradient;
}

absl::StatusOr<std::shared_ptr<FieldGradient>> GradientRegistry::Find(const FieldKey& key) const {
  std::shared_ptr<FieldGradient> gradient = impl_->Find(key);
  if (gradient == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("field = ", key.name, ": version ", key.version,
                     " has no gradient; accumulate one with Backward, or make it with ZeroGradients"));
  }
  DVREN_RETURN_IF_ERROR(gradient->CheckSound());
  return gradient;
}

absl::Status GradientRegistry::Zero(Stream& stream, const FieldKey& key, std::shared_ptr<const Field> field,
                                    std::optional<int> exponent) {
  Drop(key.name);  // first: the old one's bytes may be all there is
  DVREN_ASSIGN_OR_RETURN(std::shared_ptr<FieldGradient> made,
                         MakeFieldGradient(stream, key, std::move(field), exponent, budget_));
  static_cast<void>(impl_->Put(std::move(made), /*replace=*/true));
  return absl::OkStatus();
}

bool GradientRegistry::IsCurrent(const FieldGradient& gradient) const {
  return impl_->Find(gradient.key()).get() == &gradient;
}

std::optional<std::string> GradientRegistry::DeviceOf(const FieldKey& key) const {
  const std::shared_ptr<FieldGradient> gradient = impl_->Find(key);
  return gradient == nullptr ? std::nullopt : std::optional(gradient->device());
}

void GradientRegistry::Drop(const std::string& field) {
  std::shared_ptr<FieldGradient> dropped;  // freed after the lock is gone
  MutexLock lock(impl_->mutex);
  const auto found = impl_->gradients.find(field);
  if (found == impl_->gradients.end()) return;
  dropped = std::move(found->second);
  impl_->gradients.erase(found);
  lock.Unlock();
}

}  // namespace dvren::server
