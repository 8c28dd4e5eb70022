// ByteBudget: how many bytes of one kind may be held, all together and by one tenant. Whoever holds some has a
// ByteCharge, which gives them back when it goes. Thread-safe.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>

#include "dvren/core/status.h"

namespace dvren::server {

struct ByteBudgetOptions {
  static constexpr std::uint64_t kUnlimited = std::numeric_limits<std::uint64_t>::max();
  std::string key;                   // configuration key of `bytes`, for messages
  std::uint64_t bytes = kUnlimited;  // all together
  std::string tenant_key;            // of `tenant_bytes`
  std::uint64_t tenant_bytes = kUnlimited;
  std::string remedy;  // what a caller can do who is refused
};

class ByteCharge;

class ByteBudget {
 public:
  explicit ByteBudget(ByteBudgetOptions options);

  // RESOURCE_EXHAUSTED names `what`, its bytes, the limit, what is in use and the remedy.
  [[nodiscard]] absl::StatusOr<ByteCharge> Charge(const std::string& tenant, std::uint64_t bytes,
                                                  const std::string& what);
  [[nodiscard]] std::uint64_t used() const;

 private:
  friend class ByteCharge;
  struct State;
  std::shared_ptr<State> state_;  // shared with the charges, which may outlive the budget
};

// Move-only. Not thread-safe; the budget behind it is.
class ByteCharge {
 public:
  ByteCharge() = default;
  ByteCharge(ByteCharge&& other) noexcept { *this = std::move(other); }
  ByteCharge& operator=(ByteCharge&& other) noexcept;
  ~ByteCharge();

  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  // After an error the charge is what it was.
  [[nodiscard]] absl::Status Resize(std::uint64_t bytes);

 private:
  friend class ByteBudget;
  std::shared_ptr<ByteBudget::State> state_;
  std::string tenant_, what_;
  std::uint64_t bytes_ = 0;
};

}  // namespace dvren::server
