// ProgressBar: one line on stderr that is redrawn, on a terminal only; into a pipe or a file nothing is written.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace dvren::ctl {

class ProgressBar {
 public:
  enum class Unit { kBytes, kPixels };
  ProgressBar(std::string label, Unit unit);
  ~ProgressBar();  // clears the line
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void Update(std::uint64_t done, std::uint64_t total);

 private:
  const std::string label_;
  const Unit unit_;
  const bool enabled_;
  const std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point last_draw_;
  bool drawn_ = false;
};

// "[#####.....]  50%  12.0 MiB of 24.0 MiB  6.0 MiB/s  2 s left".
[[nodiscard]] std::string ProgressText(ProgressBar::Unit unit, std::uint64_t done, std::uint64_t total, double seconds);

}  // namespace dvren::ctl
