#include "progress.h"

#include <unistd.h>

#include <array>
#include <cstdio>

#include "output.h"

namespace dvren::ctl {
namespace {

constexpr int kBarWidth = 30;
constexpr std::chrono::milliseconds kRedraw{100};

}  // namespace

std::string ProgressText(ProgressBar::Unit unit, std::uint64_t done, std::uint64_t total, double seconds) {
  const double part = total == 0 ? 1 : static_cast<double>(done) / static_cast<double>(total);
  std::string text = "[";
  for (int i = 0; i < kBarWidth; ++i) text += i < static_cast<int>(part * kBarWidth) ? '#' : '.';
  std::array<char, 16> percent{};
  std::snprintf(percent.data(), percent.size(), "] %3d%%", static_cast<int>(part * 100));
  text += percent.data();
  if (unit == ProgressBar::Unit::kBytes) {
    text += "  " + HumanBytes(done) + " of " + HumanBytes(total);
    if (seconds > 0.2)
      text += "  " + HumanBytes(static_cast<std::uint64_t>(static_cast<double>(done) / seconds)) + "/s";
  } else {
    text += "  " + Grouped(static_cast<std::int64_t>(done)) + " of " + Grouped(static_cast<std::int64_t>(total)) +
            " pixels";
  }
  if (seconds > 1 && part > 0.01 && part < 1) {
    text += "  " + std::to_string(static_cast<std::int64_t>(seconds / part * (1 - part) + 1)) + " s left";
  }
  return text;
}

ProgressBar::ProgressBar(std::string label, Unit unit)
    : label_(std::move(label)),
      unit_(unit),
      enabled_(::isatty(STDERR_FILENO) == 1),
      start_(std::chrono::steady_clock::now()) {}

ProgressBar::~ProgressBar() {
  if (drawn_) std::fputs("\r\033[K", stderr);
}

void ProgressBar::Update(std::uint64_t done, std::uint64_t total) {
  if (!enabled_) return;
  const auto now = std::chrono::steady_clock::now();
  if (drawn_ && now - last_draw_ < kRedraw && done < total) return;
  last_draw_ = now;
  drawn_ = true;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  std::fprintf(stderr, "\r%s %s\033[K", label_.c_str(), ProgressText(unit_, done, total, seconds).c_str());
  std::fflush(stderr);
}

}  // namespace dvren::ctl
