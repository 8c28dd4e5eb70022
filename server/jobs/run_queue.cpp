#include "server/jobs/run_queue.h"

#include <algorithm>

namespace dvren::server {

void RunQueue::Push(std::uint64_t id, WorkClass work_class, Clock::time_point now) {
  Line& line = lines_[Index(work_class)];
  // A work that comes back alone after its slice has not waited: its line was served just before.
  if (line.ids.empty()) line.waiting_since = now;
  line.ids.push_back(id);
}

std::optional<std::uint64_t> RunQueue::Pop(Clock::time_point now) {
  Line* next = nullptr;
  for (Line& line : lines_) {
    if (line.ids.empty()) continue;
    const bool aged = now - line.waiting_since >= ageing_;
    if (next == nullptr || (aged && line.waiting_since < next->waiting_since)) next = &line;
  }
  if (next == nullptr) return std::nullopt;
  const std::uint64_t id = next->ids.front();
  next->ids.pop_front();
  next->waiting_since = now;
  return id;
}

bool RunQueue::Remove(std::uint64_t id, WorkClass work_class) {
  std::deque<std::uint64_t>& ids = lines_[Index(work_class)].ids;
  const auto it = std::find(ids.begin(), ids.end(), id);
  if (it == ids.end()) return false;
  ids.erase(it);
  return true;
}

bool RunQueue::empty() const {
  return std::all_of(lines_.begin(), lines_.end(), [](const Line& line) { return line.ids.empty(); });
}

}  // namespace dvren::server
