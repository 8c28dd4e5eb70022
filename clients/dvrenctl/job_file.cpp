#include "job_file.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "output.h"
#include "recipe_yaml.h"
#include "render_options.h"
#include "yaml_message.h"

namespace dvren::ctl {
namespace {

namespace fs = std::filesystem;

// How a key's value is taken.
using Take = std::function<absl::Status(const YAML::Node& value, const YamlPlace& place)>;
using Keys = std::map<std::string, Take>;

absl::Status TakeKeys(const YAML::Node& map, const YamlPlace& place, const Keys& keys) {
  DVREN_RETURN_IF_ERROR(CheckMap(map, place));
  for (const auto& entry : map) {
    const auto it = keys.find(entry.first.Scalar());
    if (it == keys.end()) {
      std::vector<std::string> known;
      for (const auto& [key, take] : keys) known.push_back(key);
      return UnknownKey(entry.first, place, known);
    }
    DVREN_RETURN_IF_ERROR(it->second(entry.second, place.Below(entry.first)));
  }
  return absl::OkStatus();
}

// Text as it stands; a list as its elements with commas between them, as options are typed.
Take Text(std::string* to) {
  return [to](const YAML::Node& value, const YamlPlace& place) -> absl::Status {
    if (value.IsScalar()) {
      *to = value.Scalar();
      return absl::OkStatus();
    }
    if (!value.IsSequence()) return place.Wrong(value, "must be a text, a number or a list of them");
    std::vector<std::string> parts;
    for (const YAML::Node& part : value) {
      if (!part.IsScalar()) return place.Wrong(value, "must be a list of numbers or words");
      parts.push_back(part.Scalar());
    }
    *to = absl::StrJoin(parts, ",");
    return absl::OkStatus();
  };
}

template <class T>
Take Integer(T* to) {
  return [to](const YAML::Node& value, const YamlPlace& place) -> absl::Status {
    std::int64_t number = 0;
    using Number = std::conditional_t<std::is_integral_v<T>, T, int>;
    if (!value.IsScalar() || !absl::SimpleAtoi(value.Scalar(), &number)) {
      return place.Wrong(value, "must be a whole number");
    }
    if constexpr (std::is_same_v<T, int> || std::is_same_v<T, std::optional<int>>) {
      if (number != static_cast<Number>(number)) return place.Wrong(value, "is too large");
      *to = static_cast<int>(number);
    } else {
      *to = static_cast<typename T::value_type>(number);
    }
    return absl::OkStatus();
  };
}

Take Number(std::optional<double>* to) {
  return [to](const YAML::Node& value, const YamlPlace& place) -> absl::Status {
    double number = 0;
    if (!value.IsScalar() || !absl::SimpleAtod(value.Scalar(), &number)) return place.Wrong(value, "must be a number");
    *to = number;
    return absl::OkStatus();
  };
}

Keys RenderKeys(RenderOptions* options) {
  return {{"field", Text(&options->field)},
          {"width", Integer(&options->width)},
          {"height", Integer(&options->height)},
          {"camera", Text(&options->camera)},
          {"orbit", Text(&options->orbit)},
          {"fov", Number(&options->fov)},
          {"orbit_frames", Integer(&options->orbit_frames)},
          {"roi", Text(&options->roi)},
          {"color", Text(&options->color)},
          {"transfer", Text(&options->transfer)},
          {"background", Text(&options->background)},
          {"sigma_scale", Number(&options->sigma_scale)},
          {"aov", Text(&options->aov)},
          {"step", Number(&options->step)},
          {"max_steps", Integer(&options->max_steps)},
          {"sampling", Text(&options->sampling)},
          {"seed", Integer(&options->seed)},
          {"early_stop", Number(&options->early_stop)},
          {"device", Text(&options->device)}};
}

// A path in a file is relative to that file.
void MakeRelative(const fs::path& folder, std::string* path) {
  if (!path->empty()) *path = (folder / *path).lexically_normal().string();
}

class JobFile {
 public:
  JobFile(fs::path folder, std::function<absl::StatusOr<v1::Field>(const std::string&)> field)
      : folder_(std::move(folder)), field_(std::move(field)) {}

