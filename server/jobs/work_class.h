// WorkClass: how urgent work is. Declared in the order in which a device serves them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dvren::server {

enum class WorkClass : std::uint8_t { kInteractive, kNormal, kBatch };
inline constexpr std::size_t kWorkClasses = 3;

[[nodiscard]] constexpr const char* WorkClassName(WorkClass work_class) {
  constexpr const char* names[kWorkClasses] = {"interactive", "normal", "batch"};
  return names[static_cast<std::size_t>(work_class)];
}

}  // namespace dvren::server
