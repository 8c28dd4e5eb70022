#include "transforms_json.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "byte_reader.h"
#include "printable.h"

namespace dvren::io {
namespace {

using nlohmann::json;

constexpr std::uint64_t kMostBytes = std::uint64_t{64} << 20;
constexpr int kMostDepth = 16;  // ours need 5

std::string Show(const json& value) {
  // Whole arrays and objects say nothing on one line; nor may they be deep enough to hurt.
  if (value.is_array()) return absl::StrCat("an array of ", value.size());
  if (value.is_object()) return "an object";
  return Printable(value.dump(-1, ' ', true, json::error_handler_t::replace));
}

absl::StatusOr<json> Parse(const std::string& folder, const std::string& file) {
  DVREN_ASSIGN_OR_RETURN(const std::string path, ResolveBelow(folder, file));
  DVREN_ASSIGN_OR_RETURN(const Blob blob, ReadFile(path, file, kMostBytes));
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  std::string twice;
  bool deep = false;
  const json::parser_callback_t watch = [&](int depth, json::parse_event_t event, json& value) {
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    if (event == json::parse_event_t::key && !keys.back().insert(value.get<std::string>()).second) {
      twice = value.get<std::string>();
    }
    deep = deep || depth > kMostDepth;
    return depth <= kMostDepth;
  };
  json value;
  try {
    const auto* text = reinterpret_cast<const char*>(blob.data());
    value = json::parse(text, text + blob.size(), watch);
  } catch (const json::exception& error) {
    // "[json.exception.parse_error.101] parse error at line 3, column 5: syntax error while …"
    std::string what = error.what();
    if (const auto at = what.find("] "); at != std::string::npos) what.erase(0, at + 2);
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": is not JSON (which has no NaN or Infinity): ", Printable(what)));
  }
  if (deep) return absl::InvalidArgumentError(absl::StrCat(file, ": is nested deeper than ", kMostDepth));
  if (!twice.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": ", Printable(twice), ": is there twice; keep one"));
  }
  if (!value.is_object()) return absl::InvalidArgumentError(absl::StrCat(file, ": must be a JSON object, {…}"));
  return value;
}

// Keys of one frame: its own, else the file's.
class FrameKeys {
 public:
  FrameKeys(const json& file, const json& frame, std::string file_name, std::string frame_name)
      : file_(file), frame_(frame), file_name_(std::move(file_name)), frame_name_(std::move(frame_name)) {}

  [[nodiscard]] const std::string& frame_name() const { return frame_name_; }
  [[nodiscard]] bool InFrame(const char* key) const { return frame_.contains(key); }
  [[nodiscard]] const json* Find(const char* key) const {
    if (const auto at = frame_.find(key); at != frame_.end()) return &*at;
    if (const auto at = file_.find(key); at != file_.end()) return &*at;
    return nullptr;
  }
  [[nodiscard]] absl::Status Bad(const char* key, absl::string_view remedy) const {
    const json* value = Find(key);
    return absl::InvalidArgumentError(absl::StrCat(InFrame(key) ? frame_name_ : file_name_, ": ", key, " = ",
                                                   value == nullptr ? "nothing" : Show(*value), ": ", remedy));
  }
  [[nodiscard]] absl::Status Number(const char* key, std::optional<double>* to) const {
    const json* value = Find(key);
    if (value == nullptr) return absl::OkStatus();
    if (!value->is_number()) return Bad(key, "must be a number");
    *to = value->get<double>();
    return absl::OkStatus();
  }
  [[nodiscard]] absl::Status Edge(const char* key, std::optional<int>* to) const {
    std::optional<double> number;
    DVREN_RETURN_IF_ERROR(Number(key, &number));
    if (!number) return absl::OkStatus();
    if (!(*number >= 1 && *number <= 65535) || *number != std::floor(*number)) {
      return Bad(key, "must be a whole number of pixels, 1 … 65535");
    }
    *to = static_cast<int>(*number);
    return absl::OkStatus();
  }

 private:
  const json& file_;
  const json& frame_;
  std::string file_name_, frame_name_;
};

absl::Status ReadModel(const FrameKeys& keys, PhotoCamera::Model* model, bool* undistorted) {
  bool fisheye = false;
  if (const json* flag = keys.Find("is_fisheye"); flag != nullptr) {
    if (!flag->is_boolean()) return keys.Bad("is_fisheye", "must be true or false");
    fisheye = flag->get<bool>();
  }
  if (const json* name = keys.Find("camera_model"); name != nullptr) {
    constexpr char kNames[] = "must be OPENCV, OPENCV_FISHEYE, PINHOLE or SIMPLE_PINHOLE";
    if (!name->is_string()) return keys.Bad("camera_model", kNames);
    const auto text = name->get<std::string>();
    *undistorted = text == "PINHOLE" || text == "SIMPLE_PINHOLE";
    if (!*undistorted && text != "OPENCV" && text != "OPENCV_FISHEYE") return keys.Bad("camera_model", kNames);
    if (fisheye && text != "OPENCV_FISHEYE") return keys.Bad("camera_model", "is_fisheye says something else");
    fisheye = text == "OPENCV_FISHEYE";
  }
  *model = fisheye ? PhotoCamera::Model::kFisheye : PhotoCamera::Model::kPinhole;
  return absl::OkStatus();
}

