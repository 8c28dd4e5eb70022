// ErrorMap: where renders of photographs were wrong, cell by cell, and pixels drawn by it (RaySpec::error_map).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dvren/io/dataset.h"
#include "dvren/train/byte_codec.h"
#include "dvren/train/training_spec.h"

namespace dvren {

class ErrorMap {
 public:
  // Cells that no ray has been in count as the mean of those that were seen.
  ErrorMap(const io::PhotoSet& photos, const RaySpec& spec);

  // A pixel, counted over all photographs; u and v in [0, 1) choose its cell, and its place in that.
  [[nodiscard]] std::uint64_t Draw(double u, double v) const;
  // Chance of each cell of photograph `photo`, row by row.
  [[nodiscard]] std::vector<double> Chances(std::size_t photo) const;

  // A step: errors of rays are added up, then taken into the averages. Begin forgets what was added.
  void Begin();
  void Add(std::size_t photo, double x, double y, double error);
  void End();

  void Save(ByteSink& sink) const;
  [[nodiscard]] absl::Status Restore(ByteSource& source);

 private:
  struct Cell {
    std::uint64_t first;          // pixel at its upper left
    std::uint32_t row;            // pixels from one row to the next
    std::uint16_t width, height;  // pixels
    [[nodiscard]] std::uint64_t pixels() const { return std::uint64_t{width} * height; }
  };
  void Accumulate();

  std::size_t edge_;
  double decay_;
  std::vector<Cell> cells_;
  std::vector<std::size_t> first_cell_, columns_;  // of each photograph; one more first_cell_
  std::vector<double> average_;                    // per cell; negative: no ray yet
  std::vector<double> cumulative_;                 // sums of pixels times error up to and with each cell
  // Of the step that goes on.
  std::vector<double> sum_;
  std::vector<std::uint32_t> count_;
  std::vector<std::size_t> touched_;
};

}  // namespace dvren
