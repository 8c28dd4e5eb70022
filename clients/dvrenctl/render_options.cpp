#include "render_options.h"

#include <algorithm>
#include <cmath>

#include "camera_json.h"
#include "orbit.h"
#include "transfer_json.h"
#include "values.h"

namespace dvren::ctl {
namespace {

constexpr int kDefaultEdge = 1024;  // of the daemon's default camera, too
constexpr int kMaxEdge = 32768;
constexpr int kMaxOrbitFrames = 100000;

absl::Status SetVec3(const std::string& option, const std::string& text, v1::Vec3* vec) {
  DVREN_ASSIGN_OR_RETURN(const auto rgb, ParseNumbers(option, text, 3, "R,G,B"));
  vec->set_x(rgb[0]);
  vec->set_y(rgb[1]);
  vec->set_z(rgb[2]);
  return absl::OkStatus();
}

absl::StatusOr<Orbit> OrbitOf(const RenderOptions& options) {
  Orbit orbit;
  if (!options.orbit.empty()) {
    const std::size_t count = SplitList(options.orbit).size() == 2 ? 2 : 3;
    DVREN_ASSIGN_OR_RETURN(const auto numbers, ParseNumbers("--orbit", options.orbit, count, "AZ,EL or AZ,EL,DIST"));
    orbit.azimuth_degrees = numbers[0];
    orbit.elevation_degrees = numbers[1];
    if (count == 3) orbit.distance = numbers[2];
    if (count == 3 && !(orbit.distance > 0)) {
      return InvalidField("--orbit", options.orbit, "DIST must be > 0 world units; leave it out to show the whole box");
    }
  }
  if (options.fov) orbit.fov_degrees = *options.fov;
  if (!(orbit.fov_degrees > 0 && orbit.fov_degrees < 180)) {
    return InvalidField("--fov", orbit.fov_degrees, "must be above 0 and below 180 degrees");
  }
  return orbit;
}

absl::Status SetScene(const RenderOptions& options, v1::Scene& scene) {
  v1::Instance& instance = *scene.add_instances();
  instance.set_field(options.field);
  if (options.sigma_scale) instance.set_sigma_scale(*options.sigma_scale);
  if (!options.color.empty() && !options.transfer.empty()) {
    return InvalidField("--transfer", options.transfer, "does not go with --color; leave one out");
  }
  if (!options.color.empty()) {
    DVREN_RETURN_IF_ERROR(SetVec3("--color", options.color, instance.mutable_constant()->mutable_rgb()));
  }
  if (!options.transfer.empty()) {
    DVREN_ASSIGN_OR_RETURN(*instance.mutable_transfer(), ReadTransferJson(options.transfer));
  }
  if (!options.background.empty()) {
    DVREN_RETURN_IF_ERROR(SetVec3("--background", options.background, scene.mutable_background()));
  }
  return absl::OkStatus();
}

absl::Status SetSampling(const RenderOptions& options, v1::Sampling& sampling) {
  static const std::vector<std::string> kModes{"fixed", "stratified", "uniform_jitter"};
  if (!options.sampling.empty()) {
    DVREN_ASSIGN_OR_RETURN(const std::size_t mode, ParseChoice("--sampling", options.sampling, kModes));
    sampling.set_mode(static_cast<v1::SamplingMode>(v1::SAMPLING_MODE_FIXED + static_cast<int>(mode)));
  }
  if (options.seed) sampling.set_seed(*options.seed);
  // 0 on the wire is "the default": typed, it is a mistake.
  if (options.step && !(*options.step > 0)) {
    return InvalidField("--step", *options.step, "must be > 0 world units; leave it out for half the smallest voxel");
  }
  if (options.step) sampling.set_dt(*options.step);
  if (options.max_steps && *options.max_steps < 1)
    return InvalidField("--max-steps", *options.max_steps, "must be >= 1");
  if (options.max_steps) sampling.set_max_steps(*options.max_steps);
  if (options.early_stop) sampling.set_early_stop(*options.early_stop);
  return absl::OkStatus();
}

// The daemon checks ROI, sigma scale and the rest against what it knows, and names them in its errors.
absl::StatusOr<v1::RenderRequest> MakeBase(const RenderOptions& options) {
  static const std::vector<std::string> kPrecisions{"f32", "f64"};
  v1::RenderRequest request;
  DVREN_RETURN_IF_ERROR(SetScene(options, *request.mutable_scene()));
  DVREN_RETURN_IF_ERROR(SetSampling(options, *request.mutable_sampling()));
  DVREN_ASSIGN_OR_RETURN(const auto aovs, ParseAovs(options.aov));
  for (const v1::Aov aov : aovs) request.add_aovs(aov);
  if (!options.precision.empty()) {
    DVREN_ASSIGN_OR_RETURN(const std::size_t precision, ParseChoice("--precision", options.precision, kPrecisions));
    request.set_precision(precision == 0 ? v1::PRECISION_F32 : v1::PRECISION_F64);
  }
  if (!options.roi.empty()) {
    DVREN_ASSIGN_OR_RETURN(const auto roi, ParseIntegers("--roi", options.roi, 4, "X,Y,W,H"));
    if (roi[0] < 0 || roi[1] < 0 || roi[2] < 1 || roi[3] < 1) {
      return InvalidField("--roi", options.roi, "X,Y must be >= 0 and W,H >= 1 pixels of the whole image");
    }
    request.mutable_roi()->set_x(roi[0]);
    request.mutable_roi()->set_y(roi[1]);
    request.mutable_roi()->set_width(roi[2]);
    request.mutable_roi()->set_height(roi[3]);
  }
  request.set_device(options.device);
  for (const auto& [option, edge] : {std::pair{"--width", options.width}, std::pair{"--height", options.height}}) {
    if (edge && (*edge < 1 || *edge > kMaxEdge))
      return InvalidField(option, *edge, absl::StrCat("must be 1 to ", kMaxEdge, " pixels"));
  }
  if (!options.camera.empty()) {
    if (!options.orbit.empty())
      return InvalidField("--orbit", options.orbit, "does not go with --camera; leave one out");
    if (options.fov) return InvalidField("--fov", *options.fov, "does not go with --camera, whose fx and fy say it");
    if (options.orbit_frames) return InvalidField("--orbit-frames", *options.orbit_frames, "does not go with --camera");
    DVREN_ASSIGN_OR_RETURN(*request.mutable_camera(),
                           ReadCameraJson(options.camera, options.width.value_or(0), options.height.value_or(0)));
  }
  return request;
}

}  // namespace

bool NeedsBox(const RenderOptions& options) {
  return options.camera.empty() &&
         (options.width || options.height || options.fov || options.orbit_frames || !options.orbit.empty());
}

absl::StatusOr<std::vector<v1::Aov>> ParseAovs(const std::string& text) {
  static const std::vector<std::string> kNames{"rgb", "opacity", "transmittance", "depth", "hit"};
  static const std::vector<v1::Aov> kAovs{v1::AOV_RGB, v1::AOV_OPACITY, v1::AOV_TRANSMITTANCE, v1::AOV_DEPTH,
                                          v1::AOV_HIT};
  std::vector<v1::Aov> aovs{v1::AOV_RGB};
  for (const std::string& name : SplitList(text)) {
    DVREN_ASSIGN_OR_RETURN(const std::size_t index, ParseChoice("--aov", name, kNames));
    if (std::find(aovs.begin(), aovs.end(), kAovs[index]) == aovs.end()) aovs.push_back(kAovs[index]);
  }
  return aovs;
}

absl::Status CheckRenderOptions(const RenderOptions& options) {
  DVREN_RETURN_IF_ERROR(MakeBase(options).status());
  if (options.orbit_frames && (*options.orbit_frames < 1 || *options.orbit_frames > kMaxOrbitFrames)) {
    return InvalidField("--orbit-frames", *options.orbit_frames, absl::StrCat("must be 1 to ", kMaxOrbitFrames));
  }
  return OrbitOf(options).status();
}

absl::StatusOr<std::vector<v1::RenderRequest>> MakeRequests(const RenderOptions& options, const v1::Field& field) {
  DVREN_RETURN_IF_ERROR(CheckRenderOptions(options));
  DVREN_ASSIGN_OR_RETURN(const v1::RenderRequest base, MakeBase(options));
  if (!NeedsBox(options)) return std::vector<v1::RenderRequest>{base};
  DVREN_ASSIGN_OR_RETURN(const Orbit start, OrbitOf(options));
  // One edge alone means a square image.
  const int width = options.width.value_or(options.height.value_or(kDefaultEdge));
  const int height = options.height.value_or(width);
  const int frames = options.orbit_frames.value_or(1);
  std::vector<v1::RenderRequest> requests(static_cast<std::size_t>(frames), base);
  for (int i = 0; i < frames; ++i) {
    v1::RenderRequest& request = requests[static_cast<std::size_t>(i)];
    Orbit orbit = start;
    orbit.azimuth_degrees += 360.0 * i / frames;
    *request.mutable_camera() = OrbitCamera(field.world_box(), orbit, width, height);
    if (frames > 1) request.mutable_scene()->mutable_instances(0)->set_field_version(field.version());
  }
  return requests;
}

}  // namespace dvren::ctl