absl::Status ReadDistortion(const FrameKeys& keys, bool fisheye, bool undistorted, std::array<double, 5>* distortion) {
  // Where a coefficient goes; -1: the model has no such term, so that it must be 0.
  struct Coefficient {
    const char* key;
    int pinhole, fisheye;
  };
  static constexpr Coefficient kCoefficients[] = {{"k1", 0, 0}, {"k2", 1, 1},  {"p1", 2, -1},  {"p2", 3, -1},
                                                  {"k3", 4, 2}, {"k4", -1, 3}, {"k5", -1, -1}, {"k6", -1, -1}};
  for (const Coefficient& coefficient : kCoefficients) {
    std::optional<double> value;
    DVREN_RETURN_IF_ERROR(keys.Number(coefficient.key, &value));
    if (value.value_or(0) == 0) continue;
    const int place = undistorted ? -1 : fisheye ? coefficient.fisheye : coefficient.pinhole;
    if (place < 0) return keys.Bad(coefficient.key, "the camera model has no such term: must be 0");
    (*distortion)[static_cast<std::size_t>(place)] = *value;
  }
  return absl::OkStatus();
}

// fl_x, else camera_angle_x; those of the frame before those of the file.
absl::Status ReadFocal(const FrameKeys& keys, const char* focal, const char* angle, std::optional<double>* length,
                       std::optional<double>* radians) {
  if (keys.InFrame(angle) && !keys.InFrame(focal)) return keys.Number(angle, radians);
  DVREN_RETURN_IF_ERROR(keys.Number(focal, length));
  return *length ? absl::OkStatus() : keys.Number(angle, radians);
}

absl::Status ReadIntrinsics(const FrameKeys& keys, ListedPhoto* photo) {
  bool undistorted = false;
  DVREN_RETURN_IF_ERROR(ReadModel(keys, &photo->model, &undistorted));
  const bool fisheye = photo->model == PhotoCamera::Model::kFisheye;
  DVREN_RETURN_IF_ERROR(ReadFocal(keys, "fl_x", "camera_angle_x", &photo->fx, &photo->angle_x));
  DVREN_RETURN_IF_ERROR(ReadFocal(keys, "fl_y", "camera_angle_y", &photo->fy, &photo->angle_y));
  if (!photo->fx && !photo->angle_x) {
    return absl::InvalidArgumentError(
        absl::StrCat(keys.frame_name(), ": fl_x and camera_angle_x are missing: give one"));
  }
  if (fisheye && !photo->fx) {
    return absl::InvalidArgumentError(absl::StrCat(keys.frame_name(), ": fl_x is missing: a fisheye camera needs it"));
  }
  DVREN_RETURN_IF_ERROR(keys.Number("cx", &photo->cx));
  DVREN_RETURN_IF_ERROR(keys.Number("cy", &photo->cy));
  DVREN_RETURN_IF_ERROR(keys.Edge("w", &photo->width));
  DVREN_RETURN_IF_ERROR(keys.Edge("h", &photo->height));
  return ReadDistortion(keys, fisheye, undistorted, &photo->distortion);
}

