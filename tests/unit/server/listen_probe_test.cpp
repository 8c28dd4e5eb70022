#include "server/app/listen_probe.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace dvren::server {
namespace {

TEST_CASE("A port on which somebody listens is in use, and free afterwards") {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(name);
  REQUIRE(bind(fd, reinterpret_cast<sockaddr*>(&name), size) == 0);
  REQUIRE(listen(fd, 1) == 0);
  REQUIRE(getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size) == 0);
  ListenAddress address;
  address.host = "127.0.0.1";
  address.port = ntohs(name.sin_port);
  const absl::Status taken = ProbeListenAddress(address);
  CHECK(taken.code() == absl::StatusCode::kUnavailable);
  CHECK(std::string(taken.message()).find("listen = " + address.ToString() + ": in use") == 0);
  close(fd);
  CHECK(ProbeListenAddress(address).ok());
}

TEST_CASE("An address of another machine is refused by name") {
  ListenAddress address;
  address.host = "192.0.2.1";  // TEST-NET-1: nobody's
  const absl::Status status = ProbeListenAddress(address);
  CHECK(status.code() == absl::StatusCode::kInvalidArgument);
  CHECK(std::string(status.message()).find("192.0.2.1") != std::string::npos);
}

TEST_CASE("A socket file is removed when nobody listens on it, and only then") {
  const std::string path = "/tmp/dvrend_probe_" + std::to_string(getpid());
  ListenAddress address;
  address.unix_path = path;
  CHECK(ProbeListenAddress(address).ok());

  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, path.c_str(), path.size() + 1);
  REQUIRE(bind(fd, reinterpret_cast<sockaddr*>(&name), sizeof(name)) == 0);
  REQUIRE(listen(fd, 1) == 0);
  CHECK(ProbeListenAddress(address).code() == absl::StatusCode::kUnavailable);
  CHECK(std::filesystem::exists(path));
  close(fd);
  CHECK(ProbeListenAddress(address).ok());
  CHECK_FALSE(std::filesystem::exists(path));

  std::ofstream(path) << "precious";
  CHECK(ProbeListenAddress(address).code() == absl::StatusCode::kInvalidArgument);
  CHECK(std::filesystem::exists(path));
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace dvren::server
