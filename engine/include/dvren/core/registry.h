// Registry: an explicit table from a kind's name to how one is made. `r.Add<XField>("x")` is the one line of a new
// kind.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "dvren/core/status.h"

namespace dvren {

// Factory is a std::function type; T::Create must convert to it.
template <class Factory>
class Registry {
 public:
  explicit Registry(std::string what) : what_(std::move(what)) {}
  template <class T>
  void Add(std::string name) {
    factories_[std::move(name)] = Factory(&T::Create);
  }
  // NOT_FOUND lists the registered names.
  [[nodiscard]] absl::StatusOr<Factory> Find(const std::string& name) const {
    auto it = factories_.find(name);
    if (it != factories_.end()) return it->second;
    std::string known;
    for (const auto& [key, value] : factories_) known += known.empty() ? key : ", " + key;
    return absl::NotFoundError(absl::StrCat(what_, " = ", name, ": unknown; one of ", known));
  }
  [[nodiscard]] std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& [key, value] : factories_) names.push_back(key);
    return names;
  }

 private:
  std::string what_;
  std::map<std::string, Factory> factories_;
};

}  // namespace dvren
