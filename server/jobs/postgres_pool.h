// PostgresPool: a few connections for many threads. Thread-safe.
#pragma once

#include <condition_variable>
#include <memory>
#include <string>
#include <vector>

#include "server/jobs/mutex.h"
#include "server/jobs/postgres_connection.h"
#include "server/jobs/thread_annotations.h"

namespace dvren::server {

class PostgresPool {
 public:
  PostgresPool(std::string url, int max_connections) : url_(std::move(url)), free_(max_connections) {}

  // Goes back to the pool when it goes, unless it is broken or in a transaction.
  class Lease {
   public:
    Lease(PostgresPool& pool, std::unique_ptr<PostgresConnection> connection, bool used)
        : pool_(&pool), connection_(std::move(connection)), used_(used) {}
    Lease(Lease&& other) noexcept = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease();
    PostgresConnection& operator*() const { return *connection_; }
    PostgresConnection* operator->() const { return connection_.get(); }
    // Whether it lay in the pool before: the server may have been restarted since.
    [[nodiscard]] bool used() const { return used_; }

   private:
    PostgresPool* pool_;
    std::unique_ptr<PostgresConnection> connection_;
    bool used_;
  };
  // Waits for one when all are taken.
  [[nodiscard]] absl::StatusOr<Lease> Take();
  // After one was found broken: the others are no better.
  void DropIdle();

 private:
  const std::string url_;
  Mutex mutex_;
  std::condition_variable returned_;
  int free_ DVREN_GUARDED_BY(mutex_);  // how many more may be taken
  std::vector<std::unique_ptr<PostgresConnection>> idle_ DVREN_GUARDED_BY(mutex_);
};

}  // namespace dvren::server
