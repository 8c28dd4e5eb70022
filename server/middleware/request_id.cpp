#include "server/middleware/request_id.h"

#include <algorithm>

#include "server/registries/digest.h"

namespace dvren::server {

bool IsSaneRequestId(std::string_view id) {
  constexpr std::size_t kMaxLength = 64;
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  };
  return !id.empty() && id.size() <= kMaxLength && std::all_of(id.begin(), id.end(), allowed);
}

std::string NewRequestId() {
  return RandomId();
}

std::string RequestIdFrom(std::optional<std::string_view> supplied) {
  return supplied && IsSaneRequestId(*supplied) ? std::string(*supplied) : NewRequestId();
}

}  // namespace dvren::server
