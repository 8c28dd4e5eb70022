#include "server/registries/field_residency.h"

#include <algorithm>
#include <utility>

namespace dvren::server {

std::shared_ptr<const Field> FieldResidency::Find(const std::string& id, const Device& device) {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(residents_.begin(), residents_.end(), [&](const Resident& resident) {
    return resident.field->device().get() == &device && resident.id == id;
  });
  if (found == residents_.end()) return nullptr;
  residents_.splice(residents_.begin(), residents_, found);
  return found->field;
}

void FieldResidency::Keep(const std::string& id, std::shared_ptr<const Field> field) {
  const std::lock_guard lock(mutex_);
  residents_.push_front({id, std::move(field)});
}

bool FieldResidency::ShrinkTo(const Device& device, std::uint64_t bytes) {
  std::list<Resident> dropped;  // freed after the lock is gone
  const std::lock_guard lock(mutex_);
  std::uint64_t used = 0;
  for (const Resident& resident : residents_) {
    if (resident.field->device().get() == &device) used += resident.field->info().device_bytes;
  }
  for (auto it = residents_.end(); used > bytes && it != residents_.begin();) {
    --it;
    if (it->field->device().get() != &device || it->field.use_count() > 1) continue;
    used -= it->field->info().device_bytes;
    const auto victim = it++;
    dropped.splice(dropped.end(), residents_, victim);
  }
  return used <= bytes;
}

void FieldResidency::Drop(const std::string& id) {
  std::list<Resident> dropped;  // freed after the lock is gone
  const std::lock_guard lock(mutex_);
  for (auto it = residents_.begin(); it != residents_.end();) {
    const auto next = std::next(it);
    if (it->id == id) dropped.splice(dropped.end(), residents_, it);
    it = next;
  }
}

std::size_t FieldResidency::size() const {
  const std::lock_guard lock(mutex_);
  return residents_.size();
}

}  // namespace dvren::server
