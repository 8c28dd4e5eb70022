// Errors at the C ABI: a status and a message that names field, value and remedy, kept per thread.
#pragma once

#include <new>

#include "abi/float_environment.h"
#include "hotpath/hp.h"

namespace hp {

// Records the message and returns `status`.
[[gnu::format(printf, 2, 3)]] hp_status Fail(hp_status status, const char* format, ...);
void ClearError();

// No exception crosses the ABI, and nobody's rounding mode comes in.
template <class Fn>
hp_status Guard(Fn fn) {
  ClearError();
  const FloatEnvironment environment;
  try {
    return fn();
  } catch (const std::bad_alloc&) {
    return Fail(HP_STATUS_OUT_OF_MEMORY, "out of host memory");
  } catch (...) {
    return Fail(HP_STATUS_INTERNAL, "unexpected exception");
  }
}

}  // namespace hp

#define HP_RETURN_IF_ERROR(expr)                                                      \
  do {                                                                                \
    if (hp_status hp_status_ = (expr); hp_status_ != HP_STATUS_OK) return hp_status_; \
  } while (false)

// INVALID_ARGUMENT with a printf message unless the condition holds.
#define HP_REQUIRE(condition, ...)                                                \
  do {                                                                            \
    if (!(condition)) return ::hp::Fail(HP_STATUS_INVALID_ARGUMENT, __VA_ARGS__); \
  } while (false)

// A descriptor that is there and was initialised by a caller of this version.
#define HP_REQUIRE_DESC(desc, name)                                                                       \
  HP_REQUIRE((desc) != nullptr, name " = NULL: required");                                                \
  HP_REQUIRE((desc)->struct_size == sizeof(*(desc)), name ".struct_size = %u: must be %zu (use HP_INIT)", \
             (desc)->struct_size, sizeof(*(desc)))
