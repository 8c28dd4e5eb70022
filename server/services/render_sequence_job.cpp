#include "server/services/render_sequence_job.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "dvren/io/exr.h"
#include "dvren/io/npz.h"
#include "dvren/io/png.h"
#include "server/codec/camera_codec.h"
#include "server/codec/tensor_codec.h"
#include "server/registries/field_registry.h"
#include "server/services/job_render.h"

namespace dvren::server {
namespace {

constexpr int kMaxFrames = 100'000;
constexpr std::size_t kMaxPrefix = 64;

struct Format {
  const char* extension;
  const char* media_type;
};

absl::StatusOr<Format> FormatOf(v1::ImageFormat format) {
  switch (format) {
    case v1::IMAGE_FORMAT_UNSPECIFIED:
    case v1::IMAGE_FORMAT_PNG:
      return Format{".png", "image/png"};
    case v1::IMAGE_FORMAT_EXR:
      return Format{".exr", "image/x-exr"};
    case v1::IMAGE_FORMAT_NPZ:
      return Format{".npz", "application/x-npz"};
    default:
      return InvalidField("spec.render_sequence.format", static_cast<int>(format), "must be PNG, EXR or NPZ");
  }
}

struct AovNames {
  v1::Aov aov;
  const char *npz, *exr;
};
constexpr AovNames kAovNames[] = {{v1::AOV_RGB, "rgb", ""},
                                  {v1::AOV_OPACITY, "opacity", "A"},
                                  {v1::AOV_DEPTH, "depth", "Z"},
                                  {v1::AOV_TRANSMITTANCE, "transmittance", "T"},
                                  {v1::AOV_HIT, "hit", "hit"}};

absl::StatusOr<AovNames> NamesOf(v1::Aov aov) {
  for (const AovNames& names : kAovNames) {
    if (names.aov == aov) return names;
  }
  return absl::UnimplementedError(absl::StrCat("aovs: ", static_cast<int>(aov), " has no place in a file yet"));
}

absl::Status WriteExrImage(const std::string& path, const RenderedImage& image) {
  std::vector<io::ExrChannel> channels;
  for (const auto& [aov, values] : image.images) {
    const std::span<const float> pixels(values);
    if (aov == v1::AOV_RGB) {
      channels.push_back({"R", pixels, 3});
      channels.push_back({"G", pixels.subspan(1), 3});
      channels.push_back({"B", pixels.subspan(2), 3});
    } else {
      DVREN_ASSIGN_OR_RETURN(const AovNames names, NamesOf(aov));
      channels.push_back({names.exr, pixels, 1});
    }
  }
  return io::WriteExr(path, image.width, image.height, channels);
}

absl::Status WriteNpzImage(const std::string& path, const RenderedImage& image) {
  const std::array<std::int64_t, 3> shape{image.height, image.width, 3};
  std::vector<std::pair<std::string, io::NpyView>> arrays;
  for (const auto& [aov, values] : image.images) {
    DVREN_ASSIGN_OR_RETURN(const AovNames names, NamesOf(aov));
    const std::span<const std::int64_t> extents(shape.data(), aov == v1::AOV_RGB ? 3 : 2);
    arrays.push_back({names.npz, {DType::kF32, extents, values.data()}});
  }
  return io::WriteNpz(path, arrays);
}

absl::Status WriteImage(const std::string& path, const v1::RenderSequenceJob& sequence, const RenderedImage& image) {
  const v1::ImageFormat format = sequence.format();
  if (format == v1::IMAGE_FORMAT_EXR) return WriteExrImage(path, image);
  if (format == v1::IMAGE_FORMAT_NPZ) return WriteNpzImage(path, image);
  return io::WritePng(path, image.width, image.height, 3, 8, image.images.at(v1::AOV_RGB), !sequence.srgb_colors());
}

std::string FrameName(const v1::RenderSequenceJob& sequence, int frame, const Format& format) {
  const std::string prefix = sequence.prefix().empty() ? "frame_" : sequence.prefix();
  return absl::StrFormat("%s%04d%s", prefix, frame, format.extension);
}

}  // namespace

absl::StatusOr<std::int64_t> RenderSequenceJob::Check(const JobEnvironment& environment, const std::string& tenant,
                                                      const v1::JobSpec& spec) const {
  const v1::RenderSequenceJob& sequence = spec.render_sequence();
  const int edge = environment.context.config.limits.max_image_edge;
  DVREN_ASSIGN_OR_RETURN(const RenderSpec render,
                         CheckJobRender(sequence.render(), edge, "spec.render_sequence.render"));
  if (sequence.render().has_camera()) {
    return InvalidField("spec.render_sequence.render.camera", "present", "leave it out: `cameras` has one per frame");
  }
  if (sequence.cameras_size() < 1 || sequence.cameras_size() > kMaxFrames) {
    return InvalidField("spec.render_sequence.cameras", sequence.cameras_size(),
                        absl::StrCat("must be 1 to ", kMaxFrames, " cameras"));
  }
  for (int i = 0; i < sequence.cameras_size(); ++i) {
    const auto camera = DecodeCamera(sequence.cameras(i), edge);
    if (!camera.ok()) {
      return absl::Status(camera.status().code(),
                          absl::StrCat("spec.render_sequence.cameras[", i, "]: ", camera.status().message()));
    }
  }
  DVREN_ASSIGN_OR_RETURN(const Format format, FormatOf(sequence.format()));
  if (std::string(format.extension) == ".png") {
    for (const int aov : sequence.render().aovs()) {
      if (aov != v1::AOV_RGB) {
        return InvalidField("spec.render_sequence.format", "PNG", "holds colour alone; take EXR or NPZ for other AOVs");
      }
    }
  } else {
    for (const int aov : sequence.render().aovs()) {
      DVREN_RETURN_IF_ERROR(NamesOf(static_cast<v1::Aov>(aov)).status());
    }
  }
  const std::string& prefix = sequence.prefix();
  if (prefix.size() > kMaxPrefix || !std::all_of(prefix.begin(), prefix.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
               c == '.';
      })) {
    return InvalidField("spec.render_sequence.prefix", "other characters",
                        absl::StrCat("must be at most ", kMaxPrefix, " letters, digits, '.', '_' or '-'"));
  }
  for (const InstanceSpec& instance : render.scene.instances) {
    DVREN_RETURN_IF_ERROR(environment.context.fields.Get(tenant, instance.field).status());
  }
  return sequence.cameras_size();
}

