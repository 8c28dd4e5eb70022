// The kernels of the backward ops: backward (fused, recomputing), diff, sample_backward, ray_backward. Tasks as in
// forward_kernels.h. Include after what the backend brings along: its GradientSink, and
//   add_step(job, packet, adjoint, count, sink)   dL/d(dt) of a packet's rays, in double (step_ray.h)
#pragma once

#include "bodies/camera_ray_adjoint.h"
#include "bodies/fused_adjoint.h"
#include "bodies/packets.h"
#include "bodies/ray_loss.h"

namespace hp::HP_ISA_NS {

HP_TASK void add_background(GradientSink& sink, const F d_background[3], M live) {
  for (int c = 0; c < 3; ++c) sink.add(HP_SUM_BACKGROUND + c, d_background[c], live);
}

HP_TASK void add_camera(GradientSink& sink, const CameraAdjoint& d, F d_t_near, F d_t_far, M live) {
  for (int i = 0; i < 12; ++i) sink.add(HP_SUM_CAMERA_TO_WORLD + i, d.m[i], live);
  sink.add(HP_SUM_INTRINSICS, d.fx, live);
  sink.add(HP_SUM_INTRINSICS + 1, d.fy, live);
  sink.add(HP_SUM_INTRINSICS + 2, d.cx, live);
  sink.add(HP_SUM_INTRINSICS + 3, d.cy, live);
  for (int i = 0; i < 5; ++i) sink.add(HP_SUM_DISTORTION + i, d.distortion[i], live);
  sink.add(HP_SUM_ORTHO_SCALE, d.ortho_scale, live);
  sink.add(HP_SUM_T_NEAR, d_t_near, live);
  sink.add(HP_SUM_T_FAR, d_t_far, live);
}

// Writes dL/d(rays) of the packet's rays.
HP_TASK void write_ray_gradients(const GradientArgs& g, const RayAdjoint& d, Real unscale, const int64_t* ray,
                                 int count) {
  auto write = [&](const View& view, F value, int64_t channel) {
    if (!view.data) return;
    Real lanes[kWidth];
    store_lanes(value * splat(unscale), lanes);
    for (int i = 0; i < count; ++i) real_data(view)[ray[i] * view.stride0 + channel * view.stride1] = lanes[i];
  };
  write(g.d_origins, d.ox, 0);
  write(g.d_origins, d.oy, 1);
  write(g.d_origins, d.oz, 2);
  write(g.d_directions, d.dx, 0);
  write(g.d_directions, d.dy, 1);
  write(g.d_directions, d.dz, 2);
  write(g.d_t_near, d.t_near, 0);
  write(g.d_t_far, d.t_far, 0);
}

// What is left when a ray's samples are done: sums over rays, and what the ray itself is asked for.
template <bool kPlace, class Field>
HP_TASK void finish_ray_adjoint(const Grid& grid, const Field& field, const RayPacket& ray, const March& march,
                                const RayTotals<Field>& totals, GradientSink& sink, RayAdjoint& d_ray) {
  if (sink.scene()) {
    sink.add(HP_SUM_SIGMA_SCALE, totals.field.of.sigma_scale, ray.live);
    sink.add(HP_SUM_COLOR, totals.field.of.r, ray.live);
    sink.add(HP_SUM_COLOR + 1, totals.field.of.g, ray.live);
    sink.add(HP_SUM_COLOR + 2, totals.field.of.b, ray.live);
  }
  if constexpr (kPlace) {
    d_ray = start_march_adjoint(grid, ray, march, totals.lattice, totals.ray);
    field.end_ray_adjoint(totals.field, ray.dx, ray.dy, ray.dz, d_ray.dx, d_ray.dy, d_ray.dz);
  }
}

template <class Field, bool kPlace, bool kSpread>
struct BackwardTask {
  HP_TASK void run(const Job& job, int64_t item, Counters& counters) {
    const Grid grid(job.field);
    const Lattice lattice(job.plan);
    const Camera camera(job.plan.camera);
    const Real early_stop = Real(job.plan.early_stop);
    const bool skip = job.plan.skip_empty != 0;
    Field field(view_of<Field>(job.field), job.color);
    GradientSink sink(job, counters);
    const bool given = job.rays.count > 0, step = (job.gradients.wanted & HP_WANT_STEP) != 0;
    for_ray_groups(job, item, nullptr, [&](const RayPacket* rays, const PacketPixels* pixels, int packets) {
      March march[kGroup];
      Progress<kSpread> progress[kGroup];
      RayLoss loss[kGroup];
      RayTotals<Field> totals[kGroup];
      for (int i = 0; i < packets; ++i) {
        march[i] = start_march(grid, lattice, rays[i]);
        progress[i] = begin_progress<kSpread>(march[i].first);
        totals[i] = RayTotals<Field>::zero();
        F d_background[3];
        const PacketPixels& px = pixels[i];
        const RayLoss adjoint = read_adjoint(job, sink.scale(), px.out_x, px.out_y, px.count);
        loss[i] = with_forward(adjoint, job, px.out_x, px.out_y, px.count, d_background);
        if (step) add_step(job, rays[i], adjoint, px.count, sink);
        if (sink.scene()) add_background(sink, d_background, rays[i].live);
      }
      for (bool more = true; more;) {
        more = false;
        for (int i = 0; i < packets; ++i) {
          if (progress[i].done) continue;
          field.begin_ray(rays[i].dx, rays[i].dy, rays[i].dz);
          march_adjoint<kPlace>(field, lattice, march[i], early_stop, skip, kRoundsPerTurn, loss[i], progress[i],
                                totals[i], sink);
          more |= !progress[i].done;
        }
      }
      for (int i = 0; i < packets; ++i) {
        RayAdjoint d_ray;
        finish_ray_adjoint<kPlace>(grid, field, rays[i], march[i], totals[i], sink, d_ray);
        counters.value[HP_COUNTER_RAYS] += pixels[i].count;
        int32_t taken[kWidth];
        store_lanes(progress[i].samples, taken);
        for (int j = 0; j < pixels[i].count; ++j) counters.value[HP_COUNTER_SAMPLES] += taken[j];
        if constexpr (kPlace) {
          if (given) {
            write_ray_gradients(job.gradients, d_ray, Real(1) / sink.scale(), pixels[i].out_x, pixels[i].count);
          } else if (job.gradients.wanted & HP_WANT_CAMERA) {
            Real x[kWidth], y[kWidth];
            for (int j = 0; j < kWidth; ++j) {
              x[j] = Real(pixels[i].x[j < pixels[i].count ? j : 0]) + Real(0.5);
              y[j] = Real(pixels[i].y[j < pixels[i].count ? j : 0]) + Real(0.5);
            }
            CameraAdjoint d_camera;
            camera_ray_adjoint(camera, load_lanes(x), load_lanes(y), d_ray, d_camera);
            add_camera(sink, d_camera, d_ray.t_near, d_ray.t_far, rays[i].live);
          }
        }
      }
    });
  }
};

// ---- staged ---------------------------------------------------------------------------------------------------------

// The adjoint of integrate and compose, from stored samples.
template <bool kSpread>
struct DiffTask {
  HP_TASK void run(const Job& job, int64_t item, Counters& counters) {
    const int64_t end = (item + 1) * kRaysPerItem < job.count ? (item + 1) * kRaysPerItem : job.count;
    const SampArgs& in = job.samples;
    const GradientArgs& g = job.gradients;
    const Real early_stop = Real(job.plan.early_stop);
    GradientSink sink(job, counters);
    for (int64_t first = item * kRaysPerItem; first < end; first += kWidth) {
      const int count = static_cast<int>(end - first < kWidth ? end - first : kWidth);
      int32_t counts[kWidth];
      int64_t x[kWidth], y[kWidth];
      for (int i = 0; i < kWidth; ++i) {
        const int64_t j = first + (i < count ? i : 0);
        counts[i] = i < count ? static_cast<const int32_t*>(in.count.data)[j * in.count.stride0] : 0;
        x[i] = j % job.roi.width;
        y[i] = j / job.roi.width;
      }
      F d_background[3];
      const RayLoss loss = with_forward(read_adjoint(job, Real(1), x, y, count), job, x, y, count, d_background);
      if (sink.scene()) add_background(sink, d_background, first_lanes(count));
      const I total = load_lanes(counts);
      Progress<kSpread> at = begin_progress<kSpread>(splat_int(0));
      for (int32_t n = 0; n < in.capacity; ++n) {
        M live = stop_lanes(early_stop, without(less_equal(splat_int(n + 1), total), at.stopped), at);
        Real t[kWidth] = {0}, length[kWidth] = {0}, values[4][kWidth] = {{0}};
        for (int i = 0; i < count; ++i) {
          if (!lane_of(live, i)) continue;
          const int64_t j = first + i;
          t[i] = real_data(in.t)[j * in.t.stride0 + n * in.t.stride1];
          length[i] = real_data(in.dt)[j * in.dt.stride0 + n * in.dt.stride1];
          values[3][i] = real_data(in.sigma)[j * in.sigma.stride0 + n * in.sigma.stride1];
          for (int c = 0; c < 3; ++c) {
            values[c][i] = real_data(in.rgb)[j * in.rgb.stride0 + n * in.rgb.stride1 + c * in.rgb.stride2];
          }
        }
        const SampleAdjoint d = integrate_sample_adjoint(
            at.integral, at.spread, live, loss, load_lanes(t), load_lanes(length), load_lanes(values[3]),
            load_lanes(values[0]), load_lanes(values[1]), load_lanes(values[2]));
        auto write = [&](const View& view, F value, int64_t channel) {
          Real lanes[kWidth];
          store_lanes(select(live, value, splat(0)), lanes);
          for (int i = 0; i < count; ++i) {
            real_data(view)[(first + i) * view.stride0 + n * view.stride1 + channel * view.stride2] = lanes[i];
          }
        };
        write(g.d_sample_t, d.t, 0);
        write(g.d_sample_dt, d.length, 0);
        write(g.d_sigma, d.sigma, 0);
        write(g.d_sample_rgb, d.r, 0);
        write(g.d_sample_rgb, d.g, 1);
        write(g.d_sample_rgb, d.b, 2);
      }
    }
  }
};

// The adjoint of sample: dL/d(samples) on to the field, the rays and the sums.
template <class Field>
struct SampleBackwardTask {
  HP_TASK void run(const Job& job, int64_t item, Counters& counters) {
    const Grid grid(job.field);
    const Lattice lattice(job.plan);
    Field field(view_of<Field>(job.field), job.color);
    GradientSink sink(job, counters);
    const GradientArgs& g = job.gradients;
    const F scale = splat(sink.scale());
    const int64_t end = (item + 1) * kRaysPerItem < job.rays.count ? (item + 1) * kRaysPerItem : job.rays.count;
    for (int64_t first = item * kRaysPerItem; first < end; first += kWidth) {
      const int count = static_cast<int>(end - first < kWidth ? end - first : kWidth);
      const RayPacket ray = given_rays(job.rays, first, count);
      const March march = start_march(grid, lattice, ray);
      field.begin_ray(ray.dx, ray.dy, ray.dz);
      RayTotals<Field> totals = RayTotals<Field>::zero();
      I k = march.first;
      for (int64_t n = 0; n < job.samples.capacity; ++n, k = k + splat_int(1)) {
        const M live = less_equal(k, march.last);
        if (!any(live)) break;
        auto read = [&](const View& view, int64_t channel) {
          Real lanes[kWidth] = {0};
          for (int i = 0; i < count; ++i) {
            if (!lane_of(live, i)) continue;
            lanes[i] = real_data(view)[(first + i) * view.stride0 + n * view.stride1 + channel * view.stride2];
          }
          return load_lanes(lanes) * scale;
        };
        const SampleAdjoint d = {read(g.d_sigma, 0),      read(g.d_sample_rgb, 0), read(g.d_sample_rgb, 1),
                                 read(g.d_sample_rgb, 2), read(g.d_sample_t, 0),   read(g.d_sample_dt, 0)};
        F t, length;
        place_sample(lattice, march, k, true, t, length);
        const auto place =
            field.locate(madd(t, march.gx, march.px), madd(t, march.gy, march.py), madd(t, march.gz, march.pz));
        sample_adjoint<true>(field, lattice, march, place, field.sample_at(place), k, t, live, d, sink, totals);
        counters.value[HP_COUNTER_SAMPLES] += count_of(live);
      }
      RayAdjoint d_ray;
      finish_ray_adjoint<true>(grid, field, ray, march, totals, sink, d_ray);
      if (g.wanted & HP_WANT_STEP) sink.add(HP_SUM_DT, totals.lattice.dt, ray.live);
      int64_t indices[kWidth];
      for (int i = 0; i < count; ++i) indices[i] = first + i;
      write_ray_gradients(g, d_ray, Real(1) / sink.scale(), indices, count);
      counters.value[HP_COUNTER_RAYS] += count;
    }
  }
};

// The adjoint of ray: dL/d(rays) on to the camera's sums.
struct RayBackwardTask {
  HP_TASK void run(const Job& job, int64_t item, Counters& counters) {
    const Camera camera(job.plan.camera);
    GradientSink sink(job, counters);
    const GradientArgs& g = job.gradients;
    for_groups_of_tile(job, item, [&](const PacketPixels* pixels, int packets) {
      for (int i = 0; i < packets; ++i) {
        const PacketPixels& px = pixels[i];
        Real x[kWidth], y[kWidth];
        for (int j = 0; j < kWidth; ++j) {
          x[j] = Real(px.x[j < px.count ? j : 0]) + Real(0.5);
          y[j] = Real(px.y[j < px.count ? j : 0]) + Real(0.5);
        }
        auto read = [&](const View& view, int64_t channel) {
          Real lanes[kWidth] = {0};
          for (int j = 0; view.data && j < px.count; ++j) {
            const int64_t n = px.out_y[j] * job.roi.width + px.out_x[j];
            lanes[j] = real_data(view)[n * view.stride0 + channel * view.stride1];
          }
          return load_lanes(lanes);
        };
        const RayAdjoint d = {read(g.d_origins, 0),    read(g.d_origins, 1),    read(g.d_origins, 2),
                              read(g.d_directions, 0), read(g.d_directions, 1), read(g.d_directions, 2),
                              read(g.d_t_near, 0),     read(g.d_t_far, 0)};
        CameraAdjoint d_camera;
        camera_ray_adjoint(camera, load_lanes(x), load_lanes(y), d, d_camera);
        add_camera(sink, d_camera, d.t_near, d.t_far, first_lanes(px.count));
      }
    });
  }
};

}  // namespace hp::HP_ISA_NS
