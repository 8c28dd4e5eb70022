// Checks of what callers hand to ops. Each names the field and its value when it refuses, and fills in the kernel's
// side.
#pragma once

#include <initializer_list>

#include "abi/objects.h"

namespace hp {

hp_dtype RealType(const hp_plan& plan);  // of the plan's rays and images

// A tensor of the given dtype and shape, or absent where allowed.
hp_status CheckTensor(const char* name, const hp_tensor& t, hp_dtype dtype, std::initializer_list<int64_t> shape,
                      bool optional, View* out);
hp_status CheckCounters(const hp_tensor& counters, int64_t** out);
hp_status CheckStream(const hp_stream* stream, const hp_plan* plan);
hp_status CheckRays(const hp_plan& plan, const hp_rays_t& rays, RaysArgs* out);
hp_status CheckRoi(const hp_plan& plan, hp_roi roi);
hp_status CheckInstances(const hp_stream& stream, const hp_instance* instances, int32_t count, const hp_plan& plan,
                         bool need_pointwise, Job* job);
hp_status CheckImage(const hp_plan& plan, const hp_img_t* img, int64_t height, int64_t width, ImageArgs* out);
hp_status CheckSamples(const hp_plan& plan, const hp_samp_t* s, int64_t rays, SampArgs* out);
hp_status CheckIntegrals(const hp_plan& plan, const hp_intl_t* s, int64_t rays, IntlArgs* out);

// The size of an op that needs none.
hp_status NoWorkspace(size_t* bytes);

}  // namespace hp
