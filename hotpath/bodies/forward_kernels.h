// The kernels of the forward ops: ray, sample, integrate, compose, fused, evaluate. A task is a kernel; run() does one
// item of a job (packets.h): how many items there are and who does them is the backend's.
#pragma once

#include "bodies/packets.h"
#include "hotpath_field_includes.inc"

namespace hp::HP_ISA_NS {

template <class Field, bool kSpread>
struct FusedTask {
  HP_TASK void run(const Job& job, int64_t item, Counters& counters) {
    const Grid grid(job.field);
    const Lattice lattice(job.plan);
    const Real early_stop = Real(job.plan.early_stop);
    const bool skip = job.plan.skip_empty != 0;
    Field field(view_of<Field>(job.field), job.color);
    for_ray_groups(job, item, &counters, [&](const RayPacket* rays, const PacketPixels* pixels, int packets) {
      March march[kGroup];
      Progress<kSpread> progress[kGroup];
      for (int i = 0; i < packets; ++i) {
        march[i] = start_march(grid, lattice, rays[i]);
        progress[i] = begin_progress<kSpread>(march[i].first);
      }
      for (bool more = true; more;) {
        more = false;
        for (int i = 0; i < packets; ++i) {
          if (progress[i].done) continue;
          field.begin_ray(rays[i].dx, rays[i].dy, rays[i].dz);
          march_some(field, lattice, march[i], early_stop, skip, kRoundsPerTurn, progress[i]);
          more |= !progress[i].done;
        }
      }
      for (int i = 0; i < packets; ++i) {
        const Integral& integral = progress[i].integral;
        const Ends ends = ends_of(march[i], early_stop, progress[i]);
        Pixel pixel = compose(job.plan.background, integral.r, integral.g, integral.b, integral.transmittance(),
                              integral.opacity(), integral.depth, distortion_of(progress[i].spread));
        write_pixels(job.image, pixel, pixels[i].out_x, pixels[i].out_y, pixels[i].count);
        count_rays(job.image.counts, pixels[i], progress[i].samples, ends, counters);
      }
    });
  }

