#include <catch2/catch.hpp>
#include <set>
#include <string>

#include "dvren/train/regularisers.h"
#include "server/codec/training_codec.h"

namespace dvren::server {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Sets every scalar of the message and of the messages below it to something that is no default.
void Scramble(Message* message, int& next) {
  const Descriptor* type = message->GetDescriptor();
  const auto* access = message->GetReflection();
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    ++next;
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        access->SetInt32(message, field, 10'000 + next);
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        access->SetInt64(message, field, 20'000 + next);
        break;
      case FieldDescriptor::CPPTYPE_UINT64:
        access->SetUInt64(message, field, 30'000 + static_cast<std::uint64_t>(next));
        break;
      case FieldDescriptor::CPPTYPE_DOUBLE:
        access->SetDouble(message, field, 40'000 + next);
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        access->SetBool(message, field, field->name() != "sparse");  // the opposite of the default
        break;
      case FieldDescriptor::CPPTYPE_STRING:
        access->SetString(message, field, "text" + std::to_string(next));
        break;
      case FieldDescriptor::CPPTYPE_MESSAGE:
        Scramble(field->is_repeated() ? access->AddMessage(message, field) : access->MutableMessage(message, field),
                 next);
        break;
      default:
        FAIL("a kind of field that this test does not know: " << field->full_name());
    }
  }
}

TEST_CASE("Every key of a recipe reaches the spec and comes back") {
  v1::Recipe recipe;
  int next = 0;
  Scramble(&recipe, next);
  for (int i = 0; i < 2; ++i) Scramble(recipe.add_stages(), next);
  const auto spec = DecodeRecipe(recipe);
  REQUIRE(spec.ok());
  v1::Recipe back;
  EncodeRecipe(*spec, &back);
  CHECK(back.SerializeAsString() == recipe.SerializeAsString());
}

TEST_CASE("A recipe that says nothing is the spec's defaults, and they are written out") {
  const auto spec = DecodeRecipe(v1::Recipe());
  REQUIRE(spec.ok());
  CHECK(spec->steps == 1000);
  CHECK(spec->stages.size() == 1);
  CHECK(spec->stages[0].resolution == 128);
  CHECK(spec->optimizer.kind == "adam");
  CHECK(spec->optimizer.beta2 == 0.99);
  CHECK(spec->optimizer.sparse);
  CHECK(spec->field.activation == "softplus");
  CHECK(spec->rays.foreground_fraction == 0.9);
  v1::Recipe complete;
  EncodeRecipe(*spec, &complete);
  CHECK(complete.optimizer().has_momentum());  // 0 is a value
  CHECK(complete.early_stop() == 5e-4);
  CHECK(complete.field().box().max().x() == 1);
}

TEST_CASE("A key that is zero, false or empty is not the same as one that is absent") {
  v1::Recipe recipe;
  recipe.set_step_voxels(0);
  recipe.mutable_optimizer()->set_sparse(false);
  recipe.mutable_optimizer()->set_kind("");
  recipe.mutable_field()->set_initial_density(0);
  recipe.mutable_occupancy()->set_every_steps(0);
  recipe.add_stages()->set_rays(0);
  const auto spec = DecodeRecipe(recipe);
  REQUIRE(spec.ok());
  CHECK(spec->step_voxels == 0);
  CHECK_FALSE(spec->optimizer.sparse);
  CHECK(spec->optimizer.kind.empty());
  CHECK(spec->field.initial_density == 0);
  CHECK(spec->occupancy.every_steps == 0);
  CHECK(spec->stages[0].rays == 0);
  CHECK(spec->stages[0].resolution == 128);
}

TEST_CASE("Every weight of a recipe's regularisers is one of the engine's regularisers") {
  std::set<std::string> keys, names;
  const Descriptor* type = v1::RegulariserRecipe::descriptor();
  for (int i = 0; i < type->field_count(); ++i) {
    if (type->field(i)->cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE) keys.insert(std::string(type->field(i)->name()));
  }
  for (const Regulariser& regulariser : kRegularisers) names.insert(regulariser.name);
  CHECK(keys == names);
}

TEST_CASE("A box without room is refused by its path") {
  v1::Recipe recipe;
  recipe.mutable_field()->mutable_box()->mutable_min()->set_y(2);
  recipe.mutable_field()->mutable_box()->mutable_max()->set_x(1);
  const auto spec = DecodeRecipe(recipe);
  CHECK(absl::IsInvalidArgument(spec.status()));
  CHECK(std::string(spec.status().message()).find("recipe.field.box.max.y = 0: must be > min.y = 2") == 0);
}

TEST_CASE("Datasets that name nothing, two things or what cannot be are refused by name") {
  v1::DatasetSource source;
  const auto refusal = [&] { return std::string(CheckDatasetSource(source, "dataset").message()); };
  CHECK(refusal().find("dataset.path = \"\": ") == 0);
  source.set_path("/photos");
  CHECK(refusal().empty());
  source.set_synthetic("gaussian");
  CHECK(refusal().find("dataset.synthetic = gaussian: goes without path") == 0);
  source.clear_path();
  CHECK(refusal().empty());
  source.set_synthetic("teapot");
  CHECK(refusal().find("dataset.synthetic = teapot: must be gaussian") == 0);
  source.set_synthetic("gaussian");
  source.set_downscale(-2);
  CHECK(refusal().find("dataset.downscale = -2") == 0);
  source.set_downscale(2);
  source.set_hold_out_every(1);
  CHECK(refusal().find("dataset.hold_out_every = 1") == 0);
  source.set_hold_out_every(8);
  source.set_split("rest");
  CHECK(refusal().find("dataset.split = rest: must be train, test, val or all") == 0);
  source.set_split("test");
  source.set_missing_images(static_cast<v1::MissingImages>(7));
  CHECK(refusal().find("dataset.missing_images = 7") == 0);
}

TEST_CASE("What is left out of a dataset's name takes the reader's defaults") {
  v1::DatasetSource source;
  CHECK(DecodeDatasetSource(source).split == "train");
  CHECK(DecodeDatasetSource(source).downscale == 1);
  CHECK_FALSE(DecodeDatasetSource(source).skip_missing);
  source.set_split("test");
  source.set_downscale(4);
  source.set_missing_images(v1::MISSING_IMAGES_SKIP);
  source.set_hold_out_every(8);
  const io::DatasetRequest request = DecodeDatasetSource(source);
  CHECK(request.split == "test");
  CHECK(request.downscale == 4);
  CHECK(request.skip_missing);
  CHECK(request.hold_out_every == 8);
}

TEST_CASE("A report of several steps sums counts and averages figures") {
  ReportSum sum;
  for (int i = 1; i <= 4; ++i) {
    StepReport step;
    step.step = 10 + i;
    step.loss = i;
    step.psnr = 10 * i;
    step.rays = 100;
    step.samples = 1000 * i;
    step.wall_seconds = 0.5;
    step.backward_seconds = 0.25;
    sum.Add(step);
  }
  const v1::TrainReport report = sum.Report(7);
  CHECK(report.step() == 14);
  CHECK(report.steps() == 4);
  CHECK(report.loss() == 2.5);
  CHECK(report.psnr() == 25);
  CHECK(report.rays() == 400);
  CHECK(report.samples() == 10'000);
  CHECK(report.train_seconds() == 2);
  CHECK(report.backward_seconds() == 1);
  CHECK(report.total_train_seconds() == 7);
}

TEST_CASE("What a trainer takes is counted from its finest stage") {
  TrainingSpec spec;
  spec.field.sh_degree = 1;  // 13 channels
  spec.stages = {{0, 64, 1}, {100, 128, 1}, {200, 32, 1}};
  CHECK(TrainerBytes(spec) == 128ULL * 128 * 128 * 13 * 20);
  io::PhotoSet photos;
  photos.photos.resize(2);
  for (io::Photo& photo : photos.photos) photo.values.resize(12);
  CHECK(PhotoBytes(photos) == 48);
}

}  // namespace
}  // namespace dvren::server
