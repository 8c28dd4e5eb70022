// dvrenctl train: a recipe and photographs become a field.
#include <CLI/CLI.hpp>
#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <memory>
#include <system_error>

#include "recipe_yaml.h"
#include "session.h"
#include "train_progress.h"
#include "train_report.h"
#include "values.h"

namespace dvren::ctl {
namespace {

struct TrainOptions {
  std::string recipe, field, data, out, resume, checkpoint, device;
  std::vector<std::string> sets;
  std::optional<std::int64_t> steps;
  bool watch = false, no_eval = false;
};

// As many views as a contact sheet has room for.
constexpr std::size_t kShownViews = 5;
constexpr std::int64_t kCurvePoints = 400;  // of the learning curve, about
constexpr char kFolderOption[] = "--out";

// Everything of the command, decided before the daemon works.
struct TrainPlan {
  v1::CreateSessionRequest session;
  v1::DatasetSource test;  // to evaluate on
  std::array<double, 3> background{1, 1, 1};
  std::int64_t evaluate_every_steps = 0;
  double evaluate_every_seconds = 0;
};

absl::StatusOr<std::array<double, 3>> ParseBackground(const std::string& text) {
  if (text == "white") return std::array<double, 3>{1, 1, 1};
  if (text == "black") return std::array<double, 3>{0, 0, 0};
  const auto numbers = ParseNumbers("evaluate.background", text, 3, "white, black or R,G,B");
  if (!numbers.ok()) return InvalidField("evaluate.background", Printable(text), "must be white, black or R,G,B");
  for (const double number : *numbers) {
    if (number < 0 || number > 1) return InvalidField("evaluate.background", text, "must be 0 to 1");
  }
  return std::array<double, 3>{(*numbers)[0], (*numbers)[1], (*numbers)[2]};
}

absl::StatusOr<TrainPlan> MakePlan(const TrainOptions& options) {
  DVREN_ASSIGN_OR_RETURN(v1::RecipeFile recipe, ReadRecipe(options.recipe, options.sets));
  TrainPlan plan;
  const std::string field = options.field.empty() ? recipe.field_name() : options.field;
  if (field.empty()) return InvalidField("field_name", "\"\"", "name the field, in the recipe or with --field");
  v1::DatasetSource& dataset = *recipe.mutable_dataset();
  if (!options.data.empty()) {
    dataset.clear_synthetic();
    dataset.set_path(options.data);
  }
  if (!dataset.path().empty()) {
    DVREN_ASSIGN_OR_RETURN(*dataset.mutable_path(), DatasetPath(dataset.path()));
  } else if (dataset.synthetic().empty()) {
    return InvalidField("dataset.path", "\"\"", "name a folder of photographs, in the recipe or with --data");
  }
  if (options.steps) recipe.mutable_recipe()->set_steps(*options.steps);
  const v1::EvaluationPlan& evaluate = recipe.evaluate();
  plan.test = dataset;
  plan.test.set_split(evaluate.has_split() ? evaluate.split() : "test");
  if (evaluate.has_background()) {
    DVREN_ASSIGN_OR_RETURN(plan.background, ParseBackground(evaluate.background()));
  }
  plan.evaluate_every_steps = evaluate.every_steps();
  plan.evaluate_every_seconds = evaluate.every_seconds();
  if (plan.evaluate_every_steps < 0) {
    return InvalidField("evaluate.every_steps", plan.evaluate_every_steps, "must be > 0, or 0 for the end only");
  }
  if (!(plan.evaluate_every_seconds >= 0)) {
    return InvalidField("evaluate.every_seconds", plan.evaluate_every_seconds, "must be > 0, or 0 for the end only");
  }
  plan.session.set_field(field);
  *plan.session.mutable_recipe() = recipe.recipe();
  *plan.session.mutable_dataset() = dataset;
  plan.session.set_checkpoint(options.resume);
  plan.session.set_device(options.device);
  return plan;
}

absl::Status MakeFolder(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error || !std::filesystem::is_directory(folder)) {
    return InvalidField(kFolderOption, Printable(folder), absl::StrCat("cannot be made: ", error.message()));
  }
  return absl::OkStatus();
}

v1::EvaluateRequest EvaluationOf(const TrainPlan& plan, const std::string& session) {
  v1::EvaluateRequest request;
  request.set_session(session);
  *request.mutable_dataset() = plan.test;
  request.mutable_background()->set_x(plan.background[0]);
  request.mutable_background()->set_y(plan.background[1]);
  request.mutable_background()->set_z(plan.background[2]);
  return request;
}

// One training as it goes on.
class Training {
 public:
  Training(const client::Client& client, const TrainPlan& plan, const TrainOptions& options)
      : client_(client), plan_(plan), options_(options) {}

