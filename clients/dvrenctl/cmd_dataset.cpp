// dvrenctl dataset …: photographs with cameras, looked at here, without a daemon.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <memory>

#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "dvren/io/dataset_reader.h"
#include "session.h"

namespace dvren::ctl {
namespace {

using Request = std::shared_ptr<io::DatasetRequest>;

Value ArrayOf(const Vec3& v) {
  return Value{v[0], v[1], v[2]};
}
Value BoxOf(const Box& box) {
  return Value{{"min", ArrayOf(box.min)}, {"max", ArrayOf(box.max)}};
}

std::string Show(const char* format, double number) {
  char text[40];
  std::snprintf(text, sizeof text, format, number);
  return text;
}
std::string Show(const Vec3& v) {
  return absl::StrCat(Show("%.4g", v[0]), ", ", Show("%.4g", v[1]), ", ", Show("%.4g", v[2]));
}
std::string Show(const Box& box) {
  return Show(box.min) + " to " + Show(box.max);
}

Value ReportValue(const io::DatasetReport& report) {
  Value sizes = Value::array();
  for (const auto& size : report.sizes) {
    sizes.push_back({{"width", size.width}, {"height", size.height}, {"images", size.images}});
  }
  return {{"format", report.format},
          {"split", report.split},
          {"images", report.images},
          {"images_listed", report.images_listed},
          {"missing", report.missing},
          {"sizes", sizes},
          {"channels", report.channels},
          {"bytes", report.bytes},
          {"cameras", report.cameras},
          {"camera_positions", BoxOf(report.camera_positions)},
          {"camera_distance", report.camera_distance},
          {"rotation_error", report.rotation_error},
          {"bounds", BoxOf(report.bounds)},
          {"notes", report.notes}};
}

Table ReportTable(const io::DatasetReport& report) {
  constexpr std::size_t kMostSizes = 3;
  std::vector<std::string> sizes;
  for (const auto& size : report.sizes) {
    if (sizes.size() == kMostSizes) break;
    sizes.push_back(absl::StrCat(size.width, "x", size.height));
    if (report.sizes.size() > 1) absl::StrAppend(&sizes.back(), " (", size.images, ")");
  }
  if (report.sizes.size() > kMostSizes) sizes.push_back(absl::StrCat(report.sizes.size() - kMostSizes, " more"));
  Table table{{},
              {{"format", report.format},
               {"split", report.split},
               {"images", report.images == report.images_listed
                              ? Grouped(report.images)
                              : Grouped(report.images) + " of " + Grouped(report.images_listed)},
               {"size", absl::StrJoin(sizes, ", ")},
               {"channels", report.channels == 4 ? "RGB and alpha" : "RGB"},
               {"memory", HumanBytes(report.bytes)},
               {"cameras", Grouped(report.cameras)},
               {"camera positions", Show(report.camera_positions)},
               {"camera distance", Show("%.4g", report.camera_distance)},
               {"bounds", Show(report.bounds)}}};
  for (const std::string& note : report.notes) table.rows.push_back({"note", Printable(note)});
  return table;
}

absl::Status Inspect(const Session& session, const io::DatasetRequest& request) {
  DVREN_ASSIGN_OR_RETURN(const Format format, session.format());
  const auto report = io::InspectDataset(request);
  if (!report.ok()) {  // the remedy as a recipe says it, as this command line does
    const absl::Status& status = report.status();
    return absl::Status(status.code(),
                        absl::StrReplaceAll(status.message(), {{"missing_images: skip", "--skip-missing"}}));
  }
  Print(std::cout, format, ReportValue(*report), ReportTable(*report));
  return absl::OkStatus();
}

}  // namespace

void AddDatasetCommands(CLI::App& app, Session& session) {
  CLI::App& dataset = *app.add_subcommand("dataset", "Look at photographs with cameras before training on them");
  dataset.fallthrough();
  dataset.require_subcommand(1);
  dataset.footer("Examples:\n  dvrenctl dataset inspect data/lego");
  const auto request = std::make_shared<io::DatasetRequest>();
  CLI::App* inspect = dataset.add_subcommand(
      "inspect", "Check cameras and images of a folder: Blender, instant-ngp, nerfstudio, COLMAP; no daemon is needed");
  inspect->fallthrough();
  inspect->add_option("PATH", request->path, "The folder")->required()->type_name("FILE");
  inspect->add_option("--split", request->split, "Which of its images")
      ->type_name("train|test|val|all")
      ->capture_default_str();
  inspect->add_option("--downscale", request->downscale, "Divide the edges of the images by this")
      ->type_name("1|2|4|8")
      ->capture_default_str();
  inspect
      ->add_option("--hold-out-every", request->hold_out_every,
                   "Without splits in the files: images 0, N, 2N, ... are the test images; 0: none")
      ->type_name("N")
      ->capture_default_str();
  inspect->add_flag("--skip-missing", request->skip_missing, "Leave out images that are not there, instead of failing");
  inspect->footer(
      "Examples:\n"
      "  dvrenctl dataset inspect data/lego --split test\n"
      "  dvrenctl dataset inspect data/fox --skip-missing --hold-out-every 8 -o json");
  inspect->callback(
      [&session, request] { session.action = [&session, request] { return Inspect(session, *request); }; });
}

}  // namespace dvren::ctl
