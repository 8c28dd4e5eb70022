#include "server/app/queue_url.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace dvren::server {
namespace {

constexpr char kRemedy[] =
    "must be sqlite, or postgresql://USER:PASSWORD@HOST:PORT/DATABASE?OPTION=VALUE, in which '/', ':', '@' of a "
    "password "
    "are %2F, %3A, %40";
constexpr char kMask[] = "***";

bool IsPort(absl::string_view text) {
  return text.empty() || (text.size() <= 5 && std::all_of(text.begin(), text.end(), absl::ascii_isdigit));
}

// HOST, HOST:PORT, [IPV6]:PORT, several with commas, or nothing.
bool AreHosts(absl::string_view text) {
  for (absl::string_view host : absl::StrSplit(text, ',')) {
    if (absl::StartsWith(host, "[")) {
      const std::size_t end = host.find(']');
      if (end == absl::string_view::npos) return false;
      host.remove_prefix(end + 1);
      if (!host.empty() && host[0] != ':') return false;
    }
    const std::size_t colon = host.find(':');
    if (colon != absl::string_view::npos && !IsPort(host.substr(colon + 1))) return false;
  }
  return true;
}

}  // namespace

bool IsQueueUrl(const std::string& text) {
  return absl::StartsWith(text, "postgresql://") || absl::StartsWith(text, "postgres://");
}

std::string CheckJobsStore(const std::string& text) {
  if (text == "sqlite") return "";
  if (!IsQueueUrl(text)) return kRemedy;
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c != '\x7f'; });
  const absl::string_view rest = absl::string_view(text).substr(text.find("://") + 3);
  const std::size_t authority_end = std::min(rest.find_first_of("/?"), rest.size());
  absl::string_view authority = rest.substr(0, authority_end);
  const absl::string_view path = rest.substr(authority_end, rest.find('?') - authority_end);
  if (const std::size_t at = authority.find('@'); at != absl::string_view::npos) authority.remove_prefix(at + 1);
  const bool sound = plain && !absl::StrContains(authority, '@') && AreHosts(authority) && path.size() > 1 &&
                     path.find_first_of("@:") == absl::string_view::npos && !absl::StrContains(path.substr(1), '/');
  return sound ? "" : kRemedy;
}

std::string WithoutPassword(const std::string& text) {
  std::string shown = text;
  const std::size_t scheme = shown.find("://");
  const std::size_t begin = scheme == std::string::npos ? 0 : scheme + 3;
  // Up to the last '@': one that is not escaped may be the password's.
  const std::size_t colon = shown.find(':', begin), at = shown.rfind('@');
  if (colon != std::string::npos && at != std::string::npos && colon < at) {
    shown.replace(colon + 1, at - colon - 1, kMask);
  }
  for (const char* key : {"password=", "sslpassword="}) {
    for (std::size_t found = shown.find(key); found != std::string::npos; found = shown.find(key, found + 1)) {
      const std::size_t value = found + std::string_view(key).size();
      shown.replace(value, std::min(shown.find('&', value), shown.size()) - value, kMask);
    }
  }
  return shown;
}

}  // namespace dvren::server
