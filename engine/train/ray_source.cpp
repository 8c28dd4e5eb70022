#include "train/ray_source.h"

#include <algorithm>
#include <limits>

#include "dvren/scene/pixel_ray.h"

namespace dvren {
namespace {

constexpr int kForegroundReach = 4;  // pixels

// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
std::uint64_t Mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// A number of a place in a sequence: no state to keep.
class Draws {
 public:
  Draws(std::uint64_t seed, std::uint64_t step, std::uint64_t ray)
      : key_(Mix(Mix(seed) ^ Mix(step * 0xd1342543de82ef95u) ^ ray)) {}
  std::uint64_t Next() { return Mix(key_ + 0x632be59bd9b4e019u * ++count_); }
  double Unit() { return static_cast<double>(Next() >> 11) * 0x1p-53; }      // [0, 1)
  std::uint64_t Below(std::uint64_t n) { return (Next() >> 32) * n >> 32; }  // n <= 2^32

 private:
  std::uint64_t key_, count_ = 0;
};

// Pixels within reach of one that is not fully transparent.
void AppendForeground(const io::Photo& photo, std::uint64_t first, std::vector<std::uint32_t>& out) {
  const int w = photo.camera.width, h = photo.camera.height;
  std::vector<unsigned char> rows(static_cast<std::size_t>(w) * h, 0);
  const auto at = [w](int x, int y) { return static_cast<std::size_t>(y) * static_cast<std::size_t>(w) + x; };
  for (int y = 0; y < h; ++y) {
    int last = -kForegroundReach - 1;  // nearest one to the left, then to the right
    for (int x = 0; x < w; ++x) {
      if (photo.values[4 * at(x, y) + 3] != 0) last = x;
      rows[at(x, y)] |= x - last <= kForegroundReach ? 1 : 0;
    }
    last = w + kForegroundReach + 1;
    for (int x = w - 1; x >= 0; --x) {
      if (photo.values[4 * at(x, y) + 3] != 0) last = x;
      rows[at(x, y)] |= last - x <= kForegroundReach ? 1 : 0;
    }
  }
  for (int y = 0; y < h; ++y) {
    const int from = std::max(0, y - kForegroundReach), to = std::min(h - 1, y + kForegroundReach);
    for (int x = 0; x < w; ++x) {
      bool near = false;
      for (int row = from; row <= to && !near; ++row) near = rows[at(x, row)] != 0;
      if (near) out.push_back(static_cast<std::uint32_t>(first + at(x, y)));
    }
  }
}

}  // namespace

RaySource::RaySource(std::shared_ptr<const io::PhotoSet> photos, const RaySpec& spec, std::uint64_t seed)
    : photos_(std::move(photos)), spec_(spec), seed_(seed) {}

absl::StatusOr<RaySource> RaySource::Make(std::shared_ptr<const io::PhotoSet> photos, const RaySpec& spec,
                                          std::uint64_t seed) {
  RaySource source(std::move(photos), spec, seed);
  const auto& all = source.photos_->photos;
  if (all.empty()) return InvalidField("dataset", "no photographs", "training needs at least one");
  std::uint64_t first = 0;
  for (const io::Photo& photo : all) {
    const std::uint64_t pixels = std::uint64_t(photo.camera.width) * std::uint64_t(photo.camera.height);
    if (photo.channels != all.front().channels || (photo.channels != 3 && photo.channels != 4) ||
        photo.values.size() != pixels * static_cast<std::uint64_t>(photo.channels)) {
      return InvalidField(absl::StrCat("dataset: ", photo.name), absl::StrCat(photo.channels, " channels"),
                          "all photographs must have 3 channels, or all 4");
    }
    source.first_pixel_.push_back(first);
    first += pixels;
  }
  source.first_pixel_.push_back(first);
  if (first > std::numeric_limits<std::uint32_t>::max()) {
    return InvalidField("dataset", absl::StrCat(first, " pixels"), "at most 2^32 - 1; use dataset.downscale");
  }
  const bool alpha = all.front().channels == 4;
  if (spec.background == "white") {
    source.background_ = Background::kWhite;
  } else if (spec.background == "black") {
    source.background_ = Background::kBlack;
  } else if (!alpha) {
    // Nothing shows through a photograph without alpha.
    source.background_ = Background::kBlack;
  } else {
    source.background_ = spec.background == "random" ? Background::kRandom : Background::kRandomOnTransparent;
  }
  if (alpha && spec.foreground_fraction > 0) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      AppendForeground(all[i], source.first_pixel_[i], source.foreground_);
    }
  }
  if (spec.error_map) source.errors_.emplace(*source.photos_, spec);
  return source;
}

