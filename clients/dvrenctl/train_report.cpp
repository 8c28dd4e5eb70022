#include "train_report.h"

#include <array>
#include <cstdio>
#include <span>

#include "dvren/io/atomic_file.h"

namespace dvren::ctl {
namespace {

std::string Fixed(double value, int digits) {
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%.*f", digits, value);
  return text.data();
}

Value CurveValue(const TrainingRecord& record) {
  Value curve = Value::array();
  for (const CurvePoint& point : record.curve) {
    curve.push_back(
        {{"step", point.step}, {"train_seconds", point.train_seconds}, {"loss", point.loss}, {"psnr", point.psnr}});
  }
  return curve;
}

Value ScoresValue(const TrainingRecord& record) {
  Value scores = Value::array();
  for (const ScorePoint& point : record.scores) {
    scores.push_back(
        {{"step", point.step}, {"train_seconds", point.train_seconds}, {"psnr", point.psnr}, {"ssim", point.ssim}});
  }
  return scores;
}

}  // namespace

Value ToValue(const TrainingRecord& record) {
  Value views = Value::array();
  for (const v1::EvaluatedView& view : record.evaluation.views) {
    views.push_back({{"name", view.name()}, {"psnr", view.psnr()}, {"ssim", view.ssim()}});
  }
  Value value = {{"session", record.session.name()},
                 {"step", record.session.step()},
                 {"finished", record.session.finished()},
                 {"train_seconds", record.session.last_report().total_train_seconds()},
                 {"photos", record.session.dataset_report().photos()}};
  if (!record.field.name().empty()) {
    value["field"] = {{"name", record.field.name()},
                      {"display_name", record.field.display_name()},
                      {"version", record.field.version()},
                      {"payload_bytes", record.field.payload_bytes()}};
  }
  if (!record.checkpoint.empty()) value["checkpoint"] = record.checkpoint;
  if (!record.evaluation.views.empty()) {
    value["psnr"] = record.evaluation.summary.psnr();
    value["ssim"] = record.evaluation.summary.ssim();
  }
  value["views"] = std::move(views);
  value["scores"] = ScoresValue(record);
  value["files"] = record.files;
  return value;
}

Table ToTable(const TrainingRecord& record) {
  Table table;
  table.header = {"VIEW", "PSNR", "SSIM"};
  for (const v1::EvaluatedView& view : record.evaluation.views) {
    table.rows.push_back({Printable(view.name()), Fixed(view.psnr(), 2), Fixed(view.ssim(), 4)});
  }
  if (!record.evaluation.views.empty()) {
    table.rows.push_back(
        {"mean", Fixed(record.evaluation.summary.psnr(), 2), Fixed(record.evaluation.summary.ssim(), 4)});
  }
  return table;
}

absl::Status WriteTrainingFiles(const std::string& folder, TrainingRecord& record) {
  const std::string path = folder + "/training.json";
  Value value = ToValue(record);
  value["curve"] = CurveValue(record);
  const std::string text = ToJson(value);
  DVREN_RETURN_IF_ERROR(io::WriteFileAtomically(path, std::as_bytes(std::span(text.data(), text.size()))));
  record.files.push_back(path);
  return absl::OkStatus();
}

}  // namespace dvren::ctl
