// Job files: YAML that says what a job does and how it waits.
//
//   title: a turn around the cloud     train:                                    bench:
//   class: batch                         recipe: lego.yaml                         field: cloud
//   priority: 0                          set: [steps=2000]                         width: 512
//   max_attempts: 3                      checkpoint_every_steps: 500               repeats: 20
//   render:
//     field: cloud
//     orbit_frames: 36
//     orbit: [0, 15]
//     width: 640
//     format: png
//
// Exactly one of render, train, bench. The keys of render and bench are the options of `dvrenctl render`, with
// underscores. Strict: an unknown key names the nearest known one.
#pragma once

#include <functional>
#include <string>

#include "dvren/core/status.h"
#include "dvren/v1/field_service.pb.h"
#include "dvren/v1/job_service.pb.h"

namespace dvren::ctl {

// The request that a file means. Paths in it are relative to its folder. `field` asks the daemon for a field: for the
// box that an orbit turns around. Errors are INVALID_ARGUMENT `file:line: key = value: remedy`.
[[nodiscard]] absl::StatusOr<v1::SubmitJobRequest> ReadJobFile(
    const std::string& path, const std::function<absl::StatusOr<v1::Field>(const std::string& name)>& field);

}  // namespace dvren::ctl
