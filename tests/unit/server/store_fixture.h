// What tests of the stores share: a small volume, faults of the disk, and the names of what lies in a folder.
#pragma once

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "dvren/io/volume.h"
#include "server/registries/durable_file.h"

namespace dvren::server::test {

// (2, 3, 4, 1) f32 with sigma = index / 8.
inline io::DenseVolume SmallVolume() {
  io::DenseVolume volume;
  volume.shape = {2, 3, 4, 1};
  volume.values = io::Blob(24 * sizeof(float));
  auto* values = reinterpret_cast<float*>(volume.values.data());
  for (int i = 0; i < 24; ++i) values[i] = static_cast<float>(i) / 8;
  return volume;
}

inline std::string Bytes(const io::Blob& blob) {
  return {reinterpret_cast<const char*>(blob.data()), blob.size()};
}

inline std::set<std::string> NamesIn(const std::string& folder) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) names.insert(entry.path().filename().string());
  return names;
}

// Lets `passes` steps pass, then makes every step fail with `error` while armed. Counts the steps.
struct FaultSwitch {
  int error = 0;
  int passes = 0;
  int steps = 0;
};

inline FileFaults FaultsOf(const std::shared_ptr<FaultSwitch>& state) {
  return [state](absl::string_view, const std::string&) {
    ++state->steps;
    if (state->error == 0 || state->passes-- > 0) return 0;
    return state->error;
  };
}

}  // namespace dvren::server::test