  absl::Status Begin() {
    DVREN_ASSIGN_OR_RETURN(record_.session, client_.CreateSession(plan_.session));
    const v1::DatasetReport& report = record_.session.dataset_report();
    std::fprintf(stderr, "%s: %d photographs of %d x %d, %s steps on %s\n", Printable(record_.session.field()).c_str(),
                 report.photos(), report.width(), report.height(), Grouped(record_.session.recipe().steps()).c_str(),
                 record_.session.device().c_str());
    for (const std::string& note : report.notes()) std::fprintf(stderr, "  %s\n", Printable(note).c_str());
    if (options_.no_eval) return absl::OkStatus();
    // Test views that are not there should be found out now, not after the training.
    v1::EvaluateRequest first = EvaluationOf(plan_, record_.session.name());
    first.set_max_views(1);
    return client_.Evaluate(first).status();
  }

  absl::Status Train() {
    const std::int64_t last = record_.session.recipe().steps();
    TrainProgress progress(last, options_.watch);
    double next_evaluation_s = plan_.evaluate_every_seconds;
    while (record_.session.step() < last) {
      v1::StreamTrainRequest request;
      request.set_session(record_.session.name());
      request.set_report_every_steps(std::max<std::int64_t>(1, last / kCurvePoints));
      if (plan_.evaluate_every_steps > 0) {
        const std::int64_t step = record_.session.step();
        request.set_until_step(std::min(last, step + plan_.evaluate_every_steps - step % plan_.evaluate_every_steps));
      }
      if (plan_.evaluate_every_seconds > 0) {
        const double trained = record_.session.last_report().total_train_seconds();
        while (next_evaluation_s <= trained) next_evaluation_s += plan_.evaluate_every_seconds;
        request.set_max_train_seconds(next_evaluation_s - trained);
      }
      const auto on_report = [&](const v1::TrainReport& report) {
        record_.curve.push_back({report.step(), report.total_train_seconds(), report.loss(), report.psnr()});
        progress.Update(report);
        return true;
      };
      DVREN_ASSIGN_OR_RETURN(record_.session, client_.StreamTrain(request, on_report));
      if (record_.session.step() < last && !options_.no_eval) DVREN_RETURN_IF_ERROR(Evaluate(false));
    }
    return absl::OkStatus();
  }

  absl::Status Finish() {
    if (!options_.checkpoint.empty()) {
      DVREN_ASSIGN_OR_RETURN(const v1::Checkpoint saved,
                             client_.SaveCheckpoint(record_.session.name(), options_.checkpoint));
      record_.checkpoint = saved.name();
    }
    DVREN_ASSIGN_OR_RETURN(record_.field, client_.PublishField(record_.session.name()));
    if (!options_.no_eval) DVREN_RETURN_IF_ERROR(Evaluate(!options_.out.empty()));
    const v1::CameraRecipe& cameras = record_.session.recipe().cameras();
    if (!options_.out.empty() && (cameras.poses() || cameras.focal() || cameras.distortion())) {
      DVREN_ASSIGN_OR_RETURN(record_.cameras, client_.GetCameras(record_.session.name()));
    }
    if (!options_.out.empty()) DVREN_RETURN_IF_ERROR(WriteTrainingFiles(options_.out, record_));
    return client_.CloseSession(record_.session.name());
  }

  [[nodiscard]] const TrainingRecord& record() const { return record_; }

 private:
  absl::Status Evaluate(bool images) {
    v1::EvaluateRequest request = EvaluationOf(plan_, record_.session.name());
    if (images) {
      request.add_images(v1::EVALUATED_IMAGE_RENDER);
      request.add_images(v1::EVALUATED_IMAGE_TRUTH);
      request.set_dtype(v1::DTYPE_U8);
    }
    record_.shown.clear();
    std::vector<client::EvaluatedPhoto> photos;
    DVREN_ASSIGN_OR_RETURN(record_.evaluation, client_.Evaluate(request, [&](client::EvaluatedPhoto&& photo) {
      if (!photo.render.empty()) photos.push_back(std::move(photo));
    }));
    const std::size_t shown = std::min(kShownViews, photos.size());
    for (std::size_t i = 0; i < shown; ++i) record_.shown.push_back(std::move(photos[i * photos.size() / shown]));
    const v1::EvaluationSummary& summary = record_.evaluation.summary;
    record_.scores.push_back(
        {record_.session.step(), record_.session.last_report().total_train_seconds(), summary.psnr(), summary.ssim()});
    return absl::OkStatus();
  }