absl::Status ReadPose(const json& frame, const std::string& where, ListedPhoto* photo, double* rotation_error) {
  const auto at = frame.find("transform_matrix");
  if (at == frame.end()) return absl::InvalidArgumentError(absl::StrCat(where, ": transform_matrix is missing"));
  const std::string name = where + ".transform_matrix";
  const auto bad = [&](std::string place, const json& value, absl::string_view remedy) {
    return absl::InvalidArgumentError(absl::StrCat(name, place, " = ", Show(value), ": ", remedy));
  };
  if (!at->is_array() || (at->size() != 4 && at->size() != 3)) return bad("", *at, "must be 4 rows of 4 numbers");
  std::array<double, 16> m{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  for (std::size_t i = 0; i < at->size(); ++i) {
    const json& row = (*at)[i];
    if (!row.is_array() || row.size() != 4) return bad(absl::StrCat("[", i, "]"), row, "must be 4 numbers");
    for (std::size_t j = 0; j < 4; ++j) {
      if (!row[j].is_number()) return bad(absl::StrCat("[", i, "][", j, "]"), row[j], "must be a number");
      m[4 * i + j] = row[j].get<double>();
      if (!std::isfinite(m[4 * i + j])) return bad(absl::StrCat("[", i, "][", j, "]"), row[j], "must be finite");
    }
  }
  if (m[12] != 0 || m[13] != 0 || m[14] != 0 || m[15] != 1) return bad("[3]", (*at)[3], "must be 0, 0, 0, 1");
  DVREN_ASSIGN_OR_RETURN(const auto rotation, NearestRotation({m[0], m[1], m[2], m[4], m[5], m[6], m[8], m[9], m[10]},
                                                              name, rotation_error));
  for (std::size_t i = 0; i < 3; ++i) {
    // OpenGL's y is up and its z points back.
    photo->camera_to_world.m[4 * i] = rotation[3 * i];
    photo->camera_to_world.m[4 * i + 1] = -rotation[3 * i + 1];
    photo->camera_to_world.m[4 * i + 2] = -rotation[3 * i + 2];
    photo->camera_to_world.m[4 * i + 3] = m[4 * i + 3];
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ImageName(const json& path, const std::string& where) {
  if (!path.is_string())
    return absl::InvalidArgumentError(absl::StrCat(where, " = ", Show(path), ": must be a string"));
  DVREN_ASSIGN_OR_RETURN(std::string name, TidyPath(path.get<std::string>(), where));
  const std::string lower = absl::AsciiStrToLower(name);
  const bool has_extension =
      absl::EndsWith(lower, ".png") || absl::EndsWith(lower, ".jpg") || absl::EndsWith(lower, ".jpeg");
  return has_extension ? name : name + ".png";
}

// nerfstudio's lists of files per split. False where the file has none.
absl::StatusOr<bool> ReadSplits(const json& root, const std::string& file, std::map<std::string, std::string>* splits) {
  bool any = false;
  for (const char* split : {"train", "test", "val"}) {
    const std::string key = absl::StrCat(split, "_filenames");
    const auto at = root.find(key);
    if (at == root.end()) continue;
    any = true;
    if (!at->is_array()) {
      return absl::InvalidArgumentError(absl::StrCat(file, ": ", key, " = ", Show(*at), ": must be a list of files"));
    }
    for (std::size_t i = 0; i < at->size(); ++i) {
      const std::string where = absl::StrCat(file, ": ", key, "[", i, "]");
      DVREN_ASSIGN_OR_RETURN(const std::string name, ImageName((*at)[i], where));
      if (!splits->emplace(name, split).second) {
        return absl::InvalidArgumentError(absl::StrCat(where, " = \"", name, "\": is in a split already"));
      }
    }
  }
  return any;
}

}  // namespace

absl::Status ListTransformsJson(const std::string& folder, const std::string& file, const std::string& split,
                                Listing* listing) {
  DVREN_ASSIGN_OR_RETURN(const json root, Parse(folder, file));
  const auto frames = root.find("frames");
  if (frames == root.end()) return absl::InvalidArgumentError(absl::StrCat(file, ": frames is missing"));
  if (!frames->is_array() || frames->empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": frames = ", Show(*frames), ": must be a list of at least one image"));
  }
  std::map<std::string, std::string> splits;
  bool has_splits = false;
  if (split.empty()) {
    DVREN_ASSIGN_OR_RETURN(has_splits, ReadSplits(root, file, &splits));
  }
  std::int64_t in_no_split = 0;
  bool masks = false;
  for (std::size_t i = 0; i < frames->size(); ++i) {
    const json& frame = (*frames)[i];
    const std::string where = absl::StrCat(file, ": frames[", i, "]");
    if (!frame.is_object()) {
      return absl::InvalidArgumentError(absl::StrCat(where, " = ", Show(frame), ": must be an object, {…}"));
    }
    ListedPhoto photo;
    photo.where = where;
    const auto path = frame.find("file_path");
    if (path == frame.end()) return absl::InvalidArgumentError(absl::StrCat(where, ": file_path is missing"));
    DVREN_ASSIGN_OR_RETURN(photo.name, ImageName(*path, where + ".file_path"));
    DVREN_RETURN_IF_ERROR(ReadIntrinsics(FrameKeys(root, frame, file, where), &photo));
    DVREN_RETURN_IF_ERROR(ReadPose(frame, where, &photo, &listing->rotation_error));
    DVREN_RETURN_IF_ERROR(CheckListedPhoto(photo));
    masks = masks || frame.contains("mask_path");
    photo.split = split;
    if (has_splits) {
      const auto at = splits.find(photo.name);
      if (at == splits.end()) {
        ++in_no_split;
        continue;
      }
      photo.split = at->second;
      splits.erase(at);
    }
    listing->photos.push_back(std::move(photo));
  }
  if (!splits.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": ", splits.begin()->second, "_filenames names \"",
                                                   splits.begin()->first, "\": must be the file of one frame"));
  }
  if (in_no_split > 0) listing->notes.push_back(absl::StrCat(in_no_split, " images of ", file, " are in no split"));
  if (masks) listing->notes.push_back(absl::StrCat("mask_path of ", file, " is not used"));
  return absl::OkStatus();
}

}  // namespace dvren::io
