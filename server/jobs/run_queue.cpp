#include "server/jobs/run_queue.h"

#include <algorithm>

namespace dvren::server {
namespace {

// Tenants without work are looked through when there are this many; what they are remembered for is soon over.
constexpr std::size_t kManyTenants = 64;

}  // namespace

void RunQueue::Push(std::uint64_t id, WorkClass work_class, const std::string& tenant, Clock::time_point now) {
  Line& line = lines_[Index(work_class)];
  // A work that comes back alone after its slice has not waited: its line was served just before.
  if (line.size == 0) line.waiting_since = now;
  ++line.size;
  if (line.tenants.size() >= kManyTenants) ForgetIdle(line);
  Tenant& of = Of(line, tenant);
  if (of.ids.empty()) {
    of.tag = std::max(of.tag, line.virtual_now);
    line.order.emplace(std::make_pair(of.tag, of.turn), tenant);
  }
  of.ids.push_back(id);
}

std::optional<std::uint64_t> RunQueue::Pop(Clock::time_point now) {
  Line* next = nullptr;
  for (Line& line : lines_) {
    if (line.size == 0) continue;
    const bool aged = now - line.waiting_since >= ageing_;
    if (next == nullptr || (aged && line.waiting_since < next->waiting_since)) next = &line;
  }
  if (next == nullptr) return std::nullopt;
  const auto first = next->order.begin();
  Tenant& of = next->tenants.find(first->second)->second;
  const std::uint64_t id = of.ids.front();
  of.ids.pop_front();
  --next->size;
  next->virtual_now = of.tag;
  next->waiting_since = now;
  auto node = next->order.extract(first);
  of.turn = ++next->turns;
  if (!of.ids.empty()) {
    node.key() = {of.tag, of.turn};
    next->order.insert(std::move(node));
  }
  return id;
}

bool RunQueue::Remove(std::uint64_t id, WorkClass work_class, const std::string& tenant) {
  Line& line = lines_[Index(work_class)];
  const auto of = line.tenants.find(tenant);
  if (of == line.tenants.end()) return false;
  std::deque<std::uint64_t>& ids = of->second.ids;
  const auto it = std::find(ids.begin(), ids.end(), id);
  if (it == ids.end()) return false;
  ids.erase(it);
  --line.size;
  if (ids.empty()) line.order.erase({of->second.tag, of->second.turn});
  return true;
}

void RunQueue::Charge(WorkClass work_class, const std::string& tenant, double seconds) {
  Line& line = lines_[Index(work_class)];
  Tenant& of = Of(line, tenant);
  const double weight = weight_ ? weight_(tenant) : 1;
  const double tag = std::max(of.tag, line.virtual_now) + seconds / weight;
  if (!of.ids.empty()) {
    auto node = line.order.extract({of.tag, of.turn});
    node.key() = {tag, of.turn};
    line.order.insert(std::move(node));
  }
  of.tag = tag;
}

RunQueue::Tenant& RunQueue::Of(Line& line, const std::string& tenant) {
  const auto [it, fresh] = line.tenants.try_emplace(tenant);
  if (fresh) it->second.turn = ++line.turns;
  return it->second;
}

void RunQueue::ForgetIdle(Line& line) {
  for (auto it = line.tenants.begin(); it != line.tenants.end();) {
    const Tenant& of = it->second;
    it = of.ids.empty() && of.tag < line.virtual_now ? line.tenants.erase(it) : std::next(it);
  }
}

bool RunQueue::empty() const {
  return std::all_of(lines_.begin(), lines_.end(), [](const Line& line) { return line.size == 0; });
}

}  // namespace dvren::server
