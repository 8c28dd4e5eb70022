// GradientRegistry: dL/d(values) of fields, as backward passes add to them: at most one of each field, of its current
// version, on the device where it was first added to. In memory only; its bytes come out of a budget. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "dvren/diff/gradient_tensor.h"
#include "dvren/v1/field_service.pb.h"
#include "server/jobs/mutex.h"
#include "server/jobs/thread_annotations.h"
#include "server/registries/byte_budget.h"

namespace dvren::server {

// A version of a field.
struct FieldKey {
  std::string name;  // "fields/{id}"
  std::uint64_t version = 0;
  std::string owner;
  [[nodiscard]] static FieldKey Of(const v1::Field& field) { return {field.name(), field.version(), field.owner()}; }
};

// One field's gradient. Whoever holds it may go on after the registry has let it go; see GradientRegistry::IsCurrent.
class FieldGradient {
 public:
  FieldGradient(FieldKey key, std::shared_ptr<GradientTensor> tensor, ByteCharge charge)
      : key_(std::move(key)), tensor_(std::move(tensor)), charge_(std::move(charge)) {}

  [[nodiscard]] const FieldKey& key() const { return key_; }
  [[nodiscard]] const std::shared_ptr<GradientTensor>& tensor() const { return tensor_; }
  [[nodiscard]] const std::string& device() const { return tensor_->field()->device()->info().id; }

  // A pass has been added in part and will not be finished: the sum means nothing from now on. The first reason counts.
  void Spoil(const absl::Status& why);
  // FAILED_PRECONDITION when it is spoilt.
  [[nodiscard]] absl::Status CheckSound() const;
  // Charges what the gradient takes by now; it grows as rays touch more of the field. RESOURCE_EXHAUSTED when that is
  // more than the budget allows.
  [[nodiscard]] absl::Status Recount();

 private:
  const FieldKey key_;
  const std::shared_ptr<GradientTensor> tensor_;
  mutable Mutex mutex_;
  ByteCharge charge_ DVREN_GUARDED_BY(mutex_);
  absl::Status spoilt_ DVREN_GUARDED_BY(mutex_);
};

class GradientRegistry {
 public:
  explicit GradientRegistry(std::uint64_t max_bytes);
  ~GradientRegistry();

  // The field's gradient, to add to; made, all zero, where there is none. FAILED_PRECONDITION when it is spoilt, lives
  // on another device, or the field has no parameters. On a device worker.
  [[nodiscard]] absl::StatusOr<std::shared_ptr<FieldGradient>> Open(Stream& stream, const FieldKey& key,
                                                                    std::shared_ptr<const Field> field);
  // The same, to read. FAILED_PRECONDITION when there is none or it is spoilt.
  [[nodiscard]] absl::StatusOr<std::shared_ptr<FieldGradient>> Find(const FieldKey& key) const;
  // A new one, all zero, instead of what there is: passes that still add to the old one have added in vain.
  [[nodiscard]] absl::Status Zero(Stream& stream, const FieldKey& key, std::shared_ptr<const Field> field,
                                  std::optional<int> exponent);
  // Whether it is still what Find gives.
  [[nodiscard]] bool IsCurrent(const FieldGradient& gradient) const;
  // Where the gradient is; absent where there is none.
  [[nodiscard]] std::optional<std::string> DeviceOf(const FieldKey& key) const;
  // Lets go of the gradient of any version of the field.
  void Drop(const std::string& field);

  // Of gradients, and of what is held besides: dL/d(image) on its way in, copies on their way out.
  [[nodiscard]] ByteBudget& budget() { return budget_; }

 private:
  struct Impl;
  ByteBudget budget_;
  std::unique_ptr<Impl> impl_;
};

// A tensor of zeros whose memory is charged: as FieldGradient, for a sum that nobody else sees.
[[nodiscard]] absl::StatusOr<std::shared_ptr<FieldGradient>> MakeFieldGradient(Stream& stream, const FieldKey& key,
                                                                               std::shared_ptr<const Field> field,
                                                                               std::optional<int> exponent,
                                                                               ByteBudget& budget);

}  // namespace dvren::server
