// Training on the wire: recipes, datasets' names, reports. Keys are those of TrainingSpec, one to one.
#pragma once

#include <cstdint>
#include <string>

#include "dvren/core/status.h"
#include "dvren/io/dataset.h"
#include "dvren/io/dataset_reader.h"
#include "dvren/train/trainer.h"
#include "dvren/train/training_spec.h"
#include "dvren/v1/training_service.pb.h"

namespace dvren::server {

// Keys that are absent take TrainingSpec's defaults, a key that is 0 is 0. INVALID_ARGUMENT for a box that is none; all
// else is for ValidateTrainingSpec to judge.
[[nodiscard]] absl::StatusOr<TrainingSpec> DecodeRecipe(const v1::Recipe& message);
// Complete: every key is set.
void EncodeRecipe(const TrainingSpec& spec, v1::Recipe* message);

// What can be refused before any file is touched. `path` is the proto field that errors name.
[[nodiscard]] absl::Status CheckDatasetSource(const v1::DatasetSource& source, const std::string& path);
// `path` of the request is left to the caller, who knows where it may lie.
[[nodiscard]] io::DatasetRequest DecodeDatasetSource(const v1::DatasetSource& source);
[[nodiscard]] v1::DatasetReport EncodeDatasetReport(const io::DatasetReport& report);
// Host memory that the photographs take.
[[nodiscard]] std::uint64_t PhotoBytes(const io::PhotoSet& photos);
// Device memory of the finest stage, before it is there: values, the gradient's sums and the optimizer's two moments.
[[nodiscard]] std::uint64_t TrainerBytes(const TrainingSpec& spec);

// Folds steps into one report: sums of counts and seconds, means of loss and PSNR.
class ReportSum {
 public:
  void Add(const StepReport& step);
  [[nodiscard]] std::int64_t steps() const { return report_.steps(); }
  // `total_train_seconds` of the session so far.
  [[nodiscard]] v1::TrainReport Report(double total_train_seconds) const;

 private:
  v1::TrainReport report_;  // loss and psnr are sums
};

}  // namespace dvren::server
