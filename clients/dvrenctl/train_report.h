// What a training leaves behind for people: tables, and files of --out.
#pragma once

#include <string>
#include <vector>

#include "dvren/client/training.h"
#include "output.h"

namespace dvren::ctl {

struct CurvePoint {
  std::int64_t step = 0;
  double train_seconds = 0;   // in steps, without evaluations
  double loss = 0, psnr = 0;  // of batches
};
struct ScorePoint {
  std::int64_t step = 0;
  double train_seconds = 0;
  double psnr = 0, ssim = 0;  // means over the evaluated views
};

struct TrainingRecord {
  v1::Session session;
  v1::Field field;  // as published; no name when it was not
  std::string checkpoint;
  std::vector<CurvePoint> curve;
  std::vector<ScorePoint> scores;
  client::EvaluationResult evaluation;        // the last one; no views without
  std::vector<client::EvaluatedPhoto> shown;  // some of its views, with images
  v1::GetCamerasResponse cameras;             // as refined; none where the recipe leaves them alone
  std::vector<std::string> files;
};

[[nodiscard]] Value ToValue(const TrainingRecord& record);
[[nodiscard]] Table ToTable(const TrainingRecord& record);

// training.json, refined cameras as transforms.json, and pictures: contact_sheet.png (truth, render, error of the shown
// views) and learning_curve.png. Adds their names to record.files.
[[nodiscard]] absl::Status WriteTrainingFiles(const std::string& folder, TrainingRecord& record);

}  // namespace dvren::ctl
