#include "train/error_map.h"

#include <algorithm>
#include <cmath>

namespace dvren {

ErrorMap::ErrorMap(const io::PhotoSet& photos, const RaySpec& spec)
    : edge_(static_cast<std::size_t>(spec.error_cell)), decay_(spec.error_decay) {
  std::uint64_t first = 0;
  for (const io::Photo& photo : photos.photos) {
    const auto width = static_cast<std::size_t>(photo.camera.width),
               height = static_cast<std::size_t>(photo.camera.height);
    first_cell_.push_back(cells_.size());
    columns_.push_back((width + edge_ - 1) / edge_);
    for (std::size_t y = 0; y < height; y += edge_) {
      for (std::size_t x = 0; x < width; x += edge_) {
        cells_.push_back({first + y * width + x, static_cast<std::uint32_t>(width),
                          static_cast<std::uint16_t>(std::min(edge_, width - x)),
                          static_cast<std::uint16_t>(std::min(edge_, height - y))});
      }
    }
    first += width * height;
  }
  first_cell_.push_back(cells_.size());
  average_.assign(cells_.size(), -1.0);
  sum_.assign(cells_.size(), 0.0);
  count_.assign(cells_.size(), 0);
  Accumulate();
}

void ErrorMap::Accumulate() {
  double known = 0, number = 0;
  for (const double a : average_) {
    if (a < 0) continue;
    known += a;
    number += 1;
  }
  // Nothing wrong, or nothing known: all pixels are alike.
  const bool flat = !(known > 0);
  const double unknown = flat ? 1 : known / number;
  double total = 0;
  cumulative_.resize(cells_.size());
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    const double error = flat || average_[i] < 0 ? unknown : average_[i];
    total += error * static_cast<double>(cells_[i].pixels());
    cumulative_[i] = total;
  }
}

std::uint64_t ErrorMap::Draw(double u, double v) const {
  // The first cell whose sum is above the place: never one of no error.
  const auto at = std::upper_bound(cumulative_.begin(), cumulative_.end(), u * cumulative_.back());
  const auto index = std::min(static_cast<std::size_t>(at - cumulative_.begin()), cells_.size() - 1);
  const Cell& cell = cells_[index];
  const auto local = std::min(static_cast<std::uint64_t>(v * static_cast<double>(cell.pixels())), cell.pixels() - 1);
  return cell.first + local / cell.width * cell.row + local % cell.width;
}

std::vector<double> ErrorMap::Chances(std::size_t photo) const {
  std::vector<double> chances;
  for (std::size_t i = first_cell_[photo]; i < first_cell_[photo + 1]; ++i) {
    chances.push_back((cumulative_[i] - (i > 0 ? cumulative_[i - 1] : 0)) / cumulative_.back());
  }
  return chances;
}

void ErrorMap::Begin() {
  for (const std::size_t i : touched_) sum_[i] = 0, count_[i] = 0;
  touched_.clear();
}

void ErrorMap::Add(std::size_t photo, double x, double y, double error) {
  const std::size_t i =
      first_cell_[photo] + static_cast<std::size_t>(y) / edge_ * columns_[photo] + static_cast<std::size_t>(x) / edge_;
  if (count_[i]++ == 0) touched_.push_back(i);
  sum_[i] += error;
}

void ErrorMap::End() {
  for (const std::size_t i : touched_) {
    const double mean = sum_[i] / count_[i];
    average_[i] = average_[i] < 0 ? mean : decay_ * average_[i] + (1 - decay_) * mean;
  }
  Begin();
  Accumulate();
}

void ErrorMap::Save(ByteSink& sink) const {
  sink.Put(average_);
}

absl::Status ErrorMap::Restore(ByteSource& source) {
  std::vector<double> average;
  DVREN_RETURN_IF_ERROR(source.Get(&average));
  if (average.size() != average_.size() ||
      !std::all_of(average.begin(), average.end(), [](double a) { return std::isfinite(a); })) {
    return absl::DataLossError(absl::StrCat("checkpoint: damaged: an error map of ", average.size(), " cells"));
  }
  average_ = std::move(average);
  Accumulate();
  return absl::OkStatus();
}

}  // namespace dvren
