// Renders an opaque cube through the installed engine; exit 0 when its middle pixel is opaque and its colour the
// field's.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#include "dvren/core/device.h"
#include "dvren/fields/field.h"
#include "dvren/plan/plan.h"
#include "dvren/render/renderer.h"

namespace {

absl::Status RenderCube() {
  DVREN_ASSIGN_OR_RETURN(auto device, dvren::Device::Create({.id = "cpu"}));
  DVREN_ASSIGN_OR_RETURN(auto stream, device->CreateStream());

  dvren::io::DenseVolume cube;
  cube.shape = {4, 4, 4, 1};
  cube.values = dvren::io::Blob(4 * 4 * 4 * sizeof(float));
  std::fill_n(reinterpret_cast<float*>(cube.values.data()), 4 * 4 * 4, 1000.0F);
  DVREN_ASSIGN_OR_RETURN(auto field, dvren::CreateField(stream, cube));

  dvren::Scene scene;
  scene.instances.push_back({.field = field, .object_to_world = {}, .color = std::array<double, 3>{1, 0.5, 0.25}});
  dvren::PlanSpec spec;
  spec.camera = dvren::OrbitCamera(field->info().world_box, 0, 0, 0, 40, 9, 9);
  spec.sampling.dt = 0.01;
  DVREN_ASSIGN_OR_RETURN(auto plan, device->plans().Get(device, spec));
  DVREN_ASSIGN_OR_RETURN(dvren::Frame frame, dvren::Renderer().Render(stream, *plan, scene));
  std::vector<float> rgb(9 * 9 * 3);
  DVREN_RETURN_IF_ERROR(frame.rgb.CopyToHost(stream, rgb.data()));
  const float* middle = &rgb[(4 * 9 + 4) * 3];
  if (std::abs(middle[0] - 1) > 1e-3 || std::abs(middle[1] - 0.5) > 1e-3 || std::abs(middle[2] - 0.25) > 1e-3) {
    return absl::InternalError(absl::StrCat("middle pixel = ", middle[0], ", ", middle[1], ", ", middle[2]));
  }
  return absl::OkStatus();
}

}  // namespace

int main() {
  const absl::Status status = RenderCube();
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
