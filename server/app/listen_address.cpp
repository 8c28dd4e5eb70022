#include "server/app/listen_address.h"

#include <arpa/inet.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace dvren::server {
namespace {

constexpr char kForms[] = "must be host:port, [IPv6]:port or unix:/absolute/path";

bool IsHostName(const std::string& host) {
  return !host.empty() && host.size() <= 253 && std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           c == '_';
  });
}

}  // namespace

bool ListenAddress::is_loopback() const {
  if (is_unix() || host == "localhost") return true;
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

std::string ListenAddress::ToString() const {
  if (is_unix()) return absl::StrCat("unix:", unix_path);
  return host.find(':') == std::string::npos ? absl::StrCat(host, ":", port) : absl::StrCat("[", host, "]:", port);
}

absl::StatusOr<ListenAddress> ParseListenAddress(const std::string& text) {
  ListenAddress address;
  if (absl::StartsWith(text, "unix:")) {
    address.unix_path = text.substr(std::strlen("unix:"));
    if (absl::StartsWith(address.unix_path, "//")) address.unix_path.erase(0, 2);  // unix:///path
    if (address.unix_path.empty() || address.unix_path.front() != '/') return absl::InvalidArgumentError(kForms);
    constexpr std::size_t kMaxPath = sizeof(sockaddr_un::sun_path) - 1;
    if (address.unix_path.size() > kMaxPath) {
      return absl::InvalidArgumentError(
          absl::StrCat("a socket's path has at most ", kMaxPath, " bytes; choose a shorter one"));
    }
    if (address.unix_path.find('\0') != std::string::npos) return absl::InvalidArgumentError(kForms);
    return address;
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return absl::InvalidArgumentError(kForms);
  const std::string port = text.substr(colon + 1);
  const bool digits =
      !port.empty() && std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!digits || !absl::SimpleAtoi(port, &address.port) || address.port > 65535) {
    return absl::InvalidArgumentError(absl::StrCat(kForms, "; a port is a number from 0 (any free one) to 65535"));
  }
  address.host = text.substr(0, colon);
  if (address.host.size() > 2 && address.host.front() == '[' && address.host.back() == ']') {
    address.host = address.host.substr(1, address.host.size() - 2);
    in6_addr v6{};
    if (inet_pton(AF_INET6, address.host.c_str(), &v6) != 1) return absl::InvalidArgumentError(kForms);
  } else if (!IsHostName(address.host)) {
    return absl::InvalidArgumentError(kForms);
  }
  return address;
}

}  // namespace dvren::server
