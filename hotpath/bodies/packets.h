// Which rays an item of a job consists of, as packets: pixels of a tile through the camera, or a stretch of given rays.
// Shared by all kernels. Include after a lane and the backend's grain.h, which says
//   HP_TASK                     the qualifier of functions here
//   kRaysPerItem                given rays of an item
//   kGroupEdge, kRoundsPerTurn  packets that march together, and for how long each in turn
#pragma once

#include "bodies/args.h"
#include "bodies/camera_ray.h"
#include "bodies/fused.h"

namespace hp::HP_ISA_NS {

// Packets that march together, a few segments each in turn: neighbours read the same voxels while these are in the
// cache.
inline constexpr int kGroup = kGroupEdge * kGroupEdge / kWidth;
// An item is one ray: a pixel of the ROI, row by row, or a given ray. Then everything stays in registers.
inline constexpr bool kOneRay = kGroup == 1 && kWidth == 1;

HP_TASK Real* real_data(const View& v) {
  return static_cast<Real*>(v.data);
}

// ---- packets of rays ------------------------------------------------------------------------------------------------

struct PacketPixels {
  int x[kWidth], y[kWidth];  // in the whole image
  int count = 0;             // of pixels inside the tile; the lanes beyond are idle
  int64_t out_x[kWidth], out_y[kWidth];
};

HP_TASK RayPacket pixel_rays(const Camera& camera, int full_width, const PacketPixels& px, Counters* counters) {
  Real xs[kWidth], ys[kWidth];
  int32_t ids[kWidth];
  for (int i = 0; i < kWidth; ++i) {
    const int j = i < px.count ? i : 0;
    xs[i] = Real(px.x[j]) + Real(0.5);
    ys[i] = Real(px.y[j]) + Real(0.5);
    ids[i] = px.y[j] * full_width + px.x[j];
  }
  RayPacket ray;
  M mapped;
  camera_ray(camera, load_lanes(xs), load_lanes(ys), ray, mapped);
  ray.id_low = int_to_bits(load_lanes(ids));
  ray.id_high = splat_bits(0);
  ray.live = first_lanes(px.count);
  if (counters) counters->value[HP_COUNTER_INVALID] += count_of(without(ray.live, mapped));
  return ray;
}

// The ray that comes at place `i`.
HP_TASK int64_t ray_at(const RaysArgs& rays, int64_t i) {
  return rays.order ? static_cast<int64_t>(rays.order[i]) : i;
}

HP_TASK RayPacket given_rays(const RaysArgs& rays, int64_t first, int count) {
  Real o[3][kWidth], d[3][kWidth], near_[kWidth], far_[kWidth];
  int32_t low[kWidth], high[kWidth];
  for (int i = 0; i < kWidth; ++i) {
    const int64_t j = ray_at(rays, first + (i < count ? i : 0));
    for (int c = 0; c < 3; ++c) {
      o[c][i] = real_data(rays.origins)[j * rays.origins.stride0 + c * rays.origins.stride1];
      d[c][i] = real_data(rays.directions)[j * rays.directions.stride0 + c * rays.directions.stride1];
    }
    near_[i] = real_data(rays.t_near)[j * rays.t_near.stride0];
    far_[i] = real_data(rays.t_far)[j * rays.t_far.stride0];
    const uint64_t id = rays.ids.data
                            ? static_cast<uint64_t>(static_cast<const int64_t*>(rays.ids.data)[j * rays.ids.stride0])
                            : static_cast<uint64_t>(j);
    low[i] = static_cast<int32_t>(static_cast<uint32_t>(id));
    high[i] = static_cast<int32_t>(static_cast<uint32_t>(id >> 32));
  }
  RayPacket ray;
  ray.ox = load_lanes(o[0]);
  ray.oy = load_lanes(o[1]);
  ray.oz = load_lanes(o[2]);
  ray.dx = load_lanes(d[0]);
  ray.dy = load_lanes(d[1]);
  ray.dz = load_lanes(d[2]);
  ray.t_near = load_lanes(near_);
  ray.t_far = load_lanes(far_);
  ray.id_low = int_to_bits(load_lanes(low));
  ray.id_high = int_to_bits(load_lanes(high));
  ray.live = first_lanes(count);
  return ray;
}

HP_TASK PacketPixels pixel_of_roi(const hp_roi& roi, int64_t item) {
  PacketPixels px;
  px.count = 1;
  px.out_x[0] = item % roi.width;
  px.out_y[0] = item / roi.width;
  px.x[0] = roi.x + static_cast<int>(px.out_x[0]);
  px.y[0] = roi.y + static_cast<int>(px.out_y[0]);
  return px;
}

// Calls fn(packets, count) for the groups of tile `item` of the job's ROI.
template <class Fn>
HP_TASK void for_groups_of_tile(const Job& job, int64_t item, Fn fn) {
  if constexpr (kOneRay) {
    const PacketPixels px = pixel_of_roi(job.roi, item);
    fn(&px, 1);
  } else {
    const int tiles_x = (job.roi.width + job.tile - 1) / job.tile;
    const int x0 = static_cast<int>(item % tiles_x) * job.tile, y0 = static_cast<int>(item / tiles_x) * job.tile;
    const int x1 = x0 + job.tile < job.roi.width ? x0 + job.tile : job.roi.width;
    const int y1 = y0 + job.tile < job.roi.height ? y0 + job.tile : job.roi.height;
    PacketPixels packets[kGroup];
    for (int gy = y0; gy < y1; gy += kGroupEdge) {
      for (int gx = x0; gx < x1; gx += kGroupEdge) {
        int used = 0;
        for (int by = gy; by < gy + kGroupEdge && by < y1; by += kBlockHeight) {
          for (int bx = gx; bx < gx + kGroupEdge && bx < x1; bx += kBlockWidth) {
            PacketPixels& px = packets[used++];
            px.count = 0;
            for (int y = by; y < by + kBlockHeight && y < y1; ++y) {
              for (int x = bx; x < bx + kBlockWidth && x < x1; ++x) {
                px.out_x[px.count] = x;
                px.out_y[px.count] = y;
                px.x[px.count] = job.roi.x + x;
                px.y[px.count] = job.roi.y + y;
                ++px.count;
              }
            }
          }
        }
        fn(packets, used);
      }
    }
  }
}

HP_TASK void write_pixels(const ImageArgs& image, const Pixel& p, const int64_t* x, const int64_t* y, int count) {
  auto write = [&](const View& view, F value, int64_t channel) {
    if (!view.data) return;
    Real lanes[kWidth];
    store_lanes(value, lanes);
    Real* data = real_data(view);
    for (int i = 0; i < count; ++i) data[y[i] * view.stride0 + x[i] * view.stride1 + channel * view.stride2] = lanes[i];
  };
  write(image.rgb, p.r, 0);
  write(image.rgb, p.g, 1);
  write(image.rgb, p.b, 2);
  write(image.opacity, p.opacity, 0);
  write(image.transmittance, p.transmittance, 0);
  write(image.depth, p.depth, 0);
  write(image.distortion, p.distortion, 0);
  write(image.hit, p.hit, 0);
  write(image.radiance, p.radiance_r, 0);
  write(image.radiance, p.radiance_g, 1);
  write(image.radiance, p.radiance_b, 2);
}

template <class Field>
HP_TASK const typename Field::View& view_of(const FieldArgs& args) {
  static_assert(sizeof(typename Field::View) <= kFieldViewBytes);
  return *reinterpret_cast<const typename Field::View*>(args.view);
}

// Calls run(rays, pixels, packets) for the groups of item `item`: of given rays, or of the camera's pixels in a tile.
template <class Run>
HP_TASK void for_ray_groups(const Job& job, int64_t item, Counters* counters, Run run) {
  if constexpr (kOneRay) {
    // One call of `run`, whichever rays they are, so that it is inlined.
    PacketPixels px;
    RayPacket ray;
    if (job.rays.count > 0) {
      px.count = 1;
      px.x[0] = px.y[0] = 0;
      px.out_x[0] = ray_at(job.rays, item);
      px.out_y[0] = 0;
      ray = given_rays(job.rays, item, 1);
    } else {
      px = pixel_of_roi(job.roi, item);
      ray = pixel_rays(Camera(job.plan.camera), job.plan.camera.width, px, counters);
    }
    run(&ray, &px, 1);
  } else {
    RayPacket rays[kGroup];
    if (job.rays.count > 0) {
      const int64_t end = (item + 1) * kRaysPerItem < job.rays.count ? (item + 1) * kRaysPerItem : job.rays.count;
      PacketPixels pixels[kGroup];
      for (int64_t first = item * kRaysPerItem; first < end;) {
        int packets = 0;
        for (; packets < kGroup && first < end; ++packets, first += kWidth) {
          PacketPixels& px = pixels[packets];
          px.count = static_cast<int>(end - first < kWidth ? end - first : kWidth);
          for (int i = 0; i < px.count; ++i) {
            px.out_x[i] = ray_at(job.rays, first + i);
            px.out_y[i] = 0;
          }
          rays[packets] = given_rays(job.rays, first, px.count);
        }
        run(rays, pixels, packets);
      }
    } else {
      const Camera camera(job.plan.camera);
      for_groups_of_tile(job, item, [&](const PacketPixels* pixels, int packets) {
        for (int i = 0; i < packets; ++i) rays[i] = pixel_rays(camera, job.plan.camera.width, pixels[i], counters);
        run(rays, pixels, packets);
      });
    }
  }
}

}  // namespace hp::HP_ISA_NS
