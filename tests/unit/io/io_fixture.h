// What the tests of dvren::io share: a folder that goes away, bytes of files, statuses as failures, Python as a second
// opinion.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "dvren/core/status.h"
#include "dvren/io/volume.h"

namespace dvren::io::test {

// The value, or an exception with the status, which fails the test case.
template <class T>
[[nodiscard]] T Get(absl::StatusOr<T> value) {
  if (!value.ok()) throw std::runtime_error(value.status().ToString());
  return std::move(value).value();
}
void Ok(const absl::Status& status);

// The status has this code, and its message holds every one of `parts`.
[[nodiscard]] bool Refused(const absl::Status& status, absl::StatusCode code, std::initializer_list<const char*> parts);

// A new folder below the system's temporary one, removed at the end.
class TempFolder {
 public:
  TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  ~TempFolder();
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  [[nodiscard]] std::vector<std::string> Names() const;  // of what lies in it, sorted

 private:
  std::string path_;
};

[[nodiscard]] std::string ReadBytes(const std::string& path);
void WriteBytes(const std::string& path, const std::string& bytes);

// $DVREN_DATA, or <source>/../shared/data, + name; empty (and said on stderr) where it is not there.
[[nodiscard]] std::string DataFile(const std::string& name);

// Runs `script` with Debian's Python. False, said on stderr, where `modules` cannot be imported (nothing was checked
// then); throws with the script's output when it fails.
bool Python(const std::string& modules, const std::string& script);

// (nz, ny, nx, 1) of f32 with `value(x, y, z)`.
template <class Fn>
[[nodiscard]] DenseVolume Dense(std::int64_t nx, std::int64_t ny, std::int64_t nz, Fn value) {
  DenseVolume volume;
  volume.shape = {nz, ny, nx, 1};
  volume.values = Blob(static_cast<std::size_t>(nx * ny * nz) * sizeof(float));
  auto* to = reinterpret_cast<float*>(volume.values.data());
  for (std::int64_t z = 0; z < nz; ++z) {
    for (std::int64_t y = 0; y < ny; ++y) {
      for (std::int64_t x = 0; x < nx; ++x) *to++ = static_cast<float>(value(x, y, z));
    }
  }
  return volume;
}
[[nodiscard]] inline float At(const DenseVolume& v, std::int64_t x, std::int64_t y, std::int64_t z) {
  return reinterpret_cast<const float*>(v.values.data())[(z * v.shape[1] + y) * v.shape[2] + x];
}

}  // namespace dvren::io::test
