// PostgresListener: a thread with a connection of its own that waits for notifications of other daemons, and connects
// again when the server was away.
#pragma once

#include <functional>
#include <string>
#include <thread>

#include "server/jobs/job.h"
#include "server/jobs/postgres_connection.h"

namespace dvren::server {

class PostgresListener {
 public:
  static constexpr char kChannel[] = "dvren_jobs";

  // Payloads are "sender:job". `changed` is called for those of other senders than `self`; after a time without a
  // connection, for every job that may have changed in it.
  PostgresListener(std::string url, std::string self, std::function<void(JobId)> changed);
  // No call is under way when it returns.
  ~PostgresListener();
  PostgresListener(const PostgresListener&) = delete;
  PostgresListener& operator=(const PostgresListener&) = delete;

 private:
  void Run();
  [[nodiscard]] absl::Status Listen(bool again);
  [[nodiscard]] absl::Status TellAll(PostgresConnection& connection) const;
  enum class Woken : std::uint8_t { kByEnd, kBySocket, kByTime };
  // Socket -1: for the end alone.
  [[nodiscard]] Woken Wait(int socket, int timeout_ms) const;

  const std::string url_, self_;
  const std::function<void(JobId)> changed_;
  int stop_ = -1;  // an eventfd, readable when the thread is to end
  std::thread thread_;
};

}  // namespace dvren::server
