// What the daemon adds: Render of a 1024x1024 RGB frame and RenderRays of 1,024 rays over loopback, beside the same in
// process, in turns.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#include "bench.h"
#include "dvren/client/client.h"
#include "dvren/core/stream.h"
#include "dvren/render/renderer.h"

namespace dvren::bench {

namespace {

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

v1::RenderRequest Request(const Arguments& a, const Camera& camera) {
  v1::RenderRequest request;
  request.mutable_scene()->add_instances()->set_field("bench");
  auto& c = *request.mutable_camera();
  c.set_width(camera.width);
  c.set_height(camera.height);
  const auto& lens = std::get<PinholeModel>(camera.model);
  c.mutable_pinhole()->set_fx(lens.fx);
  c.mutable_pinhole()->set_fy(lens.fy);
  for (double m : camera.camera_to_world().m) c.mutable_camera_to_world()->add_m(m);
  c.set_t_near(camera.t_near);
  c.set_t_far(camera.t_far);
  request.mutable_sampling()->set_dt(1.0 / a.samples);
  request.mutable_sampling()->set_early_stop(0);
  return request;
}

}  // namespace

int Daemon(const Arguments& a) {
  auto client = Check(client::Client::Connect(a.endpoint));
  if (!client.GetField("bench").ok()) {
    client::UploadOptions upload;
    upload.display_name = "bench";
    Check(client.UploadGrid(BlobValues(a.size), {a.size, a.size, a.size, 4}, upload).status());
  }

  DeviceOptions options;
  options.threads = a.threads;
  auto device = Check(Device::Create(options));
  auto stream = Check(device->CreateStream());
  Scene scene;
  scene.instances.push_back({Check(CreateField(stream, BlobVolume(a.size)))});
  PlanSpec spec;
  spec.camera = BlobCamera(1024);
  spec.sampling.dt = 1.0 / a.samples;
  spec.sampling.early_stop = 0;
  auto plan = Check(device->plans().Get(device, spec));
  const Renderer renderer;
  const v1::RenderRequest request = Request(a, *spec.camera);

  std::vector<float> pixels(size_t{1024} * 1024 * 3), copy(pixels.size());
  const client::AovBuffer target{v1::AOV_RGB, std::span<float>(pixels)};
  std::vector<double> local, remote;
  for (int i = 0; i <= a.repetitions; ++i) {
    double begin = WallSeconds();
    Frame frame = Check(renderer.Render(stream, *plan, scene));
    Check(frame.rgb.CopyToHost(stream, copy.data()));
    if (i > 0) local.push_back(WallSeconds() - begin);
    begin = WallSeconds();
    Check(client.RenderInto(request, {&target, 1}).status());
    if (i > 0) remote.push_back(WallSeconds() - begin);
  }
  std::printf(
      "{\"bench\": \"daemon_render\", \"in_process_s\": %.6f, \"daemon_s\": %.6f, \"in_process_min_s\": %.6f, "
      "\"daemon_min_s\": %.6f, \"same_bits\": %s}\n",
      Median(local), Median(remote), *std::min_element(local.begin(), local.end()),
      *std::min_element(remote.begin(), remote.end()), pixels == copy ? "true" : "false");

  // 1,024 rays: the middle 32x32 pixels.
  std::vector<float> origins, directions;
  const auto& m = spec.camera->camera_to_world().m;
  const auto& lens = std::get<PinholeModel>(spec.camera->model);
  for (int y = 496; y < 528; ++y) {
    for (int x = 496; x < 528; ++x) {
      double d[3], length = 0;
      for (int i = 0; i < 3; ++i) {
        d[i] = m[4 * i] * (x + 0.5 - lens.cx) / lens.fx + m[4 * i + 1] * (y + 0.5 - lens.cy) / lens.fy + m[4 * i + 2];
        length += d[i] * d[i];
      }
      for (int i = 0; i < 3; ++i) {
        origins.push_back(static_cast<float>(m[4 * i + 3]));
        directions.push_back(static_cast<float>(d[i] / std::sqrt(length)));
      }
    }
  }
  const std::vector<float> near_t(1024, 4.0f), far_t(1024, 5.0f);
  v1::RenderRaysRequest rays;
  *rays.mutable_scene() = request.scene();
  *rays.mutable_sampling() = request.sampling();
  client::RaysView view{origins, directions, near_t, far_t, {}};
  std::vector<double> call, above;
  for (int i = 0; i < 200; ++i) {
    const double begin = WallSeconds();
    const client::RenderedRays result = Check(client.RenderRays(rays, view));
    const double seconds = WallSeconds() - begin;
    call.push_back(seconds);
    above.push_back(seconds - result.stats.kernel_seconds());
  }
  std::printf("{\"bench\": \"daemon_rays\", \"call_p50_ms\": %.4f, \"above_compute_p50_ms\": %.4f}\n",
              1e3 * Median(call), 1e3 * Median(above));
  return 0;
}

}  // namespace dvren::bench
