#include "dvren/io/procedural.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace dvren::io {
namespace {

constexpr double kHalfEdge = 10.0;  // of the box, world units

std::uint64_t Mix(std::uint64_t x) {  // SplitMix64's finaliser
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9u;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebu;
  return x ^ x >> 31;
}

// Uniform in [0, 1), from a lattice point. Integers only, so that it is the same everywhere.
float Hash(std::int32_t x, std::int32_t y, std::int32_t z, std::uint64_t seed) {
  const std::uint64_t key = Mix(seed ^ (static_cast<std::uint64_t>(static_cast<std::uint32_t>(x)) |
                                        static_cast<std::uint64_t>(static_cast<std::uint32_t>(y)) << 32)) ^
                            static_cast<std::uint32_t>(z) * 0x9e3779b97f4a7c15u;
  return static_cast<float>(Mix(key) >> 40) * 0x1p-24f;
}

// Gradient noise on the integer lattice, about [-1, 1], with a quintic fade so that its slope has no creases.
float Noise(float x, float y, float z, std::uint64_t seed) {
  const float fx = std::floor(x), fy = std::floor(y), fz = std::floor(z);
  const auto ix = static_cast<std::int32_t>(fx), iy = static_cast<std::int32_t>(fy), iz = static_cast<std::int32_t>(fz);
  const float u = x - fx, v = y - fy, w = z - fz;
  const auto fade = [](float t) { return t * t * t * (t * (t * 6.0f - 15.0f) + 10.0f); };
  const auto mix = [](float a, float b, float t) { return a + t * (b - a); };
  const auto corner = [&](int i, int j, int k) {
    // The twelve edge directions of a cube.
    const auto h = static_cast<int>(Hash(ix + i, iy + j, iz + k, seed) * 12.0f);
    const float a = u - static_cast<float>(i), b = v - static_cast<float>(j), c = w - static_cast<float>(k);
    const float p = h < 8 ? a : b, q = h < 4 ? b : c;
    return ((h & 1) != 0 ? -p : p) + ((h & 2) != 0 ? -q : q);
  };
  const float s = fade(u), t = fade(v), r = fade(w);
  return mix(mix(mix(corner(0, 0, 0), corner(1, 0, 0), s), mix(corner(0, 1, 0), corner(1, 1, 0), s), t),
             mix(mix(corner(0, 0, 1), corner(1, 0, 1), s), mix(corner(0, 1, 1), corner(1, 1, 1), s), t), r);
}

// Billows: |noise| summed over octaves, turned so that the creases lie inwards as on a cauliflower. About [-1, 1].
float Billow(float x, float y, float z, int octaves, std::uint64_t seed) {
  float sum = 0.0f, amplitude = 0.5f, total = 0.0f;
  for (int i = 0; i < octaves; ++i) {
    sum += amplitude * (2.0f * std::abs(Noise(x, y, z, seed + static_cast<std::uint64_t>(i))) - 0.6f);
    total += amplitude;
    amplitude *= 0.5f;
    // Not exactly 2, and shifted: the lattices of two octaves should not coincide.
    x = x * 2.03f + 17.1f;
    y = y * 2.03f + 5.7f;
    z = z * 2.03f + 31.3f;
  }
  return sum / total;
}

struct Lobe {
  std::array<float, 3> centre;
  float radius;
};

// A wide base and towers on it, all inside [-1, 1]^3 with room for the billows.
std::array<Lobe, 9> MakeLobes(std::uint64_t seed) {
  std::array<Lobe, 9> lobes{};
  lobes[0] = {{0.0f, -0.15f, 0.0f}, 0.42f};
  for (int i = 1; i < 9; ++i) {
    const auto random = [&](int k) { return Hash(i, k, 77, seed); };
    const bool tower = i > 5;
    const float spread = tower ? 0.28f : 0.46f;
    const float radius = tower ? 0.2f + 0.1f * random(3) : 0.2f + 0.14f * random(3);
    lobes[i] = {{(2.0f * random(0) - 1.0f) * spread, tower ? 0.1f + 0.25f * random(1) : -0.28f + 0.16f * random(1),
                 (2.0f * random(2) - 1.0f) * spread},
                radius};
  }
  return lobes;
}

// Smooth union of the lobes: positive inside, about the distance to the surface.
float Envelope(const std::array<Lobe, 9>& lobes, float x, float y, float z) {
  constexpr float kBlend = 0.12f;
  float inside = -1.0f;
  for (const Lobe& lobe : lobes) {
    const float dx = x - lobe.centre[0], dy = y - lobe.centre[1], dz = z - lobe.centre[2];
    const float d = lobe.radius - std::sqrt(dx * dx + dy * dy + dz * dz);
    const float h = std::clamp(0.5f + 0.5f * (d - inside) / kBlend, 0.0f, 1.0f);
    inside = inside + h * (d - inside) + kBlend * h * (1.0f - h);
  }
  return inside;
}

float Smoothstep(float low, float high, float v) {
  const float t = std::clamp((v - low) / (high - low), 0.0f, 1.0f);
  return t * t * (3.0f - 2.0f * t);
}

float Density(const std::array<Lobe, 9>& lobes, float x, float y, float z, int octaves, std::uint64_t seed) {
  constexpr float kRelief = 0.2f;  // how far the billows reach
  const float envelope = Envelope(lobes, x, y, z);
  if (envelope < -kRelief) return 0.0f;  // most of the box, without a noise evaluated
  // Warped a little, so that the billows are not aligned with the axes.
  const float warp = 0.08f * Noise(2.1f * x + 3.0f, 2.1f * y, 2.1f * z - 7.0f, seed ^ 0x5bd1e995u);
  const float billow = Billow(3.2f * (x + warp), 3.2f * (y - warp), 3.2f * (z + warp), octaves, seed);
  const float surface = envelope + kRelief * billow;
  // Cumulus has a flat base, where the air reaches its dew point.
  const float base = Smoothstep(-0.46f, -0.34f, y + 0.03f * billow);
  const float body = Smoothstep(0.0f, 0.16f, surface) * base;
  const float grain = 0.75f + 0.5f * billow;
  return std::clamp(body * grain, 0.0f, 1.0f);
}

}  // namespace

