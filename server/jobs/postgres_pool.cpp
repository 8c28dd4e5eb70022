#include "server/jobs/postgres_pool.h"

#include <utility>

namespace dvren::server {

PostgresPool::Lease::~Lease() {
  if (connection_ == nullptr) return;  // moved away
  MutexLock lock(pool_->mutex_);
  ++pool_->free_;
  if (connection_->idle() && !connection_->broken()) pool_->idle_.push_back(std::move(connection_));
  pool_->returned_.notify_one();
}

absl::StatusOr<PostgresPool::Lease> PostgresPool::Take() {
  {
    MutexLock lock(mutex_);
    while (free_ == 0) returned_.wait(lock.native());
    --free_;
    if (!idle_.empty()) {
      std::unique_ptr<PostgresConnection> connection = std::move(idle_.back());
      idle_.pop_back();
      return Lease(*this, std::move(connection), true);
    }
  }
  absl::StatusOr<std::unique_ptr<PostgresConnection>> opened = PostgresConnection::Open(url_);
  if (!opened.ok()) {
    MutexLock lock(mutex_);
    ++free_;
    returned_.notify_one();
    return opened.status();
  }
  return Lease(*this, *std::move(opened), false);
}

void PostgresPool::DropIdle() {
  std::vector<std::unique_ptr<PostgresConnection>> dropped;
  MutexLock lock(mutex_);
  dropped.swap(idle_);
}

}  // namespace dvren::server
