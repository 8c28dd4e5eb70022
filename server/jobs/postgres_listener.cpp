#include "server/jobs/postgres_listener.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace dvren::server {
namespace {

constexpr int kReconnectMs = 1000;
constexpr int kAliveMs = 10'000;  // how often a silent connection is asked whether it lives

}  // namespace

PostgresListener::PostgresListener(std::string url, std::string self, std::function<void(JobId)> changed)
    : url_(std::move(url)), self_(std::move(self)), changed_(std::move(changed)), stop_(eventfd(0, EFD_CLOEXEC)) {
  if (stop_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  thread_ = std::thread([this] { Run(); });
}

PostgresListener::~PostgresListener() {
  const std::uint64_t one = 1;
  // An eventfd takes a one always.
  (void)!write(stop_, &one, sizeof one);
  thread_.join();
  close(stop_);
}

PostgresListener::Woken PostgresListener::Wait(int socket, int timeout_ms) const {
  pollfd files[2] = {{stop_, POLLIN, 0}, {socket, POLLIN, 0}};  // poll passes over a socket of -1
  poll(files, 2, timeout_ms);
  if (files[0].revents != 0) return Woken::kByEnd;
  return files[1].revents != 0 ? Woken::kBySocket : Woken::kByTime;
}

void PostgresListener::Run() {
  // Listen returns OK at the end alone; after an error the server is tried again for as long as it takes.
  for (bool again = false; !Listen(again).ok(); again = true) {
    if (Wait(-1, kReconnectMs) == Woken::kByEnd) return;
  }
}

absl::Status PostgresListener::Listen(bool again) {
  DVREN_ASSIGN_OR_RETURN(const std::unique_ptr<PostgresConnection> connection, PostgresConnection::Open(url_));
  DVREN_RETURN_IF_ERROR(connection->Run(absl::StrCat("LISTEN ", kChannel)));
  // Listening first: nothing falls between the two.
  if (again) DVREN_RETURN_IF_ERROR(TellAll(*connection));
  while (true) {
    DVREN_ASSIGN_OR_RETURN(const std::vector<PostgresNotification> notifications, connection->Notifications());
    for (const PostgresNotification& notification : notifications) {
      const auto colon = notification.payload.find(':');
      JobId id = 0;
      if (colon == std::string::npos || !absl::SimpleAtoi(notification.payload.substr(colon + 1), &id)) continue;
      if (notification.payload.compare(0, colon, self_) != 0) changed_(id);
    }
    const Woken woken = Wait(connection->socket(), kAliveMs);
    if (woken == Woken::kByEnd) return absl::OkStatus();
    if (woken == Woken::kByTime) DVREN_RETURN_IF_ERROR(connection->Run("SELECT 1"));
  }
}

// By the server's clock, and an hour: whoever watches a job that ended longer ago has long been told by its lease.
absl::Status PostgresListener::TellAll(PostgresConnection& connection) const {
  DVREN_ASSIGN_OR_RETURN(const PostgresRows rows,
                         connection.Query("SELECT id FROM jobs WHERE state < 3"
                                          " OR finished_ms > (extract(epoch FROM now())::bigint - 3600) * 1000"));
  for (int row = 0; row < rows.size(); ++row) changed_(rows.Integer(row, 0));
  return absl::OkStatus();
}

}  // namespace dvren::server
