#include "train_report.h"

#include <array>
#include <cmath>
#include <cstdio>
#include <span>
#include <utility>

#include "dvren/io/atomic_file.h"
#include "dvren/io/chart.h"
#include "dvren/io/contact_sheet.h"
#include "dvren/io/png.h"
#include "transforms_json.h"

namespace dvren::ctl {
namespace {

constexpr int kThumb = 400;  // pixels of a picture's longest edge in the contact sheet

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

io::Image ImageOf(const client::Image& image) {
  return {image.width, image.height, image.channels, image.pixels};
}

// Names as charts can write them.
std::string Ascii(const std::string& text) {
  std::string ascii = text;
  for (char& c : ascii) c = c >= 0x20 && c < 0x7f ? c : '?';
  return ascii;
}

absl::Status WritePicture(const std::string& path, const io::Image& image) {
  return io::WritePng(path, image.width, image.height, image.channels, 8, image.values, /*srgb_encode=*/false);
}

absl::Status WriteSheet(const std::string& path, const TrainingRecord& record) {
  std::vector<io::SheetRow> rows;
  for (const client::EvaluatedPhoto& photo : record.shown) {
    io::SheetRow row;
    row.caption = Ascii(photo.view.name()) + ": " + Fixed(photo.view.psnr(), 2) + " dB";
    row.truth = ImageOf(photo.truth);
    row.render = ImageOf(photo.render);
    rows.push_back(std::move(row));
  }
  DVREN_ASSIGN_OR_RETURN(const io::Image sheet, io::ContactSheet(rows, kThumb));
  return WritePicture(path, sheet);
}

absl::Status WriteCurve(const std::string& path, const TrainingRecord& record) {
  io::ChartSpec chart;
  chart.title = Ascii(record.session.field());
  chart.x_label = "seconds of training";
  chart.y_label = "PSNR, dB";
  io::ChartSeries batches{"training rays", {}, {}}, views{"test views", {}, {}};
  for (const CurvePoint& point : record.curve) {
    if (!std::isfinite(point.psnr)) continue;
    batches.x.push_back(point.train_seconds);
    batches.y.push_back(point.psnr);
  }
  for (const ScorePoint& point : record.scores) {
    if (!std::isfinite(point.psnr)) continue;
    views.x.push_back(point.train_seconds);
    views.y.push_back(point.psnr);
  }
  for (const io::ChartSeries* series : {&batches, &views}) {
    if (!series->x.empty()) chart.series.push_back(*series);
  }
  if (chart.series.empty()) return absl::OkStatus();
  DVREN_ASSIGN_OR_RETURN(const io::Image picture, io::Chart(chart));
  return WritePicture(path, picture);
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
  const auto name = [&](const char* file) {
    record.files.push_back(folder + "/" + file);
    return record.files.back();
  };
  if (!record.shown.empty()) DVREN_RETURN_IF_ERROR(WriteSheet(name("contact_sheet.png"), record));
  if (!record.curve.empty()) DVREN_RETURN_IF_ERROR(WriteCurve(name("learning_curve.png"), record));
  const auto write = [](const std::string& path, const Value& value) {
    const std::string text = ToJson(value);
    return io::WriteFileAtomically(path, std::as_bytes(std::span(text.data(), text.size())));
  };
  if (record.cameras.cameras_size() > 0) {
    DVREN_RETURN_IF_ERROR(write(name("transforms.json"), TransformsValue(record.cameras)));
  }
  const std::string path = name("training.json");
  Value value = ToValue(record);
  value["curve"] = CurveValue(record);
  return write(path, value);
}

}  // namespace dvren::ctl
