// RayWork: the rays of one small request, as work that shares a launch with those of others: what waits for a device
// with the same scene, sampling and images runs together (Work::RunTogether). Each ray's values are those that it has
// alone, to the bit, and each request's counts are its own.
#pragma once

#include <string>
#include <vector>

#include "dvren/render/renderer.h"
#include "dvren/v1/render_service.pb.h"
#include "server/codec/tensor_codec.h"
#include "server/jobs/scheduler.h"
#include "server/services/render_plan.h"

namespace dvren::server {

struct ServiceContext;

// Requests of at most so many rays share launches; larger ones fill a device by themselves.
inline constexpr std::int64_t kMaxRaysToShare = 16384;

// A request's part of a launch.
struct RayAnswer {
  std::vector<const void*> images;  // elements, in the order of ChannelsOf
  RenderStats stats;                // of these rays; wall_seconds is the whole launch's
  std::int64_t launch_rays = 0;     // of all requests
  std::string device;
  PlanSpec plan;  // complete
  Clock::time_point begin;
};

class RayWork : public Work {
 public:
  void RunTogether(Stream& stream, const std::vector<std::shared_ptr<Work>>& others) final;

 protected:
  explicit RayWork(ServiceContext& context) : ray_context_(context) {}

  // Valid from Submit to the end of the work.
  struct Asked {
    const std::string& tenant;
    const SceneSpec& scene;
    const PlanSpec& plan;
    const RayBatch& rays;
  };
  [[nodiscard]] virtual Asked asked() const = 0;
  // In the place of RunSlice: tells the caller.
  virtual void Take(const RayAnswer& answer) = 0;

  // Batch and size of work with these rays; no batch for large requests.
  static void ShareLaunch(const std::string& key, std::int64_t rays, WorkOptions& options);

 private:
  [[nodiscard]] absl::Status Launch(Stream& stream, const std::vector<RayWork*>& all);

  ServiceContext& ray_context_;
};

// The same for requests that may share a launch.
[[nodiscard]] std::string LaunchKey(const v1::Scene& scene, const v1::Sampling& sampling,
                                    const google::protobuf::RepeatedField<int>& aovs, v1::Precision precision);

}  // namespace dvren::server