  const client::Client& client_;
  const TrainPlan& plan_;
  const TrainOptions& options_;
  TrainingRecord record_;
};

std::string LastLine(const TrainingRecord& record) {
  std::array<char, 64> seconds{};
  std::snprintf(seconds.data(), seconds.size(), " in %.1f s", record.session.last_report().total_train_seconds());
  std::string line = absl::StrCat(Printable(record.field.display_name()), ": ", Grouped(record.session.step()),
                                  " steps", seconds.data());
  if (!record.evaluation.views.empty()) {
    std::array<char, 64> psnr{};
    std::snprintf(psnr.data(), psnr.size(), ", %.2f dB on %zu views", record.evaluation.summary.psnr(),
                  record.evaluation.views.size());
    line += psnr.data();
  }
  if (!record.checkpoint.empty()) absl::StrAppend(&line, ", saved ", record.checkpoint);
  for (const std::string& file : record.files)
    absl::StrAppend(&line, &file == &record.files.front() ? ", wrote " : ", ", file);
  return line;
}

absl::Status Train(const Session& session, const TrainOptions& options) {
  // Everything that can be wrong on this side is found before the daemon works.
  DVREN_ASSIGN_OR_RETURN(const Format format, session.format());
  DVREN_ASSIGN_OR_RETURN(const TrainPlan plan, MakePlan(options));
  if (!options.out.empty()) DVREN_RETURN_IF_ERROR(MakeFolder(options.out));
  DVREN_ASSIGN_OR_RETURN(const client::Client client, session.Connect());
  Training training(client, plan, options);
  absl::Status status = training.Begin();
  const std::string& name = training.record().session.name();
  if (!status.ok()) {
    if (!name.empty()) static_cast<void>(client.CloseSession(name));  // the first error is the one to hear of
    return status;
  }
  status = training.Train();
  if (status.ok()) status = training.Finish();
  if (!status.ok()) {
    if (!absl::IsUnavailable(status)) {
      std::fprintf(stderr, "%s at step %s goes on to exist for a while\n", name.c_str(),
                   Grouped(training.record().session.step()).c_str());
    }
    return status;
  }
  std::fprintf(stderr, "%s\n", LastLine(training.record()).c_str());
  Print(std::cout, format, ToValue(training.record()), ToTable(training.record()));
  return absl::OkStatus();
}

}  // namespace

void AddTrainCommand(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("train", "Train a field on photographs");
  command->fallthrough();
  const auto o = std::make_shared<TrainOptions>();
  command->add_option("RECIPE", o->recipe, "Recipe file, see below")->required()->type_name("FILE");
  command
      ->add_option("--set", o->sets, "Change one key of the recipe, such as optimizer.color_rate=0.01; may be repeated")
      ->type_name("KEY=VALUE")
      ->expected(1)
      ->take_all();
  command->add_option("--field", o->field, "Name of the field to be; default: the recipe's field_name")
      ->type_name("NAME");
  command->add_option("--data", o->data, "Folder of photographs on the daemon's machine; default: the recipe's")
      ->type_name("FILE");
  command->add_option("--steps", o->steps, "The same as --set steps=N")->type_name("N");
  command
      ->add_option("--out", o->out,
                   "Folder for training.json, contact_sheet.png, learning_curve.png and, where cameras were refined, "
                   "transforms.json")
      ->type_name("FILE");
  command->add_option("--checkpoint", o->checkpoint, "Also save a checkpoint of this name at the end")
      ->type_name("NAME");
  command->add_option("--resume", o->resume, "Go on from this checkpoint, with the recipe and data it was made with")
      ->type_name("CHECKPOINT");
  command->add_option("--device", o->device, "One of `dvrenctl devices`; default: the daemon's choice")
      ->type_name("ID");
  command->add_flag("--watch", o->watch, "Lines of progress also where stderr is no terminal");
  command->add_flag("--no-eval", o->no_eval, "Do not compare with test views");
  command->footer(
      "Recipe file: YAML with the keys of dvren.v1.Recipe, and\n"
      "  extends: other.yaml        a recipe to start from, relative to this one\n"
      "  field_name: lego\n"
      "  dataset: {path: ${DVREN_DATA}/nerf_synthetic/lego, split: train, downscale: 2, missing_images: skip,\n"
      "            hold_out_every: 8}\n"
      "  evaluate: {split: test, background: white, every_seconds: 30}\n"
      "  ${DVREN_DATA}: that environment variable, or ../shared/data. The folder must lie below one of dvrend's "
      "--root.\n"
      "Examples:\n"
      "  dvrenctl train configs/recipes/gaussian.yaml\n"
      "  dvrenctl train configs/recipes/lego_dense.yaml --watch --out out/lego\n"
      "  dvrenctl train configs/recipes/lego_dense.yaml --set stages.2.resolution=192 --steps 2000 --field lego192\n"
      "  dvrenctl render lego --out lego.png --color-space srgb");
  command->callback([&session, o] { session.action = [&session, o] { return Train(session, *o); }; });
}

}  // namespace dvren::ctl