 private:
  // Into the counters, and into the image (H, W, 2) where there is one.
  HP_TASK void count_rays(const View& view, const PacketPixels& px, I samples, const Ends& ends, Counters& counters) {
    int32_t taken[kWidth], end[kWidth];
    store_lanes(samples, taken);
    for (int i = 0; i < px.count; ++i) counters.value[HP_COUNTER_SAMPLES] += taken[i];
    counters.value[HP_COUNTER_RAYS] += px.count;
    counters.value[HP_COUNTER_EARLY_STOPPED] += count_of(ends.stopped);
    counters.value[HP_COUNTER_TRUNCATED] += count_of(ends.truncated);
    if (!view.data) return;
    store_lanes(select(ends.stopped, splat_int(HP_RAY_STOPPED),
                       select(ends.truncated, splat_int(HP_RAY_TRUNCATED), splat_int(HP_RAY_LEFT))),
                end);
    for (int i = 0; i < px.count; ++i) {
      int32_t* out = static_cast<int32_t*>(view.data) + px.out_y[i] * view.stride0 + px.out_x[i] * view.stride1;
      out[0] = taken[i];
      out[view.stride2] = end[i];
    }
  }
};

struct RayTask {
  HP_TASK void run(const Job& job, int64_t item, Counters& counters) {
    const Camera camera(job.plan.camera);
    auto write = [&](const PacketPixels& px) {
      RayPacket packet = pixel_rays(camera, job.plan.camera.width, px, &counters);
      Real o[3][kWidth], d[3][kWidth], near_[kWidth], far_[kWidth];
      int32_t ids[kWidth];
      store_lanes(packet.ox, o[0]);
      store_lanes(packet.oy, o[1]);
      store_lanes(packet.oz, o[2]);
      store_lanes(packet.dx, d[0]);
      store_lanes(packet.dy, d[1]);
      store_lanes(packet.dz, d[2]);
      store_lanes(packet.t_near, near_);
      store_lanes(packet.t_far, far_);
      store_lanes(bits_to_int(packet.id_low), ids);
      for (int i = 0; i < px.count; ++i) {
        const int64_t n = px.out_y[i] * job.roi.width + px.out_x[i];
        for (int c = 0; c < 3; ++c) {
          real_data(job.rays.origins)[n * job.rays.origins.stride0 + c * job.rays.origins.stride1] = o[c][i];
          real_data(job.rays.directions)[n * job.rays.directions.stride0 + c * job.rays.directions.stride1] = d[c][i];
        }
        real_data(job.rays.t_near)[n * job.rays.t_near.stride0] = near_[i];
        real_data(job.rays.t_far)[n * job.rays.t_far.stride0] = far_[i];
        if (job.rays.ids.data) {
          static_cast<int64_t*>(job.rays.ids.data)[n * job.rays.ids.stride0] = static_cast<uint32_t>(ids[i]);
        }
      }
    };
    for_groups_of_tile(job, item, [&](const PacketPixels* pixels, int packets) {
      for (int i = 0; i < packets; ++i) write(pixels[i]);
    });
  }
};

// Every segment of every ray, sampled and stored. No early stop: that is the integrator's.
template <class Field>
struct SampleTask {
  HP_TASK void run(const Job& job, int64_t item, Counters& counters) {
    const Grid grid(job.field);
    const Lattice lattice(job.plan);
    Field field(view_of<Field>(job.field), job.color);
    const int64_t end = (item + 1) * kRaysPerItem < job.rays.count ? (item + 1) * kRaysPerItem : job.rays.count;
    const SampArgs& out = job.samples;
    for (int64_t first = item * kRaysPerItem; first < end; first += kWidth) {
      const int count = static_cast<int>(end - first < kWidth ? end - first : kWidth);
      RayPacket packet = given_rays(job.rays, first, count);
      March march = start_march(grid, lattice, packet);
      field.begin_ray(packet.dx, packet.dy, packet.dz);
      I k = march.first;
      for (int64_t n = 0;; ++n, k = k + splat_int(1)) {
        M live = less_equal(k, march.last);
        if (!any(live)) break;
        F t, length;
        place_sample(lattice, march, k, true, t, length);
        const Sample here =
            field.sample(madd(t, march.gx, march.px), madd(t, march.gy, march.py), madd(t, march.gz, march.pz));
        const F value[4] = {here.r, here.g, here.b, here.sigma};
        Real ts[kWidth], lengths[kWidth], values[4][kWidth];
        store_lanes(t, ts);
        store_lanes(length, lengths);
        for (int c = 0; c < 4; ++c) store_lanes(value[c], values[c]);
        for (int i = 0; i < count; ++i) {
          if (!lane_of(live, i)) continue;
          const int64_t j = first + i;
          real_data(out.t)[j * out.t.stride0 + n * out.t.stride1] = ts[i];
          real_data(out.dt)[j * out.dt.stride0 + n * out.dt.stride1] = lengths[i];
          real_data(out.sigma)[j * out.sigma.stride0 + n * out.sigma.stride1] = values[3][i];
          for (int c = 0; c < 3; ++c) {
            real_data(out.rgb)[j * out.rgb.stride0 + n * out.rgb.stride1 + c * out.rgb.stride2] = values[c][i];
          }
        }
        counters.value[HP_COUNTER_SAMPLES] += count_of(live);
      }
      int32_t firsts[kWidth], lasts[kWidth];
      store_lanes(march.first, firsts);
      store_lanes(march.last, lasts);
      for (int i = 0; i < count; ++i) {
        const int32_t n = lasts[i] < firsts[i] ? 0 : lasts[i] - firsts[i] + 1;
        static_cast<int32_t*>(out.count.data)[(first + i) * out.count.stride0] = n;
      }
      counters.value[HP_COUNTER_TRUNCATED] += count_of(march.truncated);
    }
    counters.value[HP_COUNTER_RAYS] += end - item * kRaysPerItem;
  }
};

struct MaxCountTask {
  // The most segments of any of the item's rays.
  HP_TASK int64_t run(const Job& job, int64_t item) {
    const Grid grid(job.field);
    const Lattice lattice(job.plan);
    const int64_t end = (item + 1) * kRaysPerItem < job.rays.count ? (item + 1) * kRaysPerItem : job.rays.count;
    int64_t most = 0;
    for (int64_t first = item * kRaysPerItem; first < end; first += kWidth) {
      const int count = static_cast<int>(end - first < kWidth ? end - first : kWidth);
      March march = start_march(grid, lattice, given_rays(job.rays, first, count));
      int32_t firsts[kWidth], lasts[kWidth];
      store_lanes(march.first, firsts);
      store_lanes(march.last, lasts);
      for (int i = 0; i < count; ++i) {
        const int64_t n = int64_t{lasts[i]} - firsts[i] + 1;
        if (n > most) most = n;
      }
    }
    return most;
  }
};

template <bool kSpread>
struct IntegrateTask {
  HP_TASK void run(const Job& job, int64_t item, Counters& counters) {
    const int64_t end = (item + 1) * kRaysPerItem < job.count ? (item + 1) * kRaysPerItem : job.count;
    const SampArgs& in = job.samples;
    const IntlArgs& out = job.integrals;
    const Real early_stop = Real(job.plan.early_stop);
    const bool stops = early_stop > Real(0);
    for (int64_t first = item * kRaysPerItem; first < end; first += kWidth) {
      const int count = static_cast<int>(end - first < kWidth ? end - first : kWidth);
      int32_t counts[kWidth], ends[kWidth] = {0};
      for (int i = 0; i < kWidth; ++i) {
        counts[i] = i < count ? static_cast<const int32_t*>(in.count.data)[(first + i) * in.count.stride0] : 0;
      }
      const I total = load_lanes(counts);
      Integral integral = Integral::begin();
      auto spread = SpreadOf<kSpread>::Type::begin();
      M stopped = splat_mask(false);
      for (int32_t n = 0;; ++n) {
        M live = without(less_equal(splat_int(n + 1), total), stopped);
        if (stops) {
          M ending = both(live, integral.transmittance() < splat(early_stop));
          stopped = either(stopped, ending);
          live = without(live, ending);
        }
        if (!any(live)) break;
        Real ts[kWidth], lengths[kWidth], values[4][kWidth];
        for (int i = 0; i < kWidth; ++i) {
          ts[i] = lengths[i] = values[0][i] = values[1][i] = values[2][i] = values[3][i] = 0;
          if (i >= count || !lane_of(live, i)) continue;
          const int64_t j = first + i;
          ts[i] = real_data(in.t)[j * in.t.stride0 + n * in.t.stride1];
          lengths[i] = real_data(in.dt)[j * in.dt.stride0 + n * in.dt.stride1];
          values[3][i] = real_data(in.sigma)[j * in.sigma.stride0 + n * in.sigma.stride1];
          for (int c = 0; c < 3; ++c) {
            values[c][i] = real_data(in.rgb)[j * in.rgb.stride0 + n * in.rgb.stride1 + c * in.rgb.stride2];
          }
          ends[i] = n + 1;
        }
        integrate_sample(integral, spread, live, load_lanes(ts), load_lanes(lengths), load_lanes(values[3]),
                         load_lanes(values[0]), load_lanes(values[1]), load_lanes(values[2]));
      }
      counters.value[HP_COUNTER_EARLY_STOPPED] += count_of(stopped);
      Real lanes[7][kWidth];
      store_lanes(integral.r, lanes[0]);
      store_lanes(integral.g, lanes[1]);
      store_lanes(integral.b, lanes[2]);
      store_lanes(integral.transmittance(), lanes[3]);
      store_lanes(integral.opacity(), lanes[4]);
      store_lanes(integral.depth, lanes[5]);
      store_lanes(distortion_of(spread), lanes[6]);
      for (int i = 0; i < count; ++i) {
        const int64_t j = first + i;
        for (int c = 0; c < 3; ++c) real_data(out.rgb)[j * out.rgb.stride0 + c * out.rgb.stride1] = lanes[c][i];
        real_data(out.transmittance)[j * out.transmittance.stride0] = lanes[3][i];
        real_data(out.opacity)[j * out.opacity.stride0] = lanes[4][i];
        real_data(out.depth)[j * out.depth.stride0] = lanes[5][i];
        if (out.distortion.data) real_data(out.distortion)[j * out.distortion.stride0] = lanes[6][i];
        if (out.end.data) static_cast<int32_t*>(out.end.data)[j * out.end.stride0] = ends[i];
      }
    }
  }
};

struct ComposeTask {
  HP_TASK void run(const Job& job, int64_t item, Counters&) {
    const int64_t end = (item + 1) * kRaysPerItem < job.count ? (item + 1) * kRaysPerItem : job.count;
    const IntlArgs& in = job.integrals;
    for (int64_t first = item * kRaysPerItem; first < end; first += kWidth) {
      const int count = static_cast<int>(end - first < kWidth ? end - first : kWidth);
      Real lanes[7][kWidth] = {{0}};
      int64_t x[kWidth], y[kWidth];
      for (int i = 0; i < kWidth; ++i) {
        const int64_t j = first + (i < count ? i : 0);
        for (int c = 0; c < 3; ++c) lanes[c][i] = real_data(in.rgb)[j * in.rgb.stride0 + c * in.rgb.stride1];
        lanes[3][i] = real_data(in.transmittance)[j * in.transmittance.stride0];
        lanes[4][i] = real_data(in.opacity)[j * in.opacity.stride0];
        lanes[5][i] = real_data(in.depth)[j * in.depth.stride0];
        if (in.distortion.data) lanes[6][i] = real_data(in.distortion)[j * in.distortion.stride0];
        x[i] = j % job.roi.width;
        y[i] = j / job.roi.width;
      }
      Pixel pixel = compose(job.plan.background, load_lanes(lanes[0]), load_lanes(lanes[1]), load_lanes(lanes[2]),
                            load_lanes(lanes[3]), load_lanes(lanes[4]), load_lanes(lanes[5]), load_lanes(lanes[6]));
      write_pixels(job.image, pixel, x, y, count);
    }
  }
};

template <class Field>
struct EvaluateTask {
  HP_TASK void run(const Job& job, int64_t item, Counters&) {
    const Grid grid(job.field);
    Field field(view_of<Field>(job.field), job.color);
    const int64_t end = (item + 1) * kRaysPerItem < job.count ? (item + 1) * kRaysPerItem : job.count;
    for (int64_t first = item * kRaysPerItem; first < end; first += kWidth) {
      const int count = static_cast<int>(end - first < kWidth ? end - first : kWidth);
      Real p[3][kWidth], d[3][kWidth], lanes[4][kWidth];
      for (int i = 0; i < kWidth; ++i) {
        const int64_t j = first + (i < count ? i : 0);
        for (int c = 0; c < 3; ++c) {
          p[c][i] = real_data(job.positions)[j * job.positions.stride0 + c * job.positions.stride1];
          d[c][i] = real_data(job.directions)[j * job.directions.stride0 + c * job.directions.stride1];
        }
      }
      const F px = load_lanes(p[0]), py = load_lanes(p[1]), pz = load_lanes(p[2]);
      const F x = transform_row(grid.m, px, py, pz), y = transform_row(grid.m + 4, px, py, pz),
              z = transform_row(grid.m + 8, px, py, pz);
      M inside = splat_mask(true);
      if (!grid.unbounded) {
        inside = both(both(splat(grid.lo[0]) <= x, x <= splat(grid.hi[0])),
                      both(both(splat(grid.lo[1]) <= y, y <= splat(grid.hi[1])),
                           both(splat(grid.lo[2]) <= z, z <= splat(grid.hi[2]))));
      }
      field.begin_ray(load_lanes(d[0]), load_lanes(d[1]), load_lanes(d[2]));
      const F zero = splat(0);
      const Sample here = field.sample(select(inside, x, zero), select(inside, y, zero), select(inside, z, zero));
      const F value[4] = {here.r, here.g, here.b, here.sigma};
      for (int c = 0; c < 4; ++c) store_lanes(select(inside, value[c], zero), lanes[c]);
      for (int i = 0; i < count; ++i) {
        const int64_t j = first + i;
        real_data(job.sigma)[j * job.sigma.stride0] = lanes[3][i];
        for (int c = 0; c < 3; ++c) real_data(job.rgb)[j * job.rgb.stride0 + c * job.rgb.stride1] = lanes[c][i];
      }
    }
  }
};

}  // namespace hp::HP_ISA_NS
