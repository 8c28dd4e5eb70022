#include "train_progress.h"

#include <unistd.h>

#include <array>
#include <cmath>
#include <cstdio>

#include "output.h"

namespace dvren::ctl {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kRedraw{100};
constexpr std::chrono::seconds kLine{5};

// "0:07", "1:05:00".
std::string Clock(double seconds) {
  const auto whole = static_cast<long>(std::ceil(seconds));
  std::array<char, 48> text{};
  if (whole >= 3600) {
    std::snprintf(text.data(), text.size(), "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
  } else {
    std::snprintf(text.data(), text.size(), "%ld:%02ld", whole / 60, whole % 60);
  }
  return text.data();
}

}  // namespace

std::string TrainText(const v1::TrainReport& report, std::int64_t last_step, double steps_per_second) {
  std::array<char, 96> numbers{};
  const double rays_per_second =
      report.train_seconds() > 0 ? static_cast<double>(report.rays()) / report.train_seconds() : 0;
  std::snprintf(numbers.data(), numbers.size(), "  loss %.3g  %.1f dB  %.2f M rays/s", report.loss(), report.psnr(),
                rays_per_second / 1e6);
  std::string text = "step " + Grouped(report.step()) + " of " + Grouped(last_step) + numbers.data();
  if (steps_per_second > 0 && report.step() < last_step) {
    text += "  ETA " + Clock(static_cast<double>(last_step - report.step()) / steps_per_second);
  }
  return text;
}

TrainProgress::TrainProgress(std::int64_t last_step, bool watch)
    : last_step_(last_step), terminal_(::isatty(STDERR_FILENO) == 1), watch_(watch), start_(steady_clock::now()) {}

TrainProgress::~TrainProgress() {
  Clear();
}

void TrainProgress::Clear() {
  if (terminal_ && drawn_) std::fputs("\r\033[K", stderr);
  drawn_ = false;
}

void TrainProgress::Update(const v1::TrainReport& report) {
  if (first_step_ < 0) first_step_ = report.step() - report.steps();
  if (!terminal_ && !watch_) return;
  const auto now = steady_clock::now();
  const bool last = report.step() >= last_step_;
  if (last_draw_ != steady_clock::time_point() && !last &&
      now - last_draw_ < (terminal_ ? steady_clock::duration(kRedraw) : kLine)) {
    return;
  }
  last_draw_ = now;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double rate = seconds > 0 ? static_cast<double>(report.step() - first_step_) / seconds : 0;
  const std::string text = TrainText(report, last_step_, rate);
  if (terminal_) {
    drawn_ = true;
    std::fprintf(stderr, "\r%s\033[K", text.c_str());
  } else {
    std::fprintf(stderr, "%s\n", text.c_str());
  }
  std::fflush(stderr);
}

}  // namespace dvren::ctl