  absl::StatusOr<v1::SubmitJobRequest> Take(const YAML::Node& root, const YamlPlace& place) {
    std::string title, job_class;
    int priority = 0, attempts = 0;
    const Keys keys{{"title", Text(&title)},
                    {"class", Text(&job_class)},
                    {"priority", Integer(&priority)},
                    {"max_attempts", Integer(&attempts)},
                    {"render", [this](const auto& v, const auto& p) { return Kind(p, [&] { return Render(v, p); }); }},
                    {"train", [this](const auto& v, const auto& p) { return Kind(p, [&] { return Train(v, p); }); }},
                    {"bench", [this](const auto& v, const auto& p) { return Kind(p, [&] { return Bench(v, p); }); }}};
    DVREN_RETURN_IF_ERROR(TakeKeys(root, place, keys));
    if (kind_.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(place.source, ": must have one of render, train, bench"));
    }
    request_.set_title(title);
    request_.set_priority(priority);
    request_.set_max_attempts(attempts);
    static const std::map<std::string, v1::JobClass> classes{{"", v1::JOB_CLASS_UNSPECIFIED},
                                                             {"interactive", v1::JOB_CLASS_INTERACTIVE},
                                                             {"normal", v1::JOB_CLASS_NORMAL},
                                                             {"batch", v1::JOB_CLASS_BATCH}};
    const auto it = classes.find(job_class);
    if (it == classes.end()) return InvalidField("class", Printable(job_class), "must be interactive, normal or batch");
    request_.set_job_class(it->second);
    return request_;
  }

 private:
  absl::Status Kind(const YamlPlace& place, const std::function<absl::Status()>& take) {
    if (!kind_.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(place.source, ": ", kind_, " and ", place.path, ": a job does one thing; leave one out"));
    }
    kind_ = place.path;
    return take();
  }

  absl::StatusOr<std::vector<v1::RenderRequest>> Requests(RenderOptions& options) {
    if (options.field.empty()) return InvalidField(kind_ + ".field", "absent", "name the field to render");
    MakeRelative(folder_, &options.camera);
    MakeRelative(folder_, &options.transfer);
    v1::Field field;
    // A camera of its own per frame: what the daemon would choose is an orbit, too.
    if (options.camera.empty()) {
      if (options.orbit.empty() && !options.orbit_frames) options.orbit = "30,20";
      DVREN_ASSIGN_OR_RETURN(field, field_(options.field));
    }
    DVREN_ASSIGN_OR_RETURN(std::vector<v1::RenderRequest> requests, MakeRequests(options, field));
    DVREN_ASSIGN_OR_RETURN(const std::vector<v1::Aov> aovs, ParseAovs(options.aov));
    for (v1::RenderRequest& request : requests) request.mutable_aovs()->Assign(aovs.begin(), aovs.end());
    return requests;
  }

  absl::Status Render(const YAML::Node& value, const YamlPlace& place) {
    RenderOptions options;
    std::string format, prefix, color_space;
    Keys keys = RenderKeys(&options);
    keys["format"] = Text(&format);
    keys["prefix"] = Text(&prefix);
    keys["color_space"] = Text(&color_space);
    DVREN_RETURN_IF_ERROR(TakeKeys(value, place, keys));
    DVREN_ASSIGN_OR_RETURN(std::vector<v1::RenderRequest> requests, Requests(options));
    v1::RenderSequenceJob* sequence = request_.mutable_spec()->mutable_render_sequence();
    for (const v1::RenderRequest& request : requests) *sequence->add_cameras() = request.camera();
    requests.front().clear_camera();
    *sequence->mutable_render() = std::move(requests.front());
    sequence->set_prefix(prefix);
    if (color_space != "" && color_space != "linear" && color_space != "srgb") {
      return InvalidField("render.color_space", Printable(color_space), "must be linear or srgb");
    }
    sequence->set_srgb_colors(color_space == "srgb");
    static const std::map<std::string, v1::ImageFormat> formats{{"", v1::IMAGE_FORMAT_PNG},
                                                                {"png", v1::IMAGE_FORMAT_PNG},
                                                                {"exr", v1::IMAGE_FORMAT_EXR},
                                                                {"npz", v1::IMAGE_FORMAT_NPZ}};
    const auto it = formats.find(format);
    if (it == formats.end()) return InvalidField("render.format", Printable(format), "must be png, exr or npz");
    sequence->set_format(it->second);
    return absl::OkStatus();
  }