std::size_t RaySource::PhotoOf(std::uint64_t pixel) const {
  return static_cast<std::size_t>(std::upper_bound(first_pixel_.begin(), first_pixel_.end(), pixel) -
                                  first_pixel_.begin()) -
         1;
}

void RaySource::Draw(std::int64_t step, std::int64_t first, std::int64_t count,
                     const std::vector<io::PhotoCamera>& cameras, TrainingRays& rays) const {
  const auto n = static_cast<std::size_t>(count);
  for (auto* v : {&rays.origins, &rays.directions, &rays.target, &rays.background}) v->resize(3 * n);
  rays.ids.resize(n);
  rays.weights.resize(n);
  rays.photo.resize(n);
  rays.x.resize(n);
  rays.y.resize(n);
  rays.t_near.clear();
  rays.t_far.clear();
  for (std::size_t i = 0; i < n; ++i) {
    const std::int64_t index = first + static_cast<std::int64_t>(i);
    Draws draws(seed_, static_cast<std::uint64_t>(step), static_cast<std::uint64_t>(index));
    std::uint64_t pixel = 0;
    if (errors_ && draws.Unit() < spec_.error_fraction) {
      const double cell = draws.Unit(), place = draws.Unit();
      pixel = errors_->Draw(cell, place);
    } else {
      const bool near = !foreground_.empty() && draws.Unit() < spec_.foreground_fraction;
      pixel = near ? foreground_[draws.Below(foreground_.size())] : draws.Below(first_pixel_.back());
    }
    const std::size_t at = PhotoOf(pixel);
    const io::Photo& photo = photos_->photos[at];
    const std::uint64_t local = pixel - first_pixel_[at];
    const auto width = static_cast<std::uint64_t>(photo.camera.width);
    rays.photo[i] = static_cast<std::uint32_t>(at);
    rays.x[i] = static_cast<double>(local % width) + 0.5;
    rays.y[i] = static_cast<double>(local / width) + 0.5;
    rays.ids[i] = RayIdOf(step, index);
    PixelRay ray = RayThrough(cameras[at], rays.x[i], rays.y[i]);
    rays.weights[i] = ray.mapped ? 1.0f : 0.0f;
    if (!ray.mapped) ray.direction = {0, 0, 1};
    const std::uint16_t* value = &photo.values[local * static_cast<std::uint64_t>(photo.channels)];
    const float alpha = photo.channels == 4 ? static_cast<float>(value[3]) / 65535.0f : 1.0f;
    for (std::size_t c = 0; c < 3; ++c) {
      rays.origins[3 * i + c] = static_cast<float>(ray.origin[c]);
      rays.directions[3 * i + c] = static_cast<float>(ray.direction[c]);
      const auto chance = static_cast<float>(draws.Unit());
      const float behind = background_ == Background::kWhite    ? 1.0f
                           : background_ == Background::kBlack  ? 0.0f
                           : background_ == Background::kRandom ? chance
                                                                : (alpha == 0 ? chance : 1.0f);
      rays.background[3 * i + c] = behind;
      rays.target[3 * i + c] = static_cast<float>(value[c]) / 65535.0f + (1 - alpha) * behind;
    }
  }
}

}  // namespace dvren
