#include "server/app/listen_probe.h"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"

namespace dvren::server {
namespace {

class Socket {
 public:
  Socket(int family, int type) : fd_(socket(family, type | SOCK_CLOEXEC, 0)) {}
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

absl::Status Refused(const ListenAddress& address, int error) {
  const std::string message = absl::StrCat("listen = ", address.ToString(), ": ");
  switch (error) {
    case EADDRINUSE:
      return absl::UnavailableError(
          absl::StrCat(message, "in use by another process; stop it or give --listen another address"));
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(
          absl::StrCat(message, "not allowed to listen there; choose a port above 1023 or a folder of yours"));
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
      return absl::InvalidArgumentError(
          absl::StrCat(message, "this machine does not have that address; try 127.0.0.1"));
    default:
      return absl::UnavailableError(absl::StrCat(message, "cannot listen there: ", std::strerror(error)));
  }
}

absl::Status ProbeUnix(const ListenAddress& address) {
  struct stat info {};
  if (lstat(address.unix_path.c_str(), &info) != 0) {
    if (errno == ENOENT) return absl::OkStatus();
    return Refused(address, errno);
  }
  if (!S_ISSOCK(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "listen = ", address.ToString(), ": there is a file which is no socket; remove it or choose another path"));
  }
  const Socket probe(AF_UNIX, SOCK_STREAM);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, address.unix_path.c_str(), address.unix_path.size() + 1);
  if (connect(probe.fd(), reinterpret_cast<const sockaddr*>(&name), sizeof(name)) == 0)
    return Refused(address, EADDRINUSE);
  if (errno != ECONNREFUSED) return Refused(address, errno);
  // Left behind by a daemon that was killed.
  if (unlink(address.unix_path.c_str()) != 0) return Refused(address, errno);
  return absl::OkStatus();
}

absl::Status ProbeTcp(const ListenAddress& address) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(address.host.c_str(), absl::StrCat(address.port).c_str(), &hints, &found);
  if (error != 0) {
    return absl::InvalidArgumentError(absl::StrCat("listen = ", address.ToString(), ": the host is unknown (",
                                                   gai_strerror(error), "); give an address of this machine"));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> all(found, freeaddrinfo);
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    const Socket probe(one->ai_family, one->ai_socktype);
    if (probe.fd() < 0) continue;  // a family this kernel was built without
    const int on = 1;
    setsockopt(probe.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));  // as gRPC does: TIME_WAIT is no obstacle
    if (one->ai_family == AF_INET6) setsockopt(probe.fd(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    if (bind(probe.fd(), one->ai_addr, one->ai_addrlen) != 0) {
      // "localhost" has an IPv6 address on machines without IPv6.
      if (errno == EADDRNOTAVAIL && (one->ai_next != nullptr || one != found)) continue;
      return Refused(address, errno);
    }
    // Two sockets with SO_REUSEADDR may bind one port as long as neither listens.
    if (address.port != 0 && listen(probe.fd(), 1) != 0) return Refused(address, errno);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ProbeListenAddress(const ListenAddress& address) {
  return address.is_unix() ? ProbeUnix(address) : ProbeTcp(address);
}

}  // namespace dvren::server