  absl::Status Train(const YAML::Node& value, const YamlPlace& place) {
    std::string recipe_path, field, device;
    std::optional<std::int64_t> every;
    std::vector<std::string> sets;
    const Keys keys{{"recipe", Text(&recipe_path)},
                    {"field", Text(&field)},
                    {"device", Text(&device)},
                    {"checkpoint_every_steps", Integer(&every)},
                    {"set", [&](const YAML::Node& list, const YamlPlace& at) -> absl::Status {
                       if (!list.IsSequence()) return at.Wrong(list, "must be a list such as [steps=2000]");
                       for (const YAML::Node& one : list) sets.push_back(one.Scalar());
                       return absl::OkStatus();
                     }}};
    DVREN_RETURN_IF_ERROR(TakeKeys(value, place, keys));
    if (recipe_path.empty()) return InvalidField("train.recipe", "absent", "name a recipe file");
    MakeRelative(folder_, &recipe_path);
    DVREN_ASSIGN_OR_RETURN(v1::RecipeFile recipe, ReadRecipe(recipe_path, sets));
    v1::TrainJob* train = request_.mutable_spec()->mutable_train();
    train->set_field(field.empty() ? recipe.field_name() : field);
    *train->mutable_recipe() = recipe.recipe();
    *train->mutable_dataset() = recipe.dataset();
    if (!recipe.dataset().path().empty()) {
      DVREN_ASSIGN_OR_RETURN(const std::string path, DatasetPath(recipe.dataset().path()));
      train->mutable_dataset()->set_path(path);
    }
    train->set_checkpoint_every_steps(every.value_or(0));
    train->set_device(device);
    return absl::OkStatus();
  }

  absl::Status Bench(const YAML::Node& value, const YamlPlace& place) {
    RenderOptions options;
    int repeats = 0;
    Keys keys = RenderKeys(&options);
    keys.erase("orbit_frames");
    keys["repeats"] = Integer(&repeats);
    DVREN_RETURN_IF_ERROR(TakeKeys(value, place, keys));
    DVREN_ASSIGN_OR_RETURN(std::vector<v1::RenderRequest> requests, Requests(options));
    *request_.mutable_spec()->mutable_bench()->mutable_render() = std::move(requests.front());
    request_.mutable_spec()->mutable_bench()->set_repeats(repeats);
    return absl::OkStatus();
  }

  const fs::path folder_;
  const std::function<absl::StatusOr<v1::Field>(const std::string&)> field_;
  v1::SubmitJobRequest request_;
  std::string kind_;
};

}  // namespace

absl::StatusOr<v1::SubmitJobRequest> ReadJobFile(
    const std::string& path, const std::function<absl::StatusOr<v1::Field>(const std::string& name)>& field) {
  DVREN_ASSIGN_OR_RETURN(const std::string text, ReadYamlText("job", path));
  const YamlPlace place{Printable(path), true, "", -1};
  DVREN_ASSIGN_OR_RETURN(const YAML::Node root, ParseYaml(text, place.source));
  return JobFile(fs::path(path).parent_path(), field).Take(root, place);
}

}  // namespace dvren::ctl