DenseVolume MakeCloud(int n, std::uint64_t seed) {
  n = std::clamp(n, 8, 1024);
  DenseVolume volume;
  volume.shape = {n, n, n, 1};
  volume.box = {{-kHalfEdge, -kHalfEdge, -kHalfEdge}, {kHalfEdge, kHalfEdge, kHalfEdge}};
  const auto count = static_cast<std::size_t>(n);
  volume.values = Blob(count * count * count * sizeof(float));
  auto* values = reinterpret_cast<float*>(volume.values.data());
  const std::array<Lobe, 9> lobes = MakeLobes(seed);
  // The lobes reach about 0.7; the cloud should fill its box. Whatever a seed does, nothing may be cut off at a face.
  constexpr float kFill = 0.8f, kFade = 0.93f;
  const auto centre = [&](int i) { return (static_cast<float>(i) + 0.5f) / static_cast<float>(n) * 2.0f - 1.0f; };
  // Octaves down to the voxels: the first has 3.2 periods over half the lobes' space.
  int octaves = 1;
  while (octaves < 7 && 3.2f * kFill * static_cast<float>(1 << octaves) < static_cast<float>(n) / 4) ++octaves;
  const auto density = [&](float x, float y, float z) {
    const float reach = std::max({std::abs(x), std::abs(y), std::abs(z)});
    const float d = Density(lobes, kFill * x, kFill * y, kFill * z, octaves, seed);
    return reach < kFade ? d : d * (1.0f - Smoothstep(kFade, 1.0f - 2.0f / static_cast<float>(n), reach));
  };
  for (int z = 0; z < n; ++z) {
    for (int y = 0; y < n; ++y) {
      for (int x = 0; x < n; ++x) *values++ = density(centre(x), centre(y), centre(z));
    }
  }
  return volume;
}

}  // namespace dvren::io
