#include "analysis/traces/ordered_dag.h"

#include <algorithm>
#include <numeric>
#include <unordered_set>

namespace dvren::analysis {

OrderedDag::OrderedDag(std::size_t nodes) : consumers_(nodes), producers_(nodes), position_(nodes) {
  std::iota(position_.begin(), position_.end(), 0);
}

bool OrderedDag::Add(std::uint32_t from, std::uint32_t to) {
  if (from == to) return false;
  if (position_[from] > position_[to]) {
    // Only nodes between the two places can be out of order: those `to` reaches, and those that reach `from`.
    std::vector<std::uint32_t> after, before;
    std::unordered_set<std::uint32_t> seen = {to};
    after.push_back(to);
    for (std::size_t i = 0; i < after.size(); ++i) {
      for (const std::uint32_t next : consumers_[after[i]]) {
        if (next == from) return false;
        if (position_[next] < position_[from] && seen.insert(next).second) after.push_back(next);
      }
    }
    seen = {from};
    before.push_back(from);
    for (std::size_t i = 0; i < before.size(); ++i) {
      for (const std::uint32_t next : producers_[before[i]]) {
        if (position_[next] > position_[to] && seen.insert(next).second) before.push_back(next);
      }
    }
    const auto by_position = [&](std::uint32_t a, std::uint32_t b) { return position_[a] < position_[b]; };
    std::sort(before.begin(), before.end(), by_position);
    std::sort(after.begin(), after.end(), by_position);
    std::vector<std::uint32_t> places;
    for (const std::uint32_t node : before) places.push_back(position_[node]);
    for (const std::uint32_t node : after) places.push_back(position_[node]);
    std::sort(places.begin(), places.end());
    std::size_t place = 0;
    for (const std::uint32_t node : before) position_[node] = places[place++];
    for (const std::uint32_t node : after) position_[node] = places[place++];
  }
  consumers_[from].push_back(to);
  producers_[to].push_back(from);
  return true;
}

bool OrderedDag::Bypassed(std::uint32_t from, std::uint32_t to) const {
  std::vector<std::uint32_t> open;
  std::unordered_set<std::uint32_t> seen;
  for (const std::uint32_t next : consumers_[from]) {
    if (next != to && position_[next] < position_[to] && seen.insert(next).second) open.push_back(next);
  }
  while (!open.empty()) {
    const std::uint32_t node = open.back();
    open.pop_back();
    for (const std::uint32_t next : consumers_[node]) {
      if (next == to) return true;
      if (position_[next] < position_[to] && seen.insert(next).second) open.push_back(next);
    }
  }
  return false;
}

}  // namespace dvren::analysis
