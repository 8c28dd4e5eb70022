#include "recipe_yaml.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "support/temp_folder.h"
#include "train_progress.h"

namespace dvren::ctl {
namespace {

using test::TempFolder;

std::string Write(const TempFolder& folder, const std::string& name, const std::string& text) {
  const std::string path = folder / name;
  std::ofstream(path) << text;
  return path;
}

std::string Refusal(const std::string& text, const std::vector<std::string>& sets = {}) {
  const TempFolder folder;
  const std::string path = Write(folder, "r.yaml", text);
  const auto recipe = ReadRecipe(path, sets);
  REQUIRE_FALSE(recipe.ok());
  std::string message(recipe.status().message());
  if (message.rfind(path, 0) == 0) message = message.substr(path.size());
  return message;
}

TEST_CASE("A recipe's keys arrive where they belong, and what is left out stays absent") {
  const TempFolder folder;
  const auto recipe = ReadRecipe(Write(folder, "r.yaml", R"(
field_name: lego
dataset: {path: /d, downscale: 2, missing_images: skip, hold_out_every: 8}
evaluate: {split: test, background: white, every_seconds: 1.5}
steps: 300
seed: 18446744073709551615
field:
  box: [-1, -2, -3, 4, 5, 6.5]
  activation: softplus
  initial_density: 0
optimizer: {beta2: 1e-1, sparse: false}
stages:
  - {resolution: 64}
  - {from_step: 100, rays: 4096}
)"),
                                 {});
  REQUIRE(recipe.ok());
  CHECK(recipe->field_name() == "lego");
  CHECK(recipe->dataset().path() == "/d");
  CHECK(recipe->dataset().missing_images() == v1::MISSING_IMAGES_SKIP);
  CHECK(recipe->dataset().hold_out_every() == 8);
  CHECK(recipe->evaluate().every_seconds() == 1.5);
  const v1::Recipe& r = recipe->recipe();
  CHECK(r.steps() == 300);
  CHECK(r.seed() == 18446744073709551615ULL);
  CHECK(r.field().box().min().z() == -3);
  CHECK(r.field().box().max().z() == 6.5);
  CHECK(r.field().has_initial_density());
  CHECK(r.field().initial_density() == 0);
  CHECK_FALSE(r.field().has_sh_degree());
  CHECK(r.optimizer().beta2() == 0.1);
  CHECK(r.optimizer().has_sparse());
  CHECK_FALSE(r.optimizer().sparse());
  CHECK_FALSE(r.has_loss());
  REQUIRE(r.stages_size() == 2);
  CHECK(r.stages(0).resolution() == 64);
  CHECK_FALSE(r.stages(0).has_rays());
  CHECK(r.stages(1).from_step() == 100);
}

TEST_CASE("An unknown key names the nearest known one, its line and where it stands") {
  CHECK(Refusal("steps: 3\nstepz: 4\n") == ":2: stepz: unknown key; did you mean steps?");
  CHECK(Refusal("optimizer:\n  kind: adam\n  bata1: 0.9\n") == ":3: optimizer.bata1: unknown key; did you mean beta1?");
  CHECK(Refusal("stages:\n  - {resolutoin: 64}\n") ==
        ":2: stages[0].resolutoin: unknown key; did you mean resolution?");
  CHECK(Refusal("recipe: {steps: 3}\n").find(":1: recipe: unknown key") == 0);
  CHECK(Refusal("extend: a.yaml\n") == ":1: extend: unknown key; did you mean extends?");
}

TEST_CASE("Values of the wrong kind are refused with line, key, value and remedy") {
  CHECK(Refusal("steps: many\n") == ":1: steps = many: must be a whole number");
  CHECK(Refusal("steps: 1.5\n") == ":1: steps = 1.5: must be a whole number");
  CHECK(Refusal("steps: \"5\"\n") == ":1: steps = 5: must be a whole number");
  CHECK(Refusal("steps: 9223372036854775808\n").find("must be a whole number") != std::string::npos);
  CHECK(Refusal("seed: -1\n") == ":1: seed = -1: must be a whole number, 0 or above");
  CHECK(Refusal("early_stop: .nan\n") == ":1: early_stop = .nan: must be a number");
  CHECK(Refusal("early_stop: inf\n") == ":1: early_stop = inf: must be a number");
  CHECK(Refusal("optimizer: {sparse: yes}\n") == ":1: optimizer.sparse = yes: must be true or false");
  CHECK(Refusal("optimizer: adam\n") == ":1: optimizer = adam: must be a map of keys and values");
  CHECK(Refusal("stages: {resolution: 3}\n") == ":1: stages = a map: must be a list of maps: [{ … }, { … }]");
  CHECK(Refusal("field: {box: [1, 2, 3]}\n") ==
        ":1: field.box = a list of 3: must be six numbers: [X0, Y0, Z0, X1, Y1, Z1]");
  CHECK(Refusal("field: {box: [1, 2, 3, 4, 5, x]}\n") == ":1: field.box[5] = x: must be a number");
  CHECK(Refusal("dataset: {missing_images: ignore}\n") ==
        ":1: dataset.missing_images = ignore: must be one of error, skip");
  CHECK(Refusal("dataset: {missing_images: unspecified}\n").find("must be one of error, skip") != std::string::npos);
  CHECK(Refusal("steps:\n") == ":1: steps = nothing: has no value; give one or remove the key");
  CHECK(Refusal("steps: 1\nsteps: 2\n") == ":2: steps = 2: the key is there twice; remove one");
  CHECK(Refusal("- 1\n").find("must be a map") != std::string::npos);
  CHECK(Refusal("a: [1\n").find("is no YAML") != std::string::npos);
}

TEST_CASE("What extends says stands unless it is said anew: maps merge, lists are replaced") {
  const TempFolder folder;
  std::filesystem::create_directory(folder / "base");
  Write(folder, "base/a.yaml",
        "steps: 10\nseed: 4\noptimizer: {beta1: 0.5, beta2: 0.6}\nstages: [{rays: 1}, {rays: 2}]\n");
  Write(folder, "base/b.yaml", "extends: a.yaml\noptimizer: {beta2: 0.7}\n");
  const auto recipe = ReadRecipe(Write(folder, "c.yaml", "steps: 20\nstages: [{rays: 3}]\nextends: base/b.yaml\n"), {});
  REQUIRE(recipe.ok());
  CHECK(recipe->recipe().steps() == 20);
  CHECK(recipe->recipe().seed() == 4);
  CHECK(recipe->recipe().optimizer().beta1() == 0.5);
  CHECK(recipe->recipe().optimizer().beta2() == 0.7);
  REQUIRE(recipe->recipe().stages_size() == 1);
  CHECK(recipe->recipe().stages(0).rays() == 3);
}

TEST_CASE("Recipes that extend each other in a circle, or what is not there, are refused") {
  const TempFolder folder;
  Write(folder, "a.yaml", "extends: b.yaml\n");
  const std::string b = Write(folder, "b.yaml", "extends: a.yaml\n");
  const auto circle = ReadRecipe(b, {});
  CHECK(absl::IsInvalidArgument(circle.status()));
  CHECK(std::string(circle.status().message()).find("goes round in a circle") != std::string::npos);
  const auto missing = ReadRecipe(Write(folder, "c.yaml", "extends: nowhere.yaml\n"), {});
  CHECK(absl::IsNotFound(missing.status()));
  CHECK(std::string(missing.status().message()).find("nowhere.yaml: no such file") != std::string::npos);
  CHECK(absl::IsInvalidArgument(ReadRecipe(folder / ".", {}).status()));
}

TEST_CASE("The option --set changes one key, of lists by number, by the same rules") {
  const TempFolder folder;
  const std::string path = Write(folder, "r.yaml", "steps: 10\nstages: [{rays: 1}, {rays: 2}]\n");
  const std::vector<std::string> sets{"steps=7", "optimizer.beta1=0.25", "stages.1.rays=99", "dataset.path=/a=b",
                                      "field.box=[0, 0, 0, 1, 2, 3]"};
  const auto recipe = ReadRecipe(path, sets);
  REQUIRE(recipe.ok());
  CHECK(recipe->recipe().steps() == 7);
  CHECK(recipe->recipe().optimizer().beta1() == 0.25);
  CHECK(recipe->recipe().stages(0).rays() == 1);
  CHECK(recipe->recipe().stages(1).rays() == 99);
  CHECK(recipe->dataset().path() == "/a=b");
  CHECK(recipe->recipe().field().box().max().z() == 3);

  CHECK(Refusal("{}", {"steps"}).find("--set = steps: must be KEY=VALUE") == 0);
  CHECK(Refusal("{}", {"optimizer.bata1=1"}) == "--set optimizer.bata1: unknown key; did you mean beta1?");
  CHECK(Refusal("{}", {"steps=x"}) == "--set steps = x: must be a whole number");
  CHECK(Refusal("{}", {"steps.x=1"}).find("--set steps.x: unknown key") == 0);
  CHECK(Refusal("{}", {"stages.0.rays=1"}) == "--set stages.0: the list has 0 elements, counted from 0");
  CHECK(Refusal("{}", {"field_nam=x"}) == "--set field_nam: unknown key; did you mean field_name?");
}

TEST_CASE("A dataset's path is absolute for the daemon, and DVREN_DATA is filled in") {
  setenv("DVREN_DATA", "/photos", 1);
  CHECK(*DatasetPath("${DVREN_DATA}/lego") == "/photos/lego");
  unsetenv("DVREN_DATA");
  const std::filesystem::path here = std::filesystem::current_path();
  CHECK(*DatasetPath("${DVREN_DATA}/lego") == (here.parent_path() / "shared/data/lego").string());
  CHECK(*DatasetPath("lego") == (here / "lego").string());
  CHECK(*DatasetPath("/a/../b") == "/b");
  CHECK(absl::IsInvalidArgument(DatasetPath("${HOME}/lego").status()));
}

TEST_CASE("Progress says step, loss, PSNR, rays per second and what is left") {
  v1::TrainReport report;
  report.set_step(1200);
  report.set_steps(10);
  report.set_loss(0.00123);
  report.set_psnr(29.1);
  report.set_rays(81920);
  report.set_train_seconds(0.0655360);
  CHECK(TrainText(report, 4000, 43) == "step 1,200 of 4,000  loss 0.00123  29.1 dB  1.25 M rays/s  ETA 1:06");
  report.set_step(4000);
  CHECK(TrainText(report, 4000, 43) == "step 4,000 of 4,000  loss 0.00123  29.1 dB  1.25 M rays/s");
}

TEST_CASE("The recipes that come with dvren are read without complaint") {
  for (const char* name : {"lego_dense", "fox_dense", "gaussian"}) {
    const auto recipe = ReadRecipe(std::string(DVREN_SOURCE_DIR "/configs/recipes/") + name + ".yaml", {});
    INFO(recipe.status().message());
    REQUIRE(recipe.ok());
    CHECK_FALSE(recipe->field_name().empty());
  }
}

}  // namespace
}  // namespace dvren::ctl
