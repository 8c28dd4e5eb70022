// RenderOnDevice: one whole image for a job, tile by tile on a device.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "dvren/v1/render_service.pb.h"
#include "server/services/job_run.h"
#include "server/services/render_plan.h"

namespace dvren::server {

struct RenderedImage {
  int width = 0, height = 0;                     // of the region that was asked for
  std::map<v1::Aov, std::vector<float>> images;  // C order (height, width[, 3])
  std::uint64_t field_version = 0;
  RenderStats stats;
};

// What a job's render request says, checked as far as that goes without its field. `path` names it in errors. Precision
// must be f32, camera absent where `camera` is false.
[[nodiscard]] absl::StatusOr<RenderSpec> CheckJobRender(const v1::RenderRequest& request, int max_image_edge,
                                                        const std::string& path);

// The fields of its scene, by name.
[[nodiscard]] std::vector<std::string> FieldsOf(const v1::RenderRequest& request);

// Shows the job's own fields where it came with them (JobInputs), else this daemon's.
[[nodiscard]] absl::StatusOr<RenderedImage> RenderOnDevice(const JobEnvironment& environment, JobRun& run,
                                                           const v1::RenderRequest& request);

}  // namespace dvren::server
