// A graph that stays acyclic while edges are added: a topological order kept up to date (D. J. Pearce and P. H. J.
// Kelly, A dynamic topological sort algorithm for directed acyclic graphs, 2006).
#pragma once

#include <cstdint>
#include <vector>

namespace dvren::analysis {

class OrderedDag {
 public:
  explicit OrderedDag(std::size_t nodes);

  // False, and nothing changes, where the edge would close a cycle.
  bool Add(std::uint32_t from, std::uint32_t to);
  [[nodiscard]] const std::vector<std::uint32_t>& consumers(std::uint32_t node) const { return consumers_[node]; }
  [[nodiscard]] const std::vector<std::uint32_t>& producers(std::uint32_t node) const { return producers_[node]; }
  // Whether a path of two edges or more leads from `from` to `to`.
  [[nodiscard]] bool Bypassed(std::uint32_t from, std::uint32_t to) const;

 private:
  std::vector<std::vector<std::uint32_t>> consumers_, producers_;
  std::vector<std::uint32_t> position_;  // in the order: below that of every consumer
};

}  // namespace dvren::analysis
