#include "train/grid_growth.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <new>
#include <thread>

namespace dvren {
namespace {

// Colours of spherical harmonics are about one half; the first harmonic is this constant.
constexpr double kConstantHarmonic = 0.28209479177387814;

// Where the values of a coarse voxel go among those of a fine one.
class ChannelMap {
 public:
  ChannelMap(std::int64_t from, std::int64_t to) : to_(static_cast<std::size_t>(to)) {
    const std::int64_t had = from == 4 ? 1 : (from - 1) / 3, has = to == 4 ? 1 : (to - 1) / 3;  // per colour
    plain_ = from == 4 && to > 4;
    for (std::int64_t c = 0; c < from; ++c) {
      place_.push_back(static_cast<std::size_t>(c == from - 1 ? to - 1 : c / had * has + c % had));
    }
  }
  [[nodiscard]] std::size_t from() const { return place_.size(); }
  void Add(float w, const float* in, float* out) const {
    for (std::size_t c = 0; c < place_.size(); ++c) out[place_[c]] += w * in[c];
  }
  // Once all is added.
  void Finish(float* out) const {
    if (!plain_) return;
    for (std::size_t c = 0; c < 3; ++c) {
      float& v = out[place_[c]];
      v = static_cast<float>((static_cast<double>(v) - 0.5) / kConstantHarmonic);
    }
  }
  [[nodiscard]] std::size_t to() const { return to_; }