std::vector<std::string> RenderSequenceJob::Fields(const v1::JobSpec& spec) const {
  return FieldsOf(spec.render_sequence().render());
}

absl::Status RenderSequenceJob::Run(const JobEnvironment& environment, JobRun& run) const {
  const v1::RenderSequenceJob& sequence = run.spec().render_sequence();
  DVREN_ASSIGN_OR_RETURN(const Format format, FormatOf(sequence.format()));
  // All frames show the same version of the field: that of the first.
  std::uint64_t version = 0;
  if (!run.job().resume.empty() && !absl::SimpleAtoi(run.job().resume, &version)) {
    return absl::InternalError("resume: is no field version");
  }
  for (auto frame = static_cast<int>(run.job().done); frame < sequence.cameras_size(); ++frame) {
    const auto begin = Clock::now();
    v1::RenderRequest request = sequence.render();
    *request.mutable_camera() = sequence.cameras(frame);
    DVREN_ASSIGN_OR_RETURN(const RenderedImage image, RenderOnDevice(environment, run, request));
    if (version != 0 && image.field_version != version) {
      return absl::FailedPreconditionError(absl::StrCat("field: has version ", image.field_version,
                                                        ", and the first frames show version ", version,
                                                        "; submit the job again for the new version"));
    }
    version = image.field_version;
    const std::string scratch = environment.objects.ScratchPath(format.extension);
    DVREN_RETURN_IF_ERROR(WriteImage(scratch, sequence, image));
    DVREN_ASSIGN_OR_RETURN(const StoredObject object, environment.objects.Adopt(scratch));
    JobUpdate update;
    update.done = frame + 1;
    update.resume = absl::StrCat(version);
    update.artifacts = {{FrameName(sequence, frame, format), object.sha256, object.bytes, format.media_type}};
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    update.events = {ProgressEvent(frame + 1, sequence.cameras_size(), {{"frame_seconds", seconds}})};
    DVREN_RETURN_IF_ERROR(run.Note(std::move(update)));
  }
  return absl::OkStatus();
}

}  // namespace dvren::server
