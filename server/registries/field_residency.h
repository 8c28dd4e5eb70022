// FieldResidency: which fields are on which devices now, least recently used first. Thread-safe.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "dvren/fields/field.h"

namespace dvren::server {

class FieldResidency {
 public:
  // Null when it is not there. Counts as use.
  [[nodiscard]] std::shared_ptr<const Field> Find(const std::string& id, const Device& device);
  void Keep(const std::string& id, std::shared_ptr<const Field> field);
  // Lets go of fields of the device that nobody renders, until the others take at most `bytes`; whether that was
  // reached.
  bool ShrinkTo(const Device& device, std::uint64_t bytes);
  // Lets go of the field on every device. Renders that hold it go on.
  void Drop(const std::string& id);
  [[nodiscard]] std::size_t size() const;

 private:
  struct Resident {
    std::string id;
    std::shared_ptr<const Field> field;
  };
  mutable std::mutex mutex_;
  std::list<Resident> residents_;  // guarded by mutex_; front = most recently used
};

}  // namespace dvren::server
