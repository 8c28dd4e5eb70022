// Instantiates the bodies for one lane. Included once per instruction set, after a lane header.
#include "backends/cpu/kernels.h"
#include "bodies/args.h"
#include "bodies/camera_ray.h"
#include "bodies/fused.h"
#include "hotpath_field_includes.inc"

namespace hp::HP_ISA_NS {

using cpu::kRaysPerItem;

static Real* real_data(const View& v) {
  return static_cast<Real*>(v.data);
}

// ---- packets of rays ------------------------------------------------------------------------------------------------

struct PacketPixels {
  int x[kWidth], y[kWidth];  // in the whole image
  int count = 0;             // of pixels inside the tile; the lanes beyond are idle
  int64_t out_x[kWidth], out_y[kWidth];
};

static RayPacket pixel_rays(const Camera& camera, int full_width, const PacketPixels& px, Counters* counters) {
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
static int64_t ray_at(const RaysArgs& rays, int64_t i) {
  return rays.order ? static_cast<int64_t>(rays.order[i]) : i;
}

static RayPacket given_rays(const RaysArgs& rays, int64_t first, int count) {
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

// Packets that march together, a few segments each in turn: neighbours read the same voxels while these are in the
// cache.
inline constexpr int kGroupEdge = 8;  // pixels
inline constexpr int kGroup = kGroupEdge * kGroupEdge / kWidth;
inline constexpr int kRoundsPerTurn = 8;

// Calls fn(packets, count) for the groups of tile `item` of the job's ROI.
template <class Fn>
static void for_groups_of_tile(const Job& job, int64_t item, Fn fn) {
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

static void write_pixels(const ImageArgs& image, const Pixel& p, const int64_t* x, const int64_t* y, int count) {
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

// ---- kernels --------------------------------------------------------------------------------------------------------

template <class Field>
static const typename Field::View& view_of(const FieldArgs& args) {
  static_assert(sizeof(typename Field::View) <= kFieldViewBytes);
  return *reinterpret_cast<const typename Field::View*>(args.view);
}

// Calls run(rays, pixels, packets) for the groups of item `item`: of given rays, or of the camera's pixels in a tile.
template <class Run>
static void for_ray_groups(const Job& job, int64_t item, Counters* counters, Run run) {
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

template <class Field, bool kSpread>
static void fused(const Job& job, int64_t item, Counters& counters) {
  const Grid grid(job.field);
  const Lattice lattice(job.plan);
  const Real early_stop = Real(job.plan.early_stop);
  const bool skip = job.plan.skip_empty != 0;
  Field field(view_of<Field>(job.field), job.color);
  PacketCounts counts;
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
        march_some(field, lattice, march[i], early_stop, skip, kRoundsPerTurn, progress[i], counts);
        more |= !progress[i].done;
      }
    }
    for (int i = 0; i < packets; ++i) {
      const Integral& integral = progress[i].integral;
      count_ends(march[i], early_stop, progress[i], counts);
      Pixel pixel = compose(job.plan.background, integral.r, integral.g, integral.b, integral.transmittance(),
                            integral.opacity(), integral.depth, distortion_of(progress[i].spread));
      write_pixels(job.image, pixel, pixels[i].out_x, pixels[i].out_y, pixels[i].count);
      counters.value[HP_COUNTER_RAYS] += pixels[i].count;
    }
  });
  counters.value[HP_COUNTER_SAMPLES] += counts.samples;
  counters.value[HP_COUNTER_EARLY_STOPPED] += counts.early_stopped;
  counters.value[HP_COUNTER_TRUNCATED] += counts.truncated;
}

static void ray(const Job& job, int64_t item, Counters& counters) {
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

// Every segment of every ray, sampled and stored. No early stop: that is the integrator's.
template <class Field>
static void sample(const Job& job, int64_t item, Counters& counters) {
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

// Bits of a 16-bit number to every second.
static uint32_t spread_by_two(uint32_t x) {
  x = (x | x << 8) & 0x00ff00ffu;
  x = (x | x << 4) & 0x0f0f0f0fu;
  x = (x | x << 2) & 0x33333333u;
  return (x | x << 1) & 0x55555555u;
}

// Keys by which rays that see the same voxels sort together: first by the axis along which a ray moves fastest and
// roughly by direction (7 bits), then by where it crosses the middle plane of that axis, in Morton order (22 bits).
static void ray_keys(const Job& job, int64_t item, uint32_t* keys) {
  const Grid grid(job.field);
  const Lattice lattice(job.plan);
  const int64_t end = (item + 1) * kRaysPerItem < job.rays.count ? (item + 1) * kRaysPerItem : job.rays.count;
  // 0 … steps - 1; a NaN becomes 0.
  auto quantised = [](Real unit, Real steps) {
    const Real x = unit * steps;
    return static_cast<uint32_t>(x > Real(0) ? (x < steps - 1 ? x : steps - 1) : Real(0));
  };
  for (int64_t first = item * kRaysPerItem; first < end; first += kWidth) {
    const int count = static_cast<int>(end - first < kWidth ? end - first : kWidth);
    const March s = start_march(grid, lattice, given_rays(job.rays, first, count));
    Real p[3][kWidth], g[3][kWidth];
    store_lanes(s.px, p[0]);
    store_lanes(s.py, p[1]);
    store_lanes(s.pz, p[2]);
    store_lanes(s.gx, g[0]);
    store_lanes(s.gy, g[1]);
    store_lanes(s.gz, g[2]);
    for (int i = 0; i < count; ++i) {
      auto speed = [&](int axis) { return g[axis][i] < Real(0) ? -g[axis][i] : g[axis][i]; };
      int a = speed(1) > speed(0) ? 1 : 0;
      a = speed(2) > speed(a) ? 2 : a;
      const int axes[2] = {(a + 1) % 3, (a + 2) % 3};
      const Real forward = g[a][i] == Real(0) ? Real(1) : g[a][i];
      const Real t = (Real(0.5) * (grid.lo[a] + grid.hi[a]) - p[a][i]) / forward;
      uint32_t key = static_cast<uint32_t>(2 * a + (forward < Real(0) ? 1 : 0));
      uint32_t at[2];
      for (int j = 0; j < 2; ++j) {
        const int b = axes[j];
        key = key << 2 | quantised(Real(0.5) * g[b][i] / forward + Real(0.5), 4);
        // The plane reaches half the box beyond it: slanting rays cross it there.
        const Real unit = (p[b][i] + t * g[b][i] - grid.lo[b]) / (grid.hi[b] - grid.lo[b]);
        at[j] = quantised(Real(0.5) * unit + Real(0.25), 2048);
      }
      keys[first + i] = key << 22 | spread_by_two(at[0]) << 1 | spread_by_two(at[1]);
    }
  }
}

static int64_t max_count(const Job& job) {
  const Grid grid(job.field);
  const Lattice lattice(job.plan);
  int64_t most = 0;
  for (int64_t first = 0; first < job.rays.count; first += kWidth) {
    const int count = static_cast<int>(job.rays.count - first < kWidth ? job.rays.count - first : kWidth);
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

template <bool kSpread>
static void integrate(const Job& job, int64_t item, Counters& counters) {
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

static void compose_rays(const Job& job, int64_t item, Counters&) {
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

template <class Field>
static void evaluate(const Job& job, int64_t item, Counters&) {
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

}  // namespace hp::HP_ISA_NS

#include "backends/cpu/backward.inl"
#include "backends/cpu/update.inl"

namespace hp::HP_ISA_NS {

template <class Field>
static void put(cpu::KernelTable& t, int field, int half) {
  t.fused[field][half][0] = fused<Field, false>;
  t.fused[field][half][1] = fused<Field, true>;
  t.sample[field][half] = sample<Field>;
  t.evaluate[field][half] = evaluate<Field>;
  t.backward[field][half][0][0] = backward<Field, false, false>;
  t.backward[field][half][0][1] = backward<Field, false, true>;
  t.backward[field][half][1][0] = backward<Field, true, false>;
  t.backward[field][half][1][1] = backward<Field, true, true>;
  t.sample_backward[field][half] = sample_backward<Field>;
#if defined(HP_REAL_IS_DOUBLE)
  t.step_backward[field][half] = step_backward<Field>;
#endif
}

static cpu::KernelTable make_table(const char* name) {
  cpu::KernelTable t = {};
  t.name = name;
  t.width = kWidth;
  t.ray = ray;
  t.integrate[0] = integrate<false>;
  t.integrate[1] = integrate<true>;
  t.compose = compose_rays;
  t.max_count = max_count;
  t.ray_keys = ray_keys;
  t.diff[0] = diff<false>;
  t.diff[1] = diff<true>;
  t.ray_backward = ray_backward;
#define HP_FIELD(index, field)            \
  put<field_##field<float>>(t, index, 0); \
  put<field_##field<Half>>(t, index, 1);
#include "hotpath_fields.inc"
#undef HP_FIELD
#if defined(HP_REAL_IS_DOUBLE)
#define HP_OPTIMIZER(index, name) t.update_array[index] = update_array<optimizer_##name>;
#else
  t.smooth_block[0] = smooth_block<float>;
  t.smooth_block[1] = smooth_block<Half>;
  t.add_noted = add_noted;
#if defined(HP_LANE_HAS_VOXEL16)
  t.wide_scatter = true;
#endif
#define HP_OPTIMIZER(index, name)                                    \
  t.update_block[index][0] = update_block<optimizer_##name, float>; \
  t.update_block[index][1] = update_block<optimizer_##name, Half>;
#endif
#include "hotpath_optimizers.inc"
#undef HP_OPTIMIZER
  return t;
}

}  // namespace hp::HP_ISA_NS
