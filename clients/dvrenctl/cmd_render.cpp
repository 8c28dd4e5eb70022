// dvrenctl render: a picture, or a turn of them, of one field.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "image_files.h"
#include "output_path.h"
#include "progress.h"
#include "render_options.h"
#include "session.h"

namespace dvren::ctl {
namespace {

// Sums over all frames, for the last line.
struct Totals {
  v1::RenderStats stats;
  double seconds = 0;  // as the user waited, without the writing of files
  std::vector<std::string> files, warnings;
  std::string device;

  void Add(const client::RenderReport& report) {
    const v1::RenderStats& from = report.summary.stats();
    stats.set_rays(stats.rays() + from.rays());
    stats.set_samples(stats.samples() + from.samples());
    stats.set_early_stopped_rays(stats.early_stopped_rays() + from.early_stopped_rays());
    stats.set_truncated_rays(stats.truncated_rays() + from.truncated_rays());
    stats.set_invalid_pixels(stats.invalid_pixels() + from.invalid_pixels());
    stats.set_kernel_seconds(stats.kernel_seconds() + from.kernel_seconds());
    stats.set_queue_seconds(stats.queue_seconds() + from.queue_seconds());
    stats.set_total_seconds(stats.total_seconds() + from.total_seconds());
    device = report.header.device();
    for (const std::string& warning : report.summary.warnings()) {
      if (std::find(warnings.begin(), warnings.end(), warning) == warnings.end()) warnings.push_back(warning);
    }
  }
  [[nodiscard]] double samples_per_second() const {
    return stats.kernel_seconds() > 0 ? static_cast<double>(stats.samples()) / stats.kernel_seconds() : 0;
  }
  [[nodiscard]] std::string Line() const {
    char numbers[160];
    std::snprintf(numbers, sizeof numbers, "%.1f M samples, %.1f M samples/s, %.2f s",
                  static_cast<double>(stats.samples()) / 1e6, samples_per_second() / 1e6, seconds);
    std::string line = Grouped(stats.rays()) + " rays, " + numbers;
    if (!device.empty()) line += " on " + device;
    line += ", wrote " + (files.size() == 1
                              ? files[0]
                              : std::to_string(files.size()) + " files, " + files.front() + " to " + files.back());
    for (const std::string& warning : warnings) line += "; warning: " + Printable(warning);
    return line;
  }
  [[nodiscard]] Value ToValue() const {
    return {{"files", files},
            {"device", device},
            {"rays", stats.rays()},
            {"samples", stats.samples()},
            {"early_stopped_rays", stats.early_stopped_rays()},
            {"truncated_rays", stats.truncated_rays()},
            {"invalid_pixels", stats.invalid_pixels()},
            {"kernel_seconds", stats.kernel_seconds()},
            {"queue_seconds", stats.queue_seconds()},
            {"total_seconds", stats.total_seconds()},
            {"samples_per_second", samples_per_second()},
            {"warnings", warnings}};
  }
};

absl::Status Render(const Session& session, const RenderOptions& options) {
  // Everything that can be wrong on this side is found before the daemon works.
  DVREN_ASSIGN_OR_RETURN(const Format format, session.format());
  DVREN_ASSIGN_OR_RETURN(const auto aovs, ParseAovs(options.aov));
  DVREN_RETURN_IF_ERROR(CheckImageFile(options.out, aovs, options.bits.value_or(0), options.color_space.value_or("")));
  DVREN_RETURN_IF_ERROR(CheckRenderOptions(options));
  DVREN_RETURN_IF_ERROR(CheckWritable("--out", options.out));

  DVREN_ASSIGN_OR_RETURN(const client::Client client, session.Connect());
  v1::Field field;
  if (NeedsBox(options) && absl::StartsWith(options.field, "sessions/")) {
    DVREN_ASSIGN_OR_RETURN(const v1::Session trained, client.GetSession(options.field));
    *field.mutable_world_box() = trained.recipe().field().box();
  } else if (NeedsBox(options)) {
    DVREN_ASSIGN_OR_RETURN(field, client.GetField(options.field));
  }
  DVREN_ASSIGN_OR_RETURN(const auto requests, MakeRequests(options, field));
  Totals totals;
  const int count = static_cast<int>(requests.size());
  for (int i = 0; i < count; ++i) {
    const auto start = std::chrono::steady_clock::now();
    absl::StatusOr<client::RenderedFrame> frame;
    {
      ProgressBar bar(count == 1 ? "render" : absl::StrCat("frame ", i + 1, "/", count), ProgressBar::Unit::kPixels);
      frame = client.Render(requests[static_cast<std::size_t>(i)],
                            [&bar](std::uint64_t done, std::uint64_t total) { bar.Update(done, total); });
    }
    DVREN_RETURN_IF_ERROR(frame.status());
    totals.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    totals.Add(frame->report);
    const std::string path = options.orbit_frames ? NumberedPath(options.out, i, count) : options.out;
    DVREN_RETURN_IF_ERROR(WriteImageFile(path, *frame, options.bits.value_or(0), options.color_space.value_or("")));
    totals.files.push_back(path);
  }
  std::fprintf(stderr, "%s\n", totals.Line().c_str());
  // The line above is for people; on stdout there is only what was asked for.
  if (format != Format::kTable) {
    Table table;
    for (const std::string& file : totals.files) table.rows.push_back({file});
    Print(std::cout, format, totals.ToValue(), table);
  }
  return absl::OkStatus();
}

}  // namespace

void AddRenderCommand(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("render", "Render a field into a file");
  command->fallthrough();
  const auto o = std::make_shared<RenderOptions>();
  command->add_option("FIELD", o->field, "Name or id of the field, or sessions/{id} in training")
      ->required()
      ->type_name("FIELD");
  command->add_option("--out", o->out, "File to write: .png (sRGB), or linear .exr, .npy, .npz")
      ->required()
      ->type_name("FILE");
  command->add_option("--bits", o->bits, "Of a .png; default: 8")->type_name("8|16");
  command
      ->add_option(
          "--color-space", o->color_space,
          "Of the field's colours: linear are encoded in a .png, srgb (trained from photographs) are written as "
          "they are; default: linear")
      ->type_name("linear|srgb");

  const char* camera = "Camera";
  command->add_option("--width", o->width, "Pixels; default: 1024, or as high")->type_name("W")->group(camera);
  command->add_option("--height", o->height, "Pixels; default: 1024, or as wide")->type_name("H")->group(camera);
  command->add_option("--camera", o->camera, "Camera file, see below")->type_name("FILE")->group(camera);
  command
      ->add_option("--orbit", o->orbit,
                   "Look at the box's centre from this azimuth (about +y from +z), elevation (degrees), distance; "
                   "default: 30,20, all of the box")
      ->type_name("AZ,EL,DIST")
      ->group(camera);
  command->add_option("--fov", o->fov, "Vertical field of view of the orbit; default: 40")
      ->type_name("DEG")
      ->group(camera);
  command->add_option("--orbit-frames", o->orbit_frames, "A turn of 360 degrees in N files, OUT_000.png and so on")
      ->type_name("N")
      ->group(camera);
  command->add_option("--roi", o->roi, "Only these pixels of the whole image")->type_name("X,Y,W,H")->group(camera);

  const char* look = "Look";
  command->add_option("--color", o->color, "Linear colour of a scalar field; default: 1,1,1")
      ->type_name("R,G,B")
      ->group(look);
  command->add_option("--transfer", o->transfer, "Transfer function, colour over density: a file, see below")
      ->type_name("FILE")
      ->group(look);
  command->add_option("--background", o->background, "Linear colour behind the field; default: 0,0,0")
      ->type_name("R,G,B")
      ->group(look);
  command->add_option("--sigma-scale", o->sigma_scale, "Multiplies the density; default: 1")
      ->type_name("S")
      ->group(look);
  command->add_option("--aov", o->aov, "More images for .exr and .npz: depth, opacity, transmittance, hit")
      ->type_name("LIST")
      ->group(look);

  const char* sampling = "Sampling";
  command->add_option("--step", o->step, "World distance between samples; default: half the smallest voxel")
      ->type_name("DT")
      ->group(sampling);
  command
      ->add_option("--max-steps", o->max_steps, "Most samples per ray; rays that it cuts are counted; default: 1048576")
      ->type_name("N")
      ->group(sampling);
  command
      ->add_option("--sampling", o->sampling,
                   "In the middle of each step, anywhere in it, or at one place in all of a ray's; default: fixed")
      ->type_name("fixed|stratified|uniform_jitter")
      ->group(sampling);
  command->add_option("--seed", o->seed, "Of random sampling; default: 0")->type_name("S")->group(sampling);
  command
      ->add_option("--early-stop", o->early_stop,
                   "End a ray when less than this part of its light is left; 0: never; default: 1e-4")
      ->type_name("E")
      ->group(sampling);
  command->add_option("--precision", o->precision, "Of the arithmetic; files hold f32; default: f32")
      ->type_name("f32|f64")
      ->group(sampling);
  command->add_option("--device", o->device, "One of `dvrenctl devices`; default: the daemon's choice")
      ->type_name("ID")
      ->group(sampling);

  command->footer(
      "Camera file (OpenCV axes: x right, y down, z forward; rows of a 3x4 camera-to-world matrix):\n"
      "  {\"width\": 800, \"height\": 600, \"fx\": 900, \"fy\": 900,\n"
      "   \"camera_to_world\": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, -3]]}\n"
      "  and, where needed: \"model\": \"pinhole\"|\"fisheye\"|\"orthographic\", \"cx\", \"cy\", \"distortion\": "
      "{\"k1\": 0.1},\n"
      "  \"ortho_scale\", \"convention\": \"opencv\"|\"opengl\", \"t_near\", \"t_far\"\n"
      "Transfer function: {\"density\": [0, 0.5, 1], \"rgb\": [[0, 0, 0], [1, 0.4, 0.1], [1, 1, 1]]}\n"
      "Examples:\n"
      "  dvrenctl render smoke --out smoke.png\n"
      "  dvrenctl render smoke --out smoke.exr --aov depth,opacity --orbit 45,10,300 --fov 30 --width 640 --height "
      "480\n"
      "  dvrenctl render smoke --out turn.png --orbit-frames 36 --transfer fire.json --sigma-scale 0.5\n"
      "  dvrenctl render smoke --out view.npz --camera cam.json --sampling stratified --seed 7 --aov hit");
  command->callback([&session, o] { session.action = [&session, o] { return Render(session, *o); }; });
}

}  // namespace dvren::ctl