 private:
  std::size_t to_;
  bool plain_;  // from plain colours to harmonics
  std::vector<std::size_t> place_;
};

// Planes on all processors; they do not touch each other.
void ForEachPlane(std::int64_t planes, const std::function<void(std::int64_t)>& run) {
  const auto threads = std::clamp<std::int64_t>(std::thread::hardware_concurrency(), 1, planes);
  std::vector<std::thread> workers;
  for (std::int64_t t = 1; t < threads; ++t) {
    workers.emplace_back([&, t] {
      for (std::int64_t z = t; z < planes; z += threads) run(z);
    });
  }
  for (std::int64_t z = 0; z < planes; z += threads) run(z);
  for (std::thread& worker : workers) worker.join();
}

// Of each voxel whether one of the cells around it is there. Cell (x, y, z) reaches from its voxel to the next ones.
std::vector<std::uint8_t> CornersOf(const std::vector<std::uint8_t>& cells, const std::array<std::int64_t, 4>& shape) {
  std::vector<std::uint8_t> corners(cells.size(), 0);
  ForEachPlane(shape[0], [&](std::int64_t z) {
    for (std::int64_t y = 0; y < shape[1]; ++y) {
      for (std::int64_t x = 0; x < shape[2]; ++x) {
        for (int i = 0; i < 8; ++i) {
          const std::int64_t cx = x - (i & 1), cy = y - (i >> 1 & 1), cz = z - (i >> 2);
          if (cx < 0 || cy < 0 || cz < 0) continue;
          if (cells[static_cast<std::size_t>((cz * shape[1] + cy) * shape[2] + cx)] == 0) continue;
          corners[static_cast<std::size_t>((z * shape[1] + y) * shape[2] + x)] = 1;
          break;
        }
      }
    }
  });
  return corners;
}

}  // namespace

absl::StatusOr<io::DenseVolume> InitialGrid(const FieldSpec& spec, int resolution, int sh_degree) {
  const Box& box = spec.box;
  double volume = 1;
  for (std::size_t i = 0; i < 3; ++i) volume *= box.max[i] - box.min[i];
  const double voxel = std::cbrt(volume) / resolution;
  io::DenseVolume grid;
  const int terms = (sh_degree + 1) * (sh_degree + 1);
  grid.shape[3] = sh_degree == 0 ? 4 : 3 * terms + 1;
  for (std::size_t i = 0; i < 3; ++i) {
    const double extent = box.max[i] - box.min[i], centre = 0.5 * (box.min[i] + box.max[i]);
    const auto n = std::max<std::int64_t>(2, static_cast<std::int64_t>(std::ceil(extent / voxel - 1e-6)));
    grid.shape[2 - i] = n;
    grid.box.min[i] = centre - 0.5 * voxel * static_cast<double>(n);
    grid.box.max[i] = centre + 0.5 * voxel * static_cast<double>(n);
  }
  grid.activation = spec.activation == "identity"   ? io::Activation::kIdentity
                    : spec.activation == "softplus" ? io::Activation::kSoftplus
                    : spec.activation == "exp"      ? io::Activation::kExp
                                                    : io::Activation::kTruncExp;
  const auto channels = static_cast<std::size_t>(grid.shape[3]);
  const std::size_t voxels = static_cast<std::size_t>(grid.shape[0]) * static_cast<std::size_t>(grid.shape[1]) *
                             static_cast<std::size_t>(grid.shape[2]);
  try {
    grid.values = io::Blob(voxels * channels * sizeof(float));
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(absl::StrCat("stages: no room for ", voxels * channels * sizeof(float),
                                                     " bytes of a grid of resolution ", resolution,
                                                     "; choose a smaller one"));
  }
  std::vector<float> first(channels, 0.0f);
  first.back() = static_cast<float>(spec.initial_density);
  if (sh_degree == 0) std::fill_n(first.begin(), 3, static_cast<float>(spec.initial_color));
  if (sh_degree > 0) {
    for (int c = 0; c < 3; ++c) {
      first[static_cast<std::size_t>(c * terms)] = static_cast<float>((spec.initial_color - 0.5) / kConstantHarmonic);
    }
  }
  auto* values = reinterpret_cast<float*>(grid.values.data());
  const std::size_t plane = voxels / static_cast<std::size_t>(grid.shape[0]) * channels;
  ForEachPlane(grid.shape[0], [&](std::int64_t z) {
    float* to = values + static_cast<std::size_t>(z) * plane;
    for (std::size_t i = 0; i < plane; i += channels) std::copy(first.begin(), first.end(), to + i);
  });
  return grid;
}

void GrowGrid(const io::DenseVolume& coarse, const std::vector<std::uint8_t>& coarse_cells, io::DenseVolume& fine,
              std::vector<std::uint8_t>& fine_cells) {
  const auto& n = coarse.shape;
  const auto& m = fine.shape;
  const ChannelMap map(n[3], m[3]);
  const std::size_t channels = map.to();
  const auto* from = reinterpret_cast<const float*>(coarse.values.data());
  auto* to = reinterpret_cast<float*>(fine.values.data());
  fine_cells.assign(static_cast<std::size_t>(m[0] * m[1] * m[2]), 0);
  // Where voxel i of the fine grid lies among the coarse ones.
  struct At {
    std::int64_t low, high;
    float f;
  };
  const auto place = [&](std::size_t axis, std::int64_t i) {
    const std::size_t d = 2 - axis;
    const double world = fine.box.min[axis] + (static_cast<double>(i) + 0.5) *
                                                  (fine.box.max[axis] - fine.box.min[axis]) / static_cast<double>(m[d]);
    double p =
        (world - coarse.box.min[axis]) / (coarse.box.max[axis] - coarse.box.min[axis]) * static_cast<double>(n[d]) -
        0.5;
    p = std::clamp(p, 0.0, static_cast<double>(n[d] - 1));
    const auto low = static_cast<std::int64_t>(p);
    return At{low, std::min(low + 1, n[d] - 1), static_cast<float>(p - static_cast<double>(low))};
  };
  std::vector<At> along_x;
  for (std::int64_t x = 0; x < m[2]; ++x) along_x.push_back(place(0, x));
  // Calls run(x, y, z, ax, ay, az) for the voxels of each fine plane.
  const auto for_each_voxel = [&](const auto& run) {
    ForEachPlane(m[0], [&](std::int64_t z) {
      const At az = place(2, z);
      for (std::int64_t y = 0; y < m[1]; ++y) {
        const At ay = place(1, y);
        for (std::int64_t x = 0; x < m[2]; ++x) run(x, y, z, along_x[static_cast<std::size_t>(x)], ay, az);
      }
    });
  };
  for_each_voxel([&](std::int64_t x, std::int64_t y, std::int64_t z, const At& ax, const At& ay, const At& az) {
    const std::int64_t cell = (az.low * n[1] + ay.low) * n[2] + ax.low;
    if (!coarse_cells.empty() && coarse_cells[static_cast<std::size_t>(cell)] == 0) return;
    // A fine cell reaches from its voxel into the next: it is there when this corner is; that of its upper
    // neighbours is its neighbours' affair, so take those below too.
    for (int corner = 0; corner < 8; ++corner) {
      const std::int64_t cx = x - (corner & 1), cy = y - (corner >> 1 & 1), cz = z - (corner >> 2);
      if (cx < 0 || cy < 0 || cz < z || cz < 0) continue;  // planes of other threads are left alone
      fine_cells[static_cast<std::size_t>((cz * m[1] + cy) * m[2] + cx)] = 1;
    }
  });
  // The cells below in z, once no plane is written any more.
  const std::int64_t plane = m[1] * m[2];
  for (std::int64_t z = 0; z + 1 < m[0]; ++z) {
    for (std::int64_t i = 0; i < plane; ++i) {
      auto& below = fine_cells[static_cast<std::size_t>(z * plane + i)];
      below = std::max(below, fine_cells[static_cast<std::size_t>((z + 1) * plane + i)]);
    }
  }
  // A fine cell may reach out of the coarse ones. What lies beyond is made of the corners that a coarse cell has, and
  // of no others: nothing has looked at those, and a surface would grow thin where it meets them.
  const std::vector<std::uint8_t> known =
      coarse_cells.empty() ? std::vector<std::uint8_t>() : CornersOf(coarse_cells, n);
  const std::vector<std::uint8_t> needed = CornersOf(fine_cells, m);
  for_each_voxel([&](std::int64_t x, std::int64_t y, std::int64_t z, const At& ax, const At& ay, const At& az) {
    const std::int64_t voxel = (z * m[1] + y) * m[2] + x;
    if (needed[static_cast<std::size_t>(voxel)] == 0) return;
    std::array<std::int64_t, 8> corners;
    std::array<float, 8> weights;
    float all = 0;
    bool whole = true;
    for (std::size_t i = 0; i < 8; ++i) {
      corners[i] = ((i & 4 ? az.high : az.low) * n[1] + (i & 2 ? ay.high : ay.low)) * n[2] + (i & 1 ? ax.high : ax.low);
      weights[i] = (i & 1 ? ax.f : 1 - ax.f) * (i & 2 ? ay.f : 1 - ay.f) * (i & 4 ? az.f : 1 - az.f);
      if (!known.empty() && known[static_cast<std::size_t>(corners[i])] == 0) {
        whole = whole && weights[i] == 0;
        weights[i] = 0;
      }
      all += weights[i];
    }
    if (all == 0) return;
    float* out = to + static_cast<std::size_t>(voxel) * channels;
    for (std::size_t c = 0; c < channels; ++c) out[c] = 0;
    for (std::size_t i = 0; i < 8; ++i) {
      if (weights[i] == 0) continue;
      map.Add(whole ? weights[i] : weights[i] / all, from + static_cast<std::size_t>(corners[i]) * map.from(), out);
    }
    map.Finish(out);
  });
}

}  // namespace dvren
